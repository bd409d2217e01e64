"""A reader to be killed: `python -m tests.support.stream_reader BROKER ADDRESS STREAM FILE`.

Every message becomes a line of FILE as it is handled, and a row of FILE.db, one a key, when it is settled. Some do more:
`kill` ends the process as it is handled, `kill-settling` as it is settled, `wait` finds a store that does not answer.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

from neural_hive_ml.clock import SystemClock
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.streams.in_hand import InHand
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
        if message.value == b"kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if message.value == b"wait":
            raise StoreUnavailable("no model yet")
        self.pending.append((message.value.decode(),))
        # As long as it takes to score.
        await asyncio.sleep(0.0005)

    async def joined(self) -> None:
        self.pending = []

    async def settle(self, *, last: bool) -> bool:
        if ("kill-settling",) in self.pending:
            os.kill(os.getpid(), signal.SIGKILL)
        with self.db:
            self.db.executemany("INSERT OR IGNORE INTO done VALUES (?)", self.pending)
        self.pending = []
        return True


def broker_of(kind: str, address: str) -> Broker:
    return RedisBroker(address, 5.0, 0.5) if kind == "redis" else KafkaBroker(KafkaAccess(address), 5.0, 6.0)


async def main(kind: str, address: str, stream: str, file: str) -> None:
    broker = broker_of(kind, address)
    pace = Pace(batch=50, idle_seconds=0.2)
    # Killed readers come back under names of their own, as pods do, on the same folder.
    name, mark = f"reader-{os.getpid()}", InHand(Path(file).with_name("in-hand"))
    worker = StreamWorker(broker, stream, "g", name, Writing(Path(file)), SystemClock(), pace, mark)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()
    await broker.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
