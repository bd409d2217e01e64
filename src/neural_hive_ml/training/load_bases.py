"""Which base an algorithm fits: what load usually is, as arrays that serving evaluates."""

import numpy as np

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.conventions import LOAD_ALGORITHMS
from neural_hive_ml.errors import UsageError
from neural_hive_ml.features.series import CountSeries, local_ms, week_slot
from neural_hive_ml.scoring.load_base import LoadBase
from neural_hive_ml.training.load_prophet import ProphetSettings, fit_prophet
from neural_hive_ml.training.load_shape import week_shape
from neural_hive_ml.training.load_statsforecast import fit_mstl

# Hours whose mean is the level that a base without a trend keeps; serving measures the recent level anyway.
_LEVEL_HOURS = 672


def fit_base(hours: CountSeries, algorithm: str, timezone: str, prophet: ProphetSettings, seed: int) -> LoadBase:
    """Fit the base of an algorithm on hourly counts (NaN is left out).

    Raises `UsageError` for what is no algorithm of the load family, `TrainingFailed` when its library fails.
    """
    match algorithm:
        case "prophet":
            return fit_prophet(hours, timezone, prophet, seed)
        case "mstl":
            return fit_mstl(hours, timezone)
        case "seasonal_mean" | "lags" | "ets":
            return seasonal_mean(hours, timezone)
        case other:
            known = ", ".join(LOAD_ALGORITHMS)
            raise UsageError(f"no load algorithm {other!r}", remedy=f"choose one of {known}")


def seasonal_mean(hours: CountSeries, timezone: str) -> LoadBase:
    """Fit the hour-of-week shape at the level of the last four weeks; O(hours)."""
    local, value = local_ms(hours.times_ms(), timezone), np.log1p(hours.counts)
    shape = week_shape(value, week_slot(local, HOUR_MS))
    recent = value[-_LEVEL_HOURS:]
    level = float(np.nanmean(recent)) if np.isfinite(recent).any() else 0.0
    return LoadBase(local[-1:], np.array([level]), shape)
