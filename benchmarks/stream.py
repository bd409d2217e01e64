"""guard-agents on a Redis stream: events per second, added latency, and twenty kills in mid-stream.

    python -m benchmarks.stream [--tickets N] [--seconds S] [--kills N] [--json FILE]

A real Redis (append-only, synced on every write), a real `hive-ml serve guard-agents`, the embedded state. An event is a
ticket document as it was when the event happened; it counts as scored when its prediction is durable in the state store.
One that comes after a later event of its ticket changes nothing and is counted apart. Added latency is the time of that
less the time of publication, at half of the rate that was sustained.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from tests.services.test_ticket_stream import as_known, events, metric
from tests.support.redis_server import running_redis_process
from tests.support.served import publish as promote
from tests.support.served import served
from tests.support.trained import anomaly_candidate, generated_tickets

from neural_hive_ml.conventions import PREDICTIONS
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.streams.port import Outgoing
from neural_hive_ml.streams.redis import RedisBroker
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.ticket import Ticket

ACCEPTED = 'neural_hive_ml_tickets_received_total{result="accepted"}'
DUPLICATE = 'neural_hive_ml_tickets_received_total{result="duplicate"}'
BATCH = 100
STAGES = ("created", "running", "ended")
Document = tuple[str, bytes]


def later(count: int) -> list[Ticket]:
    """Tickets of the model's tasks whose events all lie behind what its statistics know."""
    known_ms = Statistics.restore(anomaly_candidate().model.statistics).as_of_ms
    drawn = generated_tickets(1_600 + count)[1_600:]
    shift = known_ms + 1_000 - min(t.created_at for t in drawn)
    moved = {"created_at", "started_at", "completed_at"}
    return [
        replace(t, **{n: None if getattr(t, n) is None else getattr(t, n) + shift for n in moved})  # type: ignore[arg-type] # three times in ms
        for t in drawn
    ]


async def send(url: str, stream: str, documents: Sequence[Document], per_second: float | None) -> dict[str, float]:
    """Publish in small batches at a rate, or at once; return when each was published, by its stage and ticket."""
    broker, sent, began = RedisBroker(url), {}, time.monotonic()
    for start in range(0, len(documents), BATCH):
        part = documents[start : start + BATCH]
        if per_second is not None:
            await asyncio.sleep(max(began + start / per_second - time.monotonic(), 0))
        now = time.time() * 1000
        await broker.publish(stream, [Outgoing("", document) for _, document in part])
        sent.update(dict.fromkeys((key for key, _ in part), now))
    await broker.close()
    return sent


def kept(folder: Path) -> dict[str, int]:
    """Return when each prediction was made durable, epoch ms, by its stage and ticket."""
    store, after, found = EmbeddedStateStore(folder / "state.db"), None, {}
    while page := store.find(PREDICTIONS, after=after, limit=5_000):
        found.update({f"{r.document['stage']} {r.document['ticket_id']}": r.at_ms for r in page})
        after = page[-1].at_ms, page[-1].key
    store.close()
    return found


def await_kept(folder: Path, documents: Sequence[Document], seconds: float = 120) -> dict[str, int]:
    """Wait until the predictions of all events are durable, or nothing came for so long."""
    found, changed = kept(folder), time.monotonic()
    while any(key not in found for key, _ in documents) and time.monotonic() < changed + seconds:
        time.sleep(0.5)
        now = kept(folder)
        if len(now) > len(found):
            changed = time.monotonic()
        found = now
    return found


def overtaken(key: str, found: dict[str, int]) -> bool:
    """Whether an event that was not scored itself came after a later one of its ticket, which was."""
    stage, ticket = key.split(" ", 1)
    return any(f"{later} {ticket}" in found for later in STAGES[STAGES.index(stage) + 1 :])


def documents_of(tickets: Sequence[Ticket]) -> list[Document]:
    """Return the documents of all events in order of time, each with the stage it will be judged at."""
    stages = {"created": "created", "started": "running", "ended": "ended"}
    return [(f"{stages[e.kind]} {e.ticket.ticket_id}", encode_ticket(as_known(e))) for e in events(tickets)]


def killed(folder: Path, url: str, documents: Sequence[Document], kills: int) -> dict[str, float]:
    """Kill guard-agents again and again while it reads; all that was published must be kept."""
    asyncio.run(send(url, "killed", documents, None))
    handled, chance = 0.0, random.Random(5)
    for _ in range(kills):
        with served(folder, REDIS_URL=url, KAFKA_TICKETS_TOPIC="killed") as (address, process):
            # In mid-stream: it has begun, and ends some moment later.
            due = chance.randint(1, max(len(documents) // (2 * kills), 1))
            while (done := metric(address, ACCEPTED)) < due:
                time.sleep(0.01)
            handled += done + max(metric(address, DUPLICATE), 0)
            os.kill(process.pid, signal.SIGKILL)
    with served(folder, REDIS_URL=url, KAFKA_TICKETS_TOPIC="killed") as (address, _):
        found = await_kept(folder, documents)
        time.sleep(1.0)
        handled += metric(address, ACCEPTED) + max(metric(address, DUPLICATE), 0)
        dead = max(metric(address, 'neural_hive_ml_dead_letters_total{stream="tickets"}'), 0)
    unscored = [key for key, _ in documents if key not in found]
    late = sum(overtaken(key, found) for key in unscored)
    return {
        "kills": kills,
        "events": len(documents),
        "missing": len(unscored) - late,
        "overtaken": late,
        "handled": handled,
        "handled_again": handled - len(documents),
        "dead_letters": dead,
    }


def main(arguments: list[str]) -> int:
    """Print what was measured; exit code 1 where an event was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream")
    parser.add_argument("--tickets", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    tickets = later(3 * asked.tickets)
    first, second, third = (documents_of(tickets[i::3]) for i in range(3))
    with TemporaryDirectory() as name, running_redis_process(Path(name) / "redis") as redis:
        folder = Path(name) / "data"
        folder.mkdir()
        promote(folder, [anomaly_candidate()])
        asyncio.run(send(redis.url, "tickets", first, None))
        with served(folder, REDIS_URL=redis.url, KAFKA_TICKETS_TOPIC="tickets") as (address, _):
            while metric(address, ACCEPTED) < 1:
                time.sleep(0.01)
            began, already = time.monotonic(), metric(address, ACCEPTED)
            while (done := metric(address, ACCEPTED)) < len(first):
                time.sleep(0.05)
            rate = (done - already) / (time.monotonic() - began)
            await_kept(folder, first)
            paced = second[: int(rate / 2 * asked.seconds)]
            sent = asyncio.run(send(redis.url, "tickets", paced, rate / 2))
            found = await_kept(folder, paced)
        late_ms = np.array([found[key] - at for key, at in sent.items()])
        told = {
            "events_per_second": rate,
            "paced_per_second": rate / 2,
            "added_ms": dict(
                zip(("p50", "p95", "p99"), np.quantile(late_ms, (0.5, 0.95, 0.99)).tolist(), strict=True)
            ),
            "killed": killed(folder, redis.url, third, asked.kills),
        }
    show(told)
    if asked.json is not None:
        asked.json.write_text(json.dumps(told, indent=2) + "\n")
    return 1 if told["killed"]["missing"] or told["killed"]["dead_letters"] else 0  # type: ignore[index] # a mapping


def show(told: dict[str, object]) -> None:
    """Print both results."""
    added, kills = told["added_ms"], told["killed"]
    assert isinstance(added, dict)
    assert isinstance(kills, dict)
    console = Console(width=130)
    console.print(
        f"speed.stream.sustained: {told['events_per_second']:,.0f} events/s scored and kept; at "
        f"{told['paced_per_second']:,.0f} events/s they are durable {added['p50']:.0f} ms after publication "
        f"(P95 {added['p95']:.0f}, P99 {added['p99']:.0f})"
    )
    console.print(
        f"speed.stream.killed: {kills['kills']} kills, {kills['events']:,} events, {kills['missing']} missing, "
        f"{kills['overtaken']} only judged at a later stage, "
        f"{kills['handled_again']:,.0f} handled again and absorbed, {kills['dead_letters']:.0f} dead letters"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
