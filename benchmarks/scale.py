"""Ten million generated tickets: import, the training frame of one model out of core, training from it in blocks.

    python -m benchmarks.scale [--tickets N] [--json FILE] [--without-clickhouse]

Each step is a process of its own; peak memory is its largest resident set as the system tells it. "Growth" is the cost
of a ticket over all N against that over the first eighth: 1.00 is linear. ClickHouse is the one of CLICKHOUSE_TEST_URL,
else the engine behind HTTP that the tests use.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.process import Ended, run

STEPS = "benchmarks.scale_steps"
MOST_GROWTH = 1.15
MOST_MIB = 2048


def growth(marks: list[dict[str, float]], clock: str) -> float:
    """Return how much dearer a ticket is over all of them than over the first eighth."""
    first, last = marks[0], marks[-1]
    return (last[clock] / last["tickets"]) / (first[clock] / first["tickets"])


def main(arguments: list[str]) -> int:
    """Run the steps and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("--tickets", type=int, default=10_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--without-clickhouse", action="store_true")
    asked = parser.parse_args(arguments)
    total = str(asked.tickets)
    ended: dict[str, Ended] = {}
    with TemporaryDirectory() as folder:
        store, file = f"{folder}/tickets", f"{folder}/rows.f64"
        print("generate only, a tenth")
        ended["scale.generate"] = run(STEPS, "generated", str(asked.tickets // 10))
        print("import into the embedded store")
        ended["scale.import.embedded"] = run(STEPS, "embedded", store, total)
        print("frame out of core and training")
        ended["scale.frame"] = run(STEPS, "frame", store, file)
        Path(file).unlink()
        if not asked.without_clickhouse:
            from tests.support.clickhouse_server import running_clickhouse

            print("import into ClickHouse")
            with running_clickhouse(Path(folder) / "clickhouse") as server:
                ended["scale.import.clickhouse"] = run(STEPS, "clickhouse", server.host, str(server.port), total)
    show(ended)
    if asked.json is not None:
        asked.json.write_text(json.dumps({name: as_json(end) for name, end in ended.items()}, indent=2) + "\n")
    return 0


def show(ended: dict[str, Ended]) -> None:
    """Print a row a step, then what the frame and the training came to."""
    table = Table(title=f"Scale, one thread; bars: growth <= {MOST_GROWTH}, peak <= {MOST_MIB:,} MiB")
    for heading in ("id", "tickets", "tickets/s", "tickets/s of CPU", "growth, wall", "growth, CPU", "peak MiB"):
        table.add_column(heading, justify="right")
    for name, end in ended.items():
        marks = end.told["marks"]
        last = marks[-1]
        many = [f"{growth(marks, clock):.2f}" if len(marks) > 1 else "-" for clock in ("wall_s", "cpu_s")]
        each = [f"{last['tickets'] / last[clock]:,.0f}" for clock in ("wall_s", "cpu_s")]
        table.add_row(name, f"{last['tickets']:,}", *each, *many, f"{end.peak_mib:,.0f}")
    console = Console(width=130)
    console.print(table)
    told = ended["scale.frame"].told
    console.print(
        f"scale.frame: {told['rows']:,} rows of {told['columns']} columns, {told['frame_gib']:.1f} GiB on disk in "
        f"{told['frame_s']:,.0f} s; trained and judged on {told['held_out']:,} held-out tickets in "
        f"{told['train_s']:,.0f} s, MAE {told['mae_ms']:,.0f} ms"
    )


def as_json(end: Ended) -> dict[str, Any]:
    """Return a step as JSON."""
    return {**end.told, "cpu_s": end.cpu_s, "peak_mib": end.peak_mib}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
