"""The check: a window of rows against a model's reference profile. Pure; about ten ns a value.

The reference is matched to the window's hours of the week. Distances are judged against chance and against the
reference's own quiet windows, and Benjamini-Hochberg keeps the false alarms of a whole check at the stated rate.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.drift.feature import Distance, describe, distance
from neural_hive_ml.drift.null import benjamini_hochberg
from neural_hive_ml.drift.report import DriftReport, DriftStatus
from neural_hive_ml.evaluation.binning import counts_of
from neural_hive_ml.evaluation.distances import expect
from neural_hive_ml.evaluation.profile import Profile, answer_columns
from neural_hive_ml.evaluation.seasons import CELLS, cells_of_hours, hours_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# Below this many rows a window says nothing (ml-evidence section 6: pool or skip below 200).
LEAST_ROWS: Final = 200
# A reference of fewer weeks than four hides how far weeks are apart; from first to last row four weeks are some less.
LEAST_REFERENCE_DAYS: Final = 28
# Chance of an alarm in a check of unchanged data; the promise is 1 %, the rest is margin for what calibration
# cannot know.
FALSE_ALARM_RATE: Final = 0.001
# A PSI below this is trivial whatever its p-value: a shift of about a tenth of a standard deviation.
TRIVIAL_PSI: Final = 0.01


def check_drift(
    profile: Profile,
    rows: Floats,
    at_ms: Ints,
    names: Sequence[str],
    *,
    predictions: Floats | None = None,
    truth: Floats | None = None,
    window: tuple[int, int] | None = None,
    false_alarm_rate: float = FALSE_ALARM_RATE,
    least_rows: int = LEAST_ROWS,
) -> DriftReport:
    """Compare rows [n, D] with columns `names`, seen at `at_ms` [n], with the profile's features of the same
    names.

    `predictions` [n] (NaN where there is none) and `truth` [n] are judged against the profile's answers, where
    it has some. `window` is [from, until) in epoch ms; by default the rows' own span. O(n D bins).
    """
    begin, end = window or ((int(at_ms.min()), int(at_ms.max()) + 1) if len(at_ms) else (0, 0))
    width_hours = max((end - begin) / HOUR_MS, 1.0)
    missing = [f.name for f in profile.features if f.name not in names]
    reasons = [f"not judged, no such column: {', '.join(missing)}"] if missing else []
    if len(rows) < least_rows:
        reasons.insert(0, f"{len(rows)} rows in the window, {least_rows} are needed")
    elif profile.rows < least_rows:
        reasons.insert(0, f"{profile.rows} rows in the reference, {least_rows} are needed")
    elif not profile.features or len(missing) == len(profile.features):
        reasons.insert(0, "the reference profile holds no feature to compare with")
    else:
        span_days = (profile.until_ms - profile.from_ms) / DAY_MS
        if span_days < LEAST_REFERENCE_DAYS - 1:
            reasons.append(
                f"the reference spans {span_days:.0f} days: below {LEAST_REFERENCE_DAYS} it does not show how far weeks are "
                "apart, and false alarms may be more than promised"
            )
        found, unmatched = distances_to(profile, rows, at_ms, names, width_hours)
        if unmatched > 0.2:
            reasons.append(f"{unmatched:.0%} of the rows are of hours that the reference never saw")
        if predictions is not None and profile.answers is not None and profile.answers.rows >= least_rows:
            answered = np.isfinite(predictions)
            columns = answer_columns(predictions[answered], truth, answered)
            if answered.sum() >= least_rows:
                answers = np.column_stack([values for _, values in columns])
                found += distances_to(
                    profile.answers, answers, at_ms[answered], [name for name, _ in columns], width_hours
                )[0]
        return judge(
            found,
            profile,
            rows=len(rows),
            window=(begin, end),
            false_alarm_rate=false_alarm_rate,
            reasons=tuple(reasons),
        )
    return DriftReport(
        DriftStatus.INSUFFICIENT_DATA, 0.0, (), len(rows), profile.rows, begin, end, false_alarm_rate,
        profile.level, tuple(reasons),
    )  # fmt: skip


def distances_to(
    profile: Profile, rows: Floats, at_ms: Ints, names: Sequence[str], width_hours: float
) -> tuple[list[Distance], float]:
    """Measure every profiled column; also return the share of rows whose hours the reference never saw."""
    column = {name: i for i, name in enumerate(names)}
    features = [f for f in profile.features if f.name in column]
    picked = [column[f.name] for f in features]
    counts = counts_of(rows, [f.binning for f in features], picked)
    per_cell = rows_per_cell(at_ms, profile)
    seen = features[0].counts.sum(axis=1) > 0
    found = [
        distance(f, c.astype(np.float64), expect(f.counts.astype(np.float64), per_cell), width_hours, len(rows))
        for f, c in zip(features, counts, strict=True)
    ]
    return found, float(per_cell[~seen].sum() / max(per_cell.sum(), 1.0))


def rows_per_cell(at_ms: Ints, profile: Profile) -> Floats:
    """Count rows in each season cell of the profile."""
    hours = hours_of(at_ms)
    first = int(hours.min())
    an_hour = np.bincount(hours - first)
    cells = cells_of_hours(np.arange(first, first + len(an_hour)), profile.level, profile.timezone)
    return np.bincount(cells, weights=an_hour, minlength=CELLS[profile.level]).astype(np.float64)


def judge(
    found: Sequence[Distance],
    profile: Profile,
    *,
    rows: int,
    window: tuple[int, int],
    false_alarm_rate: float,
    reasons: tuple[str, ...],
) -> DriftReport:
    """Decide which features drifted, all of them together, and what that amounts to."""
    unlikely = benjamini_hochberg(np.array([d.p_value for d in found]), false_alarm_rate)
    results = tuple(
        describe(d, drifted=bool(u) and d.psi >= TRIVIAL_PSI) for d, u in zip(found, unlikely, strict=True)
    )
    drifted = sorted((r for r in results if r.drifted), key=lambda r: -r.psi)
    # Where nothing is unlikely, the largest effect is still shown: it is what the guide's dashboard plots.
    largest = max(r.psi for r in (drifted or results))
    quiet = f"{len(results)} features look as they usually do at these hours of the week"
    return DriftReport(
        status=DriftStatus.DRIFT if drifted else DriftStatus.OK,
        drift_score=max(largest, len(drifted) / len(results)),
        features=results,
        rows=rows,
        reference_rows=profile.rows,
        from_ms=window[0],
        until_ms=window[1],
        false_alarm_rate=false_alarm_rate,
        level=profile.level,
        reasons=(*(r.sentence for r in drifted), *reasons) if drifted else (quiet, *reasons),
    )
