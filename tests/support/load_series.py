"""Small hourly series whose truth is known: a weekly rhythm, growth, noise, gaps."""

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.features.series import CountSeries
from tests.support.trained import MONDAY_MS

Floats = npt.NDArray[np.float64]


def rate(hours: int, level: float = 30.0) -> Floats:
    """Expected counts: busy days, quiet nights, a third of it at weekends, 1 % growth a week."""
    hour = np.arange(hours)
    day = 0.3 + np.clip(np.sin(2 * np.pi * (hour % 24 - 6) / 24), 0, None)
    weekend = np.where(hour % 168 >= 120, 0.3, 1.0)
    return np.asarray(level * day * weekend * 1.01 ** (hour / 168))


def weekly(hours: int = 24 * 56, level: float = 30.0, seed: int = 3) -> CountSeries:
    """Poisson counts of `rate`, from a Monday."""
    counts = np.random.default_rng(seed).poisson(rate(hours, level)).astype(float)
    return CountSeries(MONDAY_MS, HOUR_MS, counts)
