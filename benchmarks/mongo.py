"""MongoDB to columns against `pandas.DataFrame(list(collection.find()))`: the same documents, machine and run.

    python -m benchmarks.mongo [--tickets N] [--rounds N] [--json FILE]

The stand-in for MongoDB, or MONGODB_TEST_URI. Ours is `MongoTicketStore.blocks` over all there is: validated, ordered by
(created_at, ticket_id), enumerations coded. Rounds alternate; the ratio is the median of the rounds' own ratios. A window
is the same tickets asked for by their times. The ceilings read the same bytes in the same order and decode nothing.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pandas as pd
from rich.console import Console
from tests.support.servers import running_mongo

from neural_hive_ml.tickets.columns import columns_of, concat, digest_of
from neural_hive_ml.tickets.generator import GeneratorPlan, generate
from neural_hive_ml.tickets.mongo import MongoTicketStore
from neural_hive_ml.tickets.mongo_query import ORDER, created
from neural_hive_ml.tickets.port import TicketWindow

PLAN = GeneratorPlan(seed=42, start_ms=1_700_000_000_000, per_hour=1_200.0)
DATABASE = "bench_read"
BAR = 5.0
WRITE_ROWS = 2_000


def main(arguments: list[str]) -> int:
    """Print rows per second of both; exit code 1 where a ticket differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mongo")
    parser.add_argument("--tickets", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    with TemporaryDirectory() as folder, running_mongo(Path(folder)) as uri:
        told = measured(uri, asked.tickets, asked.rounds)
    if asked.json is not None:
        asked.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0 if told["equal"] else 1


def measured(uri: str, count: int, rounds: int) -> dict[str, Any]:
    """Fill a collection, read it both ways in turn, and print what was measured."""
    from pymongo import MongoClient

    console, tickets = Console(width=130), list(islice(generate(PLAN), count))
    with closing(MongoTicketStore(uri, DATABASE, 60.0)) as store, MongoClient[dict[str, Any]](uri) as client:
        collection = client[DATABASE]["execution_tickets"]
        collection.drop()
        for start in range(0, count, WRITE_ROWS):
            collection.insert_many([msgspec.to_builtins(t) for t in tickets[start : start + WRITE_ROWS]])
        store.create_indexes()
        ordered = sorted(tickets, key=lambda t: (t.created_at, t.ticket_id))
        equal = digest_of(concat(list(store.blocks(TicketWindow())))) == digest_of(columns_of(ordered))
        whole = TicketWindow(ordered[0].created_at, ordered[-1].created_at + 1)
        reads: dict[str, Callable[[], int]] = {
            "peer": lambda: len(pd.DataFrame(list(collection.find()))),
            "ours": lambda: sum(map(len, store.blocks(TicketWindow()))),
            "window": lambda: sum(map(len, store.blocks(whole))),
            "ceiling": lambda: count if undecoded(collection, {}) else 0,
            "window_ceiling": lambda: count if undecoded(collection, created(whole, "number")) else 0,
        }
        seconds: dict[str, list[float]] = {name: [] for name in reads}
        for _ in range(rounds):
            for name, read in reads.items():
                began = time.perf_counter()
                assert read() == count
                seconds[name].append(time.perf_counter() - began)
        client.drop_database(DATABASE)
    peer = seconds["peer"]
    told: dict[str, Any] = {"tickets": count, "equal": equal}
    for name, took in seconds.items():
        ratios = [p / t for p, t in zip(peer, took, strict=True)]
        told[name] = {"rows_per_second": count / median(took), "ratio": median(ratios), "ratios": ratios}
        console.print(
            f"speed.mongo.{name}: {count / median(took):,.0f} rows/s, {median(ratios):.1f} times the peer "
            f"({min(ratios):.1f} to {max(ratios):.1f} over {rounds} rounds)"
        )
    console.print(f"speed.mongo.ours against its bar of {BAR:g} times; equal to the tickets written: {equal}")
    return told


def undecoded(collection: Any, condition: dict[str, Any]) -> int:
    """Read in order and decode nothing; return the bytes."""
    return sum(map(len, collection.find_raw_batches(condition, sort=list(ORDER), batch_size=1_000)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
