"""How much of a drift lasts, and how much was a burst: what is off in the newest quarters of the window too. Pure.

A few hours of noise within a day change the day's distributions as a real change does, and go on doing so in every
check until they have left the window. The quarters tell the two apart at the first check.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.drift.check import check_drift
from neural_hive_ml.drift.load import check_load
from neural_hive_ml.drift.report import DriftReport, DriftStatus
from neural_hive_ml.evaluation.load_profile import LoadProfile
from neural_hive_ml.evaluation.profile import Profile
from neural_hive_ml.scoring.load_replay import LoadReplay

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
QUARTERS: Final = 4
# What is off in this many quarters in a row, counted back from the end of the window, lasts.
LASTING: Final = 3
# A quarter is only asked about features that the whole window found: fewer rows do, and a weaker level.
LEAST_ROWS: Final = 50
LEVEL: Final = 0.01


def lasting_score(
    report: DriftReport,
    profile: Profile,
    rows: Floats,
    at_ms: Ints,
    names: Sequence[str],
    *,
    predictions: Floats | None = None,
    truth: Floats | None = None,
) -> float | None:
    """Return the drift score of the features that last, by the weakest of the three quarters, 0 where none does.

    `predictions` [n] and `truth` [n] as `check_drift` had them, so that drift of answers and residuals can last too.
    None when no drifted feature has three quarters of 50 rows; a quarter with fewer is passed over. O(n D bins).
    """
    parts = []
    for begin, end in _quarters(report):
        inside = (at_ms >= begin) & (at_ms < end)
        if inside.sum() >= LEAST_ROWS:
            part = check_drift(
                profile,
                rows[inside],
                at_ms[inside],
                names,
                predictions=None if predictions is None else predictions[inside],
                truth=None if truth is None else truth[inside],
                window=(begin, end),
                least_rows=LEAST_ROWS,
            )
            parts.append(part)
    return _score(report, parts)


def lasting_load_score(
    report: DriftReport,
    profile: LoadProfile,
    counts: Floats,
    first_hour_ms: int,
    *,
    replay: LoadReplay | None = None,
) -> float | None:
    """The same for hourly completions [h], and the forecasts that `check_load` had."""
    width = len(counts) // QUARTERS
    begins = [len(counts) - (k + 1) * width for k in range(QUARTERS)]
    parts = [
        check_load(
            profile,
            counts[b : b + width],
            first_hour_ms + b * HOUR_MS,
            replay=None if replay is None else replay.part(slice(b, b + width)),
        )
        for b in begins
    ]
    return _score(report, parts)


def _quarters(report: DriftReport) -> list[tuple[int, int]]:
    width = (report.until_ms - report.from_ms) // QUARTERS
    return [(report.until_ms - (k + 1) * width, report.until_ms - k * width) for k in range(QUARTERS)]


def _score(report: DriftReport, parts: Sequence[DriftReport]) -> float | None:
    told = [
        {f.name: f for f in part.features} for part in parts if part.status is not DriftStatus.INSUFFICIENT_DATA
    ]
    # Answers may be fewer than rows: each feature is asked in the newest quarters that judged it.
    newest = {f.name: [one[f.name] for one in told if f.name in one][:LASTING] for f in report.drifted}
    known = [f for f in report.drifted if len(newest[f.name]) == LASTING]
    if not known:
        return None
    lasting = [f for f in known if all(part.p_value < LEVEL for part in newest[f.name])]
    if not lasting:
        return 0.0
    # The weakest quarter counts: a burst on top of a small change that stays lends it nothing.
    effect = max(min(f.psi, *(part.psi for part in newest[f.name])) for f in lasting)
    return max(effect, len(lasting) / len(report.features))
