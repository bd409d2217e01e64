"""Drift: false alarms on unchanged seasonal data, power against known changes, speed; Evidently's preset beside it.

    python -m benchmarks.drift [--replays 300] [--evidently 20] [--only false_alarms|restless|real|power|speed] [--json FILE]

Data: 20 features (16 numbers, 4 categories) whose level and mix follow the hour of the day and the weekend, arrivals
too, drawn anew for each replay; the same with days and bursts of their own; and real logs (the shipped one, those of
HIVE_BENCH_DATA) whose weeks are shuffled, so that nothing but season is left, as they are and with changes put into a
day. Shares have 95 % Clopper-Pearson intervals.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.drift_data import (
    CHANGES,
    MONDAY_MS,
    NAMES,
    PER_DAY,
    Floats,
    Ints,
    draw,
    reference,
    seasonal_only,
)
from benchmarks.drift_evidently import COLUMNS, ROWS, alarms, race
from benchmarks.drift_real import real
from benchmarks.drift_restless import restless
from benchmarks.drift_rows import Row, row, table_of
from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.drift.check import check_drift
from neural_hive_ml.drift.report import DriftReport, DriftStatus
from neural_hive_ml.evaluation.profile import Profile

THRESHOLD = 0.2
# 260: a drawn count is Poisson's, and a window below 200 tickets is "insufficient_data", not an answer.
WINDOWS = (
    *((hours, rows) for hours in (6, 24) for rows in (260, 2_000, 20_000, 100_000)),
    *((168, rows) for rows in (260, 2_000, 14_000, 100_000)),
)
EVIDENTLY_WINDOWS = ((6, 2_000), (24, 260), (24, 2_000), (24, 20_000), (168, 14_000), (168, 100_000))
PARTS = ("false_alarms", "restless", "real", "power", "speed")
Window = Callable[[np.random.Generator], tuple[Floats, Ints, tuple[int, int]]]


def answers(profiles: list[Profile], window: Window, replays: int, what: str) -> Iterator[DriftReport]:
    """Yield `replays` checks with an answer; what has too few tickets for one is drawn again."""
    fresh = count()
    for _ in track(range(replays), description=what, transient=True):
        for _ in range(1_000):
            k = next(fresh)
            rows, at_ms, span = window(np.random.default_rng([7, k]))
            report = check_drift(profiles[k % len(profiles)], rows, at_ms, NAMES, window=span)
            if report.status is not DriftStatus.INSUFFICIENT_DATA:
                yield report
                break


def drawn(hours: int, rows: int, change: Callable[[Floats, np.random.Generator], Floats] | None = None) -> Window:
    """Return a window that begins at a random hour of the week."""

    def window(rng: np.random.Generator) -> tuple[Floats, Ints, tuple[int, int]]:
        begin = MONDAY_MS + int(rng.integers(0, 168)) * HOUR_MS
        found, at_ms = draw(begin, hours, rows, rng)
        return found if change is None else change(found, rng), at_ms, (begin, begin + hours * HOUR_MS)

    return window


def evening(rng: np.random.Generator) -> tuple[Floats, Ints, tuple[int, int]]:
    """Return a day of which nearly only the evening's tickets arrive."""
    begin = MONDAY_MS + int(rng.integers(0, 7)) * 24 * HOUR_MS
    rows, at_ms = draw(begin, 24, 2 * PER_DAY, rng)
    kept = seasonal_only(at_ms)
    return rows[kept], at_ms[kept], (begin, begin + 24 * HOUR_MS)


def night(rng: np.random.Generator) -> tuple[Floats, Ints, tuple[int, int]]:
    """Return six hours of a Saturday night: far from the average hour in every feature."""
    begin = MONDAY_MS + (5 * 24 + int(rng.integers(0, 3))) * HOUR_MS
    rows, at_ms = draw(begin, 6, 2_000, rng)
    return rows, at_ms, (begin, begin + 6 * HOUR_MS)


def false_alarms(profiles: list[Profile], replays: int, evidently: int) -> Iterator[Row]:
    """Unchanged generated data over all window sizes, and Evidently's default preset."""
    for hours, rows in WINDOWS:
        what = f"unchanged, {hours} h of {rows:,} tickets"
        hits = sum(r.drift_detected for r in answers(profiles, drawn(hours, rows), replays, what))
        yield row(f"drift.false_alarms.{hours}h.{rows}", "ours", what, hits, replays)
    for name, window in (("only the evening arrives, 24 h", evening), ("a Saturday night, 6 h of 2,000", night)):
        what = f"seasonal change only: {name}"
        hits = sum(r.drift_detected for r in answers(profiles, window, replays, what))
        yield row(f"drift.seasonal_only.{window.__name__}", "ours", what, hits, replays)
    for hours, rows in EVIDENTLY_WINDOWS if evidently else ():
        whole, some = alarms(hours, rows, evidently)
        what = f"unchanged, {hours} h of {rows:,} tickets"
        for bench, part, hits in (("dataset", "half of the columns", whole), ("column", "some column", some)):
            yield row(
                f"drift.false_alarms.evidently.{bench}.{hours}h.{rows}",
                "Evidently",
                f"{what}: {part}",
                hits,
                evidently,
            )


def power(profiles: list[Profile], replays: int) -> Iterator[Row]:
    """Known changes within 24 h of 2,000 tickets: seen by the test, and beyond the score that retrains."""
    for name, change in CHANGES.items():
        what = f"{name}, 24 h of {PER_DAY:,}"
        reports = list(answers(profiles, drawn(24, PER_DAY, change), replays, what))
        seen = sum(r.drift_detected for r in reports)
        strong = sum(r.drift_detected and r.drift_score > THRESHOLD for r in reports)
        bench = f"drift.power.{name.replace(' ', '_')}"
        yield row(bench, "ours", what, seen, replays)
        yield row(f"{bench}.score", "ours", f"{what}: score > {THRESHOLD}", strong, replays)


def main(arguments: list[str]) -> int:
    """Print the tables, and write them as JSON when asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replays", type=int, default=300)
    parser.add_argument("--evidently", type=int, default=20)
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    parts = given.only or PARTS
    profiles = []
    if {"false_alarms", "power"} & set(parts):
        profiles = [reference(np.random.default_rng([5, k]))[0] for k in range(10)]
    rows: list[Row] = []
    if "false_alarms" in parts:
        rows += false_alarms(profiles, given.replays, given.evidently)
    if "restless" in parts:
        rows += restless(given.replays)
    if "real" in parts:
        rows += real(given.replays)
    if "power" in parts:
        rows += power(profiles, given.replays)
    console = Console(width=140)
    if rows:
        console.print(table_of(rows))
    spent = race() if "speed" in parts else {}
    for tool, one in spent.items():
        console.print(
            f"drift.speed.{tool}: {ROWS:,} rows by {COLUMNS}: {one.seconds:.2f} s, peak {one.peak_mib:,.0f} MiB"
        )
    if spent:
        console.print(f"drift.speed.ratio: {spent['evidently'].seconds / spent['ours'].seconds:,.0f} times")
    if given.json:
        told = {"rows": [asdict(r) for r in rows], "speed": {tool: asdict(one) for tool, one in spent.items()}}
        given.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
