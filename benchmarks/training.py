"""Training all five models on many tickets, tuning off: time and peak memory, beside row-wise pandas and scikit-learn.

    python -m benchmarks.training [--tickets 100000] [--only ours|row_wise|bounded] [--json FILE]

Each side is a process of its own, on the same generated tickets. The row-wise side is what a first version of such a
system does: twenty features a ticket in a loop over `DataFrame.iterrows` with running statistics in dicts, scikit-learn's
forest and boosting on them, and Prophet's defaults on hourly counts, once a horizon; it judges nothing and keeps nothing.
Tickets are made before the clock starts; those of `bounded`, which is ours on a window with more tickets than rows are made
of, block by block while it runs.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.process import Ended, run
from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.conventions import FAMILIES
from neural_hive_ml.tickets.columns import TicketColumns, columns_of
from neural_hive_ml.tickets.generator import GeneratorPlan, generate
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.families import train_family
from neural_hive_ml.training.request import MOST_TICKETS, requests_for
from neural_hive_ml.training.window import bounded_window

BLOCK_ROWS = 50_000
START_MS = 1_767_571_200_000


def tickets(count: int) -> Iterator[Ticket]:
    """Yield generated tickets, about sixty days of them."""
    plan = GeneratorPlan(seed=5, start_ms=START_MS, per_hour=count / (60 * 24), tasks=60, owners=20)
    return islice(generate(plan), count)


def ours(columns: TicketColumns) -> int:
    """Train and judge the five models; return how many."""
    until_ms = int(columns.completed_at_ms.max()) + 1
    requests = requests_for(FAMILIES, as_of_ms=until_ms, window_days=540)
    return len([train_family(columns, request) for request in requests])


def bounded(count: int) -> int:
    """Read a window in blocks as a training does, then train and judge the five models; return how many."""
    until_ms = START_MS + 61 * DAY_MS
    made = tickets(count)
    blocks = (columns_of(rows) for rows in iter(lambda: list(islice(made, BLOCK_ROWS)), []))
    columns, earlier = bounded_window(blocks, until_ms, MOST_TICKETS, "UTC")
    requests = requests_for(FAMILIES, as_of_ms=until_ms, window_days=540)
    return len([train_family(columns, replace(request, earlier=earlier)) for request in requests])


def row_wise(columns: TicketColumns) -> int:
    """Train five models the usual way; return how many."""
    import pandas as pd
    from prophet import Prophet
    from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest

    frame = pd.DataFrame(
        {
            "task": columns.task_id,
            "owner": columns.owner,
            "created": columns.created_at_ms,
            "completed": columns.completed_at_ms,
            "duration": columns.actual_duration_ms,
            "type": columns.task_type,
            "risk": columns.risk_band,
        }
    ).sort_values("created")
    seen: dict[object, list[float]] = {}
    rows, target = [], []
    for _, t in frame.iterrows():
        at = pd.Timestamp(t["created"], unit="ms")
        row = [float(t["type"]), float(t["risk"]), at.hour / 24, float(at.dayofweek), float(at.dayofweek >= 5)]
        took = float(np.log1p(max(t["duration"], 0)))
        for key in (("task", t["task"]), ("owner", t["owner"]), ("both", t["task"], t["owner"])):
            past = seen.setdefault(key, [])
            recent = past[-32:] or [0.0]
            row += [len(past), float(np.mean(recent)), float(np.std(recent)), float(np.median(recent)), recent[-1]]
            past.append(took)
        rows.append(row)
        target.append(took)
    x, y = np.array(rows), np.array(target)
    cut = int(len(x) * 0.75)
    HistGradientBoostingRegressor(loss="absolute_error", random_state=0).fit(x[:cut], y[:cut])
    both = np.column_stack([x, y])
    IsolationForest(random_state=0).fit(both[:cut]).score_samples(both[cut:])
    done = frame[frame["completed"] > 0]
    hours = pd.to_datetime(done["completed"], unit="ms").dt.floor("h").value_counts().sort_index()
    counts = hours.asfreq("h", fill_value=0)
    for ahead in (1, 6, 24):
        model = Prophet().fit(pd.DataFrame({"ds": counts.index, "y": counts.to_numpy()}))
        model.predict(model.make_future_dataframe(ahead, freq="h").tail(ahead))
    return 5


SIDES = ("ours", "row_wise")
EACH = (*SIDES, "bounded")


def child(side: str, count: int) -> None:
    """Train one side and print what it took as JSON."""
    columns = columns_of([] if side == "bounded" else list(tickets(count)))
    began, cpu = time.perf_counter(), time.process_time()
    models = bounded(count) if side == "bounded" else (ours if side == "ours" else row_wise)(columns)
    print(
        json.dumps(
            {"models": models, "wall_s": time.perf_counter() - began, "train_cpu_s": time.process_time() - cpu}
        )
    )


def main(arguments: list[str]) -> int:
    """Print the table, and write it as JSON when asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training")
    parser.add_argument("--tickets", type=int, default=100_000)
    parser.add_argument("--only", choices=EACH, action="append", help="only this side; may be repeated")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", choices=EACH, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.child:
        child(asked.child, asked.tickets)
        return 0
    ended: dict[str, Ended] = {}
    table = Table(title=f"Training five models on {asked.tickets:,} tickets")
    for heading in ("id", "models", "wall, s", "CPU, s", "peak memory, MiB"):
        table.add_column(heading)
    for side in asked.only or SIDES:
        end = run("benchmarks.training", "--child", side, "--tickets", str(asked.tickets))
        ended[f"training.{side}"] = end
        told = end.told
        table.add_row(
            f"training.{side}", str(told["models"]), f"{told['wall_s']:,.1f}", f"{told['train_cpu_s']:,.1f}",
            f"{end.peak_mib:,.0f}",
        )  # fmt: skip
    console = Console(width=120, highlight=False)
    console.print(table)
    if {f"training.{side}" for side in SIDES} <= ended.keys():
        ratio = ended["training.row_wise"].told["train_cpu_s"] / ended["training.ours"].told["train_cpu_s"]
        console.print(f"row-wise over ours: {ratio:.2f} times the CPU")
    if asked.json is not None:
        told = {name: {**end.told, "peak_mib": end.peak_mib} for name, end in ended.items()}
        asked.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
