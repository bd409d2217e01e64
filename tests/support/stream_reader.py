"""A reader to be killed: `python -m tests.support.stream_reader BROKER ADDRESS STREAM FILE`.

Every message becomes a line of FILE as it is handled, and a row of FILE.db, one a key, when it is settled.
"""

import asyncio
import sqlite3
import sys
from pathlib import Path

from neural_hive_ml.clock import SystemClock
from neural_hive_ml.streams.kafka import KafkaAccess, KafkaBroker
from neural_hive_ml.streams.port import Broker, Message
from neural_hive_ml.streams.redis import RedisBroker
from neural_hive_ml.streams.worker import Pace, StreamWorker


class Writing:
    """Handles by writing down; `INSERT OR IGNORE` makes a second time change nothing."""

    def __init__(self, path: Path) -> None:
        self.log = path.open("ab", buffering=0)
        self.db = sqlite3.connect(f"{path}.db", timeout=30)
        self.db.execute("CREATE TABLE IF NOT EXISTS done (id TEXT PRIMARY KEY)")
        self.pending: list[tuple[str]] = []

    async def handle(self, message: Message) -> None:
        self.log.write(message.value + b"\n")
        self.pending.append((message.value.decode(),))
        # As long as it takes to score.
        await asyncio.sleep(0.0005)

    async def joined(self) -> None:
        self.pending = []

    async def settle(self, *, last: bool) -> bool:
        with self.db:
            self.db.executemany("INSERT OR IGNORE INTO done VALUES (?)", self.pending)
        self.pending = []
        return True


def broker_of(kind: str, address: str) -> Broker:
    return RedisBroker(address, 5.0, 0.5) if kind == "redis" else KafkaBroker(KafkaAccess(address), 5.0, 6.0)


async def main(kind: str, address: str, stream: str, file: str) -> None:
    import os

    broker = broker_of(kind, address)
    # Killed readers come back under names of their own, as pods do. The kills are no fault of a message.
    pace = Pace(batch=50, idle_seconds=0.2, deliveries=1_000)
    await StreamWorker(
        broker, stream, "g", f"reader-{os.getpid()}", Writing(Path(file)), SystemClock(), pace
    ).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
