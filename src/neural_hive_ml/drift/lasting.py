"""Does a drift last, or was it a burst: in how many of the newest quarters of the window it shows by itself. Pure.

A few hours of noise within a day change the day's distributions as a real change does, and go on doing so in every
check until they have left the window. The quarters tell the two apart at the first check.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.drift.check import check_drift
from neural_hive_ml.drift.load import check_load
from neural_hive_ml.drift.report import DriftReport, DriftStatus
from neural_hive_ml.evaluation.load_profile import LoadProfile
from neural_hive_ml.evaluation.profile import Profile

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
QUARTERS: Final = 4
# A quarter is only asked about features that the whole window found: fewer rows do, and a weaker level.
LEAST_ROWS: Final = 50
LEVEL: Final = 0.01


def lasting_quarters(
    report: DriftReport, profile: Profile, rows: Floats, at_ms: Ints, names: Sequence[str]
) -> int | None:
    """Return in how many quarters of the report's window, counted back from its end, one of its drifted features is off.

    0 to 4; None when no quarter holds 50 rows. A quarter with fewer is passed over. O(n D bins).
    """
    drifted = {f.name for f in report.drifted}
    shows: list[bool | None] = []
    for begin, end in _quarters(report):
        inside = (at_ms >= begin) & (at_ms < end)
        if inside.sum() < LEAST_ROWS:
            shows.append(None)
            continue
        part = check_drift(profile, rows[inside], at_ms[inside], names, window=(begin, end), least_rows=LEAST_ROWS)
        shows.append(_shows(part, drifted))
    return _in_a_row(shows)


def lasting_load_quarters(
    report: DriftReport, profile: LoadProfile, counts: Floats, first_hour_ms: int
) -> int | None:
    """The same for hourly completions [h]: None when no quarter can be judged."""
    drifted = {f.name for f in report.drifted}
    width = len(counts) // QUARTERS
    shows: list[bool | None] = []
    for k in range(QUARTERS):
        begin = len(counts) - (k + 1) * width
        part = check_load(profile, counts[begin : begin + width], first_hour_ms + begin * 3_600_000)
        shows.append(_shows(part, drifted))
    return _in_a_row(shows)


def _quarters(report: DriftReport) -> list[tuple[int, int]]:
    width = (report.until_ms - report.from_ms) // QUARTERS
    return [(report.until_ms - (k + 1) * width, report.until_ms - k * width) for k in range(QUARTERS)]


def _shows(part: DriftReport, drifted: set[str]) -> bool | None:
    if part.status is DriftStatus.INSUFFICIENT_DATA:
        return None
    return any(f.p_value < LEVEL for f in part.features if f.name in drifted)


def _in_a_row(shows: Sequence[bool | None]) -> int | None:
    known = [s for s in shows if s is not None]
    if not known:
        return None
    quiet = next((k for k, s in enumerate(shows) if s is False), len(shows))
    return sum(s is True for s in shows[:quiet])
