"""Has the load itself changed: its level and its shape over the window, against the load model's reference
profile.
"""

from dataclasses import replace
from math import exp, expm1, log, sqrt

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.drift.check import FALSE_ALARM_RATE
from neural_hive_ml.drift.null import benjamini_hochberg
from neural_hive_ml.drift.report import DriftReport, DriftStatus, FeatureDrift
from neural_hive_ml.evaluation.chance import t_tail
from neural_hive_ml.evaluation.load_profile import LoadProfile, QuietLoad, compare_load

Floats = npt.NDArray[np.float64]
LEAST_HOURS = 6


def check_load(
    profile: LoadProfile, counts: Floats, first_hour_ms: int, *, false_alarm_rate: float = FALSE_ALARM_RATE
) -> DriftReport:
    """Compare hourly completions [h] of consecutive hours from `first_hour_ms` with the profile.

    Two effects in [0, inf): how far the level is from the expected one (0.2 is a fifth more or less), beyond
    its usual noise; and the share of the load that moved to other hours, beyond the usual. O(h).
    """
    hours = first_hour_ms // HOUR_MS + np.arange(len(counts), dtype=np.int64)
    begin, end = first_hour_ms, first_hour_ms + len(counts) * HOUR_MS
    known = np.isfinite(counts)
    usable = [q for q in profile.quiet if q.width_hours >= len(counts)] or list(profile.quiet[-1:])
    if known.sum() < LEAST_HOURS or not usable:
        why = (
            f"{int(known.sum())} known hours in the window, {LEAST_HOURS} are needed"
            if usable
            else "the reference is too short to show how much load varies in quiet windows"
        )
        return DriftReport(
            DriftStatus.INSUFFICIENT_DATA, 0.0, (), int(np.nansum(counts)), profile.rows, begin, end,
            false_alarm_rate, profile.level, (why,),
        )  # fmt: skip
    expected = profile.expected(hours[known])
    observed = counts[known]
    level, shape = compare_load(observed, expected)
    features = _features(usable[0], level, shape, observed, expected)
    found = benjamini_hochberg(np.array([f.p_value for f in features]), false_alarm_rate)
    results = tuple(replace(f, drifted=bool(d)) for f, d in zip(features, found, strict=True))
    drifted = [f for f in results if f.drifted]
    reasons = tuple(f.sentence for f in drifted) or ("load looks as it usually does at these hours of the week",)
    return DriftReport(
        DriftStatus.DRIFT if drifted else DriftStatus.OK, max(f.psi for f in (drifted or results)), results,
        int(observed.sum()), profile.rows, begin, end, false_alarm_rate, profile.level, reasons,
    )  # fmt: skip


def _features(
    quiet: QuietLoad, level: float, shape: float, observed: Floats, expected: Floats
) -> tuple[FeatureDrift, FeatureDrift]:
    wider = sqrt(1.0 + 1.0 / quiet.windows)
    freedom = quiet.windows - 1.0
    off = abs(level - quiet.level_mean)
    p_level = 2.0 * t_tail(off / max(quiet.level_spread * wider, 1e-6), freedom)
    moved = log(max(shape, 1e-6)) - quiet.shape_mean
    p_shape = t_tail(moved / max(quiet.shape_spread * wider, 1e-6), freedom)
    # The effect beyond one usual deviation: so a score near zero means "as ever".
    far = abs(expm1(level)) if level > 0 else -expm1(level)
    beyond = max(far - expm1(quiet.level_spread), 0.0)
    usual = exp(quiet.shape_mean + quiet.shape_spread)
    n = len(observed)
    return (
        FeatureDrift("load_level", "completions an hour", "numeric", min(p_level, 1.0), beyond, far, None, False,
                     float(expected.sum() / n), float(observed.sum() / n), "", 0.0, 0.0, 0.0),
        FeatureDrift("load_shape", "share in other hours", "numeric", p_shape, max(shape - usual, 0), shape, None,
                     False, usual, shape, "", 0.0, 0.0, 0.0),
    )  # fmt: skip
