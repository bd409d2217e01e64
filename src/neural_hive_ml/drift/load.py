"""Has the load itself changed (its level and its shape over the window), or what the load model says of it: against the
model's reference profile.
"""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.drift.load_answers import answer_features
from neural_hive_ml.drift.load_feature import level_feature, shape_feature
from neural_hive_ml.drift.null import benjamini_hochberg
from neural_hive_ml.drift.report import DriftReport, DriftStatus
from neural_hive_ml.evaluation.load_profile import LoadProfile
from neural_hive_ml.evaluation.load_quiet import compare_load, quiet_of
from neural_hive_ml.scoring.load_replay import LoadReplay

Floats = npt.NDArray[np.float64]
LEAST_HOURS = 6
# Chance of an alarm in a check of unchanged load: five figures are asked here, not dozens of clustered features.
FALSE_ALARM_RATE: Final = 0.003


def check_load(
    profile: LoadProfile,
    counts: Floats,
    first_hour_ms: int,
    *,
    replay: LoadReplay | None = None,
    false_alarm_rate: float = FALSE_ALARM_RATE,
) -> DriftReport:
    """Compare hourly completions [h] of consecutive hours from `first_hour_ms` with the profile.

    Two effects in [0, inf): how far the level is from the expected one (0.2 is a fifth more or less), beyond
    its usual noise; and the share of the load that moved to other hours, beyond the usual. Where `replay` says what the
    model said of the same hours and the profile knows the model's answers, the same two of those. O(h).
    """
    hours = first_hour_ms // HOUR_MS + np.arange(len(counts), dtype=np.int64)
    begin, end = first_hour_ms, first_hour_ms + len(counts) * HOUR_MS
    known = np.isfinite(counts)
    usual = quiet_of(profile.quiet, int(known.sum()))
    if known.sum() < LEAST_HOURS or usual is None:
        why = (
            f"{int(known.sum())} known hours in the window, {LEAST_HOURS} are needed"
            if usual is not None
            else "the reference is too short to show how much load varies in quiet windows"
        )
        return DriftReport(
            DriftStatus.INSUFFICIENT_DATA, 0.0, (), int(np.nansum(counts)), profile.rows, begin, end,
            false_alarm_rate, profile.level, (why,),
        )  # fmt: skip
    expected, observed = profile.expected(hours[known]), counts[known]
    n = len(observed)
    level, shape = compare_load(observed, expected)
    features = [
        level_feature(
            "load_level", "completions an hour", usual, level, means=(expected.sum() / n, observed.sum() / n)
        ),
        shape_feature("load_shape", usual, shape),
    ]
    notes: tuple[str, ...] = ()
    if replay is not None and profile.answers is not None:
        answered = known & np.isfinite(replay.said + replay.repeated)
        if answered.sum() >= LEAST_HOURS:
            said = LoadReplay(replay.said[answered], replay.repeated[answered])
            features += answer_features(profile.answers, counts[answered], said)
        else:
            notes = (f"forecasts not judged: they are known of {int(answered.sum())} hours",)
    found = benjamini_hochberg(np.array([f.p_value for f in features]), false_alarm_rate)
    results = tuple(replace(f, drifted=bool(d)) for f, d in zip(features, found, strict=True))
    drifted = [f for f in results if f.drifted]
    reasons = tuple(f.sentence for f in drifted) or ("load looks as it usually does at these hours of the week",)
    return DriftReport(
        DriftStatus.DRIFT if drifted else DriftStatus.OK, max(f.psi for f in (drifted or results)), results,
        int(observed.sum()), profile.rows, begin, end, false_alarm_rate, profile.level, (*reasons, *notes),
    )  # fmt: skip
