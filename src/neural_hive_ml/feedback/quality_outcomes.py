"""Live quality from how tickets ended: durations, forecasts of the load, and a detector against weak labels. Pure."""

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, HOUR_MS, WEEK_MS
from neural_hive_ml.evaluation.forecast_metrics import ForecastCases, load_metrics
from neural_hive_ml.evaluation.metrics import confusion, duration_metrics, f1_of, precision_of, recall_of
from neural_hive_ml.evaluation.verdict import Metric
from neural_hive_ml.feedback.live import LiveFigure, unknown

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
# Names of the evaluation's metrics, and what the live ones are called in metrics and records.
_DURATION = {"mae": "mae_ms", "pinball": "pinball_ms", "coverage_80": "coverage"}
_LOAD = {"wape": "wape", "mape": "mape", "mase": "mase", "coverage_80": "coverage"}


def duration_figures(
    truth_ms: Floats, quantiles_ms: Floats, at_ms: Ints, *, least_labels: int, rng: np.random.Generator
) -> tuple[LiveFigure, ...]:
    """Return mae_ms, pinball_ms and the coverage of the 80 % interval of predictions [n, 3] whose tickets [n] ended.

    Intervals by resampling hours of `at_ms`, when the predictions were made.
    """
    if len(truth_ms) < least_labels:
        short = f"{len(truth_ms)} tickets ended that were predicted, {least_labels} are needed"
        return tuple(unknown(name, len(truth_ms), short) for name in _DURATION.values())
    return _renamed(duration_metrics(truth_ms, quantiles_ms, at_ms // HOUR_MS, rng), _DURATION)


def load_figures(
    truth: Floats, told: Floats, naive: Floats, at_ms: Ints, horizon_minutes: int, *, least_labels: int,
    rng: np.random.Generator,
) -> tuple[LiveFigure, ...]:  # fmt: skip
    """Return wape, mape (%), mase and coverage of horizon totals [n, 3] told as (lower, total, upper).

    `naive` [n] is the same window a week earlier. Forecasts of overlapping windows are not independent: intervals
    resample whole days, or horizons where those are longer.
    """
    if len(truth) < least_labels:
        short = f"{len(truth)} hourly forecasts whose hours are over, {least_labels} are needed"
        return tuple(unknown(name, len(truth), short) for name in _LOAD.values())
    block = at_ms // max(DAY_MS, horizon_minutes * 60_000)
    cases = ForecastCases(truth, told[:, 1], told[:, 0], told[:, 2], naive, block)
    return _renamed(load_metrics(cases, rng), _LOAD)


def outcome_figures(bad: Floats, flagged: Floats) -> dict[str, float]:
    """Return f1, precision and recall against weak labels: 1.0 where a ticket failed, was compensated or broke its SLA.

    Of tickets that all ended, so without weights. Weak: a failure need not be an anomaly, nor an anomaly a failure.
    """
    totals = confusion(bad, flagged).sum(axis=0)[None]
    named = (("f1", f1_of), ("precision", precision_of), ("recall", recall_of))
    return {name: float(of(totals)[0]) for name, of in named}


def window_totals(hourly: Floats, first_ms: int, begins_ms: Ints, ends_ms: Ints) -> Floats:
    """Return [n] sums of a 5-minute series over spans; NaN where a span is not wholly inside it.

    `hourly` [m] are counts of buckets of 5 minutes from `first_ms`.
    """
    grain = 5 * 60_000
    sums = np.concatenate([[0.0], np.cumsum(hourly)])
    begin, end = (begins_ms - first_ms) // grain, (ends_ms - first_ms) // grain
    inside = (begin >= 0) & (end <= len(hourly)) & (begin < end)
    begin, end = np.where(inside, begin, 0), np.where(inside, end, 0)
    return np.where(inside, sums[end] - sums[begin], np.nan)


def a_week_before(times_ms: Ints) -> Ints:
    """Return the same moments of last week."""
    return times_ms - WEEK_MS


def _renamed(metrics: tuple[Metric, ...], names: dict[str, str]) -> tuple[LiveFigure, ...]:
    by_name = {m.name: m for m in metrics}
    return tuple(
        LiveFigure(new, m.value, m.low, m.high, m.n, m.unit)
        for old, new in names.items()
        if (m := by_name.get(old)) is not None
    )
