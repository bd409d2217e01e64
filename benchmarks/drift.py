"""Drift: false alarms on unchanged seasonal data, power against known changes, speed; Evidently's preset beside it.

    python -m benchmarks.drift [--replays 300] [--evidently 20] [--only false_alarms|real|power|speed] [--json FILE]

Data: 20 features (16 numbers, 4 categories) whose level and mix follow the hour of the day and the weekend, arrivals
too, drawn anew for each replay; and real logs (the shipped one, those of HIVE_BENCH_DATA) whose weeks are shuffled, so
that nothing but season is left. Shares come with Clopper-Pearson intervals of 95 %.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import stats

from benchmarks.drift_data import (
    CHANGES,
    MONDAY_MS,
    NAMES,
    PER_DAY,
    Floats,
    Ints,
    Weeks,
    draw,
    real_logs,
    reference,
    seasonal_only,
)
from benchmarks.drift_evidently import COLUMNS, ROWS, alarms, race
from neural_hive_ml.clock import HOUR_MS, WEEK_MS
from neural_hive_ml.drift.check import LEAST_ROWS, check_drift
from neural_hive_ml.drift.report import DriftReport, DriftStatus
from neural_hive_ml.evaluation.profile import Profile, build_profile

THRESHOLD = 0.2
# 260: a drawn count is Poisson's, and a window below 200 tickets is "insufficient_data", not an answer.
WINDOWS = (
    *((hours, rows) for hours in (6, 24) for rows in (260, 2_000, 20_000, 100_000)),
    *((168, rows) for rows in (260, 2_000, 14_000, 100_000)),
)
EVIDENTLY_WINDOWS = ((6, 2_000), (24, 260), (24, 2_000), (24, 20_000), (168, 14_000), (168, 100_000))
# Windows of each width after each order of a real log's weeks: those of one order would share its luck.
EACH = 1
PARTS = ("false_alarms", "real", "power", "speed")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result: `share` of replays with its interval."""

    id: str
    tool: str
    what: str
    replays: int
    share: float
    low: float
    high: float


def row(bench: str, tool: str, what: str, hits: int, replays: int) -> Row:
    """Return a share with its exact 95 % interval."""
    return Row(bench, tool, what, replays, hits / replays, *clopper_pearson(hits, replays))


def clopper_pearson(hits: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share."""
    low = 0.0 if hits == 0 else float(stats.beta.ppf(0.025, hits, n - hits + 1))
    high = 1.0 if hits == n else float(stats.beta.ppf(0.975, hits + 1, n - hits))
    return low, high


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


def real(replays: int) -> Iterator[Row]:
    """Real logs of shuffled weeks: the first three quarters are the reference, windows lie in the rest."""
    for log in real_logs():
        found: dict[int, list[bool]] = {6: [], 24: [], 168: []}
        for k in track(range(-(-replays // EACH)), description=log.name, transient=True):
            _look(log, np.random.default_rng([11, k]), found)
        for hours, hits in found.items():
            if hits:
                what = f"{log.name}, weeks shuffled, {hours} h"
                yield row(f"drift.false_alarms.real.{log.name}.{hours}h", "ours", what, sum(hits), len(hits))


def _look(log: Weeks, rng: np.random.Generator, found: dict[int, list[bool]]) -> None:
    """Profile one order of the weeks and check `EACH` windows of each width in the weeks after it."""
    rows, at_ms = log.shuffled(rng)
    weeks = len(log.rows)
    learned = max(weeks * 3 // 4, min(4, weeks - 1))
    cut = MONDAY_MS + learned * WEEK_MS
    before = at_ms < cut
    profile = Profile.from_document(build_profile(rows[before], log.names, at_ms[before]))
    for hours, hits in found.items():
        wanted = len(hits) + EACH
        for _ in range(30 * EACH):
            begin = cut + int(rng.integers(0, (weeks - learned) * 168 - hours + 1)) * HOUR_MS
            window = (begin, begin + hours * HOUR_MS)
            inside = (at_ms >= window[0]) & (at_ms < window[1])
            if inside.sum() >= LEAST_ROWS:
                report = check_drift(profile, rows[inside], at_ms[inside], log.names, window=window)
                if report.status is not DriftStatus.INSUFFICIENT_DATA:
                    hits.append(report.drift_detected)
            if len(hits) >= wanted:
                break


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


def table_of(rows: list[Row]) -> Table:
    """Lay the shares out."""
    table = Table(title="Drift: share of replays that alarm")
    for heading in ("id", "tool", "what", "replays", "alarms", "95 %"):
        table.add_column(heading, overflow="fold")
    for r in rows:
        table.add_row(
            r.id, r.tool, r.what, str(r.replays), f"{r.share:.1%}", f"[{r.low:.1%}, {r.high:.1%}]"
        )  # fmt: skip
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
