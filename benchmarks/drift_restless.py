"""Generated logs that are restless by themselves: days with luck of their own, bursts. Nothing changes for good in them.

Each replay draws its own log: eight weeks are learned, a day and a week of the four after them are checked.
"""

from collections.abc import Callable, Iterator

import numpy as np
from rich.progress import track

from benchmarks.drift_data import MONDAY_MS, NAMES, NUMBERS, WEEKS, Floats, draw
from benchmarks.drift_rows import Row, row
from neural_hive_ml.clock import DAY_MS, HOUR_MS, WEEK_MS
from neural_hive_ml.drift.check import check_drift
from neural_hive_ml.drift.report import DriftReport
from neural_hive_ml.evaluation.profile import Profile, build_profile

LATER_WEEKS = 4
PER_DAY = 1_000
WIDTHS_HOURS = (24, 168)
Luck = Callable[[int, np.random.Generator], Floats]


def _days(days: int, rng: np.random.Generator) -> Floats:
    """Every day of every number has a heavy-tailed level of its own, 0.35 standard deviations on average."""
    return rng.standard_t(3, size=(days, NUMBERS)) * 0.2


def _bursts(days: int, rng: np.random.Generator) -> Floats:
    """Three of a hundred days of each number are off, by one standard deviation on average: of some number, two of five."""
    return (rng.random((days, NUMBERS)) < 0.03) * rng.exponential(1.0, size=(days, NUMBERS))


RESTLESS: dict[str, tuple[str, Luck]] = {
    "days": ("days apart by Student's t(3), 0.35 sd", _days),
    "bursts": ("3 % of the days of each of 16 numbers off by 1 sd", _bursts),
}


def restless(replays: int) -> Iterator[Row]:
    """Check each kind of restlessness in windows of a day and of a week."""
    for name, (what, luck) in RESTLESS.items():
        checks = [
            _checks(luck, np.random.default_rng([11, k]))
            for k in track(range(replays), description=what, transient=True)
        ]
        for width, reports in zip(WIDTHS_HOURS, zip(*checks, strict=True), strict=True):
            hits = sum(r.drift_detected for r in reports)
            yield row(f"drift.restless.{name}.{width}h", "ours", f"{what}, {width} h", hits, len(reports))


def _checks(luck: Luck, rng: np.random.Generator) -> list[DriftReport]:
    """Draw one log, learn its first weeks, check a window of each width somewhere in the rest."""
    weeks = WEEKS + LATER_WEEKS
    rows, at_ms = draw(MONDAY_MS, weeks * 168, PER_DAY * 7 * weeks, rng)
    off = luck(7 * weeks, rng)[(at_ms - MONDAY_MS) // DAY_MS]
    skewed = np.arange(NUMBERS) % 4 == 0
    rows[:, :NUMBERS] = np.where(skewed, rows[:, :NUMBERS] * np.exp(off), rows[:, :NUMBERS] + off)
    until = MONDAY_MS + WEEKS * WEEK_MS
    learned = at_ms < until
    profile = Profile.from_document(build_profile(rows[learned], NAMES, at_ms[learned]))
    reports = []
    for width in WIDTHS_HOURS:
        begin = until + int(rng.integers(0, LATER_WEEKS * 168 - width + 1)) * HOUR_MS
        span = (begin, begin + width * HOUR_MS)
        inside = (at_ms >= span[0]) & (at_ms < span[1])
        reports.append(check_drift(profile, rows[inside], at_ms[inside], NAMES, window=span))
    return reports
