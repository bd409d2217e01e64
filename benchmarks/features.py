"""The feature frame in bulk against its definition row by row, in the same run.

    python -m benchmarks.features [--tickets N] [--sample N] [--json FILE]

The definition replays the first `--sample` tickets one lifecycle event at a time, in Python, as `features.definition`
reads. The frame is built over all of them; on the sample both must be equal to the last bit. Times are of CPU, so that a
busy neighbour counts in neither.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console

from neural_hive_ml.features.binding import FeatureBinding, bind
from neural_hive_ml.features.frame import STAGES, build_frame
from neural_hive_ml.features.row import feature_row, learn
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.generator import GeneratorPlan, generate
from neural_hive_ml.tickets.lifecycle import events_of, order_of
from neural_hive_ml.tickets.ticket import Ticket

PLAN = GeneratorPlan(seed=42, start_ms=1_700_000_000_000, per_hour=1_200.0)
BAR = 20.0
Key = tuple[str, int]


def row_by_row(
    tickets: Sequence[Ticket], binding: FeatureBinding
) -> tuple[dict[Key, npt.NDArray[np.float64]], float]:
    """Return the creation and end rows by the definition, and the CPU seconds they took."""
    events = sorted((e for t in tickets for e in events_of(t)), key=order_of)
    statistics, rows = Statistics(), {}
    began = time.process_time()
    for event in events:
        if event.kind != "started":
            key = event.ticket.ticket_id, STAGES[event.kind]
            rows[key] = feature_row(event.ticket, event.kind, event.at_ms, statistics, binding, compiled=False)
        learn(event, statistics, binding, compiled=False)
    return rows, time.process_time() - began


def main(arguments: list[str]) -> int:
    """Print the comparison; exit code 1 where a bit differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features")
    parser.add_argument("--tickets", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    tickets = list(islice(generate(PLAN), asked.tickets))
    sample = tickets[: asked.sample]
    columns = columns_of(tickets)
    binding = bind(columns)
    began = time.process_time()
    frame, _ = build_frame(columns, binding)
    bulk_s = time.process_time() - began
    rows, peer_s = row_by_row(sample, binding)
    known, _ = build_frame(columns_of(sample), binding)
    differing = sum(
        rows[sample[who].ticket_id, int(stage)].tobytes() != row.tobytes()
        for row, who, stage in zip(known.rows, known.ticket, known.stage, strict=True)
    )
    ours_us, peer_us = bulk_s / len(frame.rows) * 1e6, peer_s / len(rows) * 1e6
    told = {
        "id": "speed.features.frame",
        "rows": len(frame.rows),
        "ours_us": ours_us,
        "peer": "the definition row by row",
        "peer_us": peer_us,
        "ratio": peer_us / ours_us,
        "bar": BAR,
        "sample_rows": len(known.rows),
        "rows_that_differ": differing,
    }
    Console(width=120).print(
        f"speed.features.frame: {told['rows']:,} rows of {len(tickets):,} tickets, {ours_us:.1f} us each; row by row "
        f"{peer_us:.0f} us: {peer_us / ours_us:.1f} times (bar {BAR:.0f}); {differing} of {len(known.rows):,} rows differ"
    )
    if asked.json is not None:
        asked.json.write_text(json.dumps(told, indent=2) + "\n")
    return 1 if differing or len(known.rows) != len(rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
