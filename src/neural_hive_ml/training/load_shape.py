"""The hour-of-week shape of load: 168 log levels around the week's own level, shrunk where few weeks were seen."""

import numpy as np
import numpy.typing as npt

from neural_hive_ml.scoring.load_base import WEEK_HOURS

Floats = npt.NDArray[np.float64]

# A cell counts as much as its group once it was seen this many times (a plain empirical-Bayes shrinkage).
_PSEUDO_WEEKS = 2.0
_FRIDAY_END = 120


def week_shape(log_counts: Floats, slot: npt.NDArray[np.intp]) -> Floats:
    """Return [168] deviations in log1p counts by hour of the week (`slot` [n] in [0, 168)); O(n).

    Each hour of the week is shrunk to the same hour of its kind of day (Monday to Friday, weekend), that one to
    the same hour of all days, that one to zero, by how often each was seen.
    """
    known = np.isfinite(log_counts)
    deviation = log_counts - _slow_level(log_counts)
    cells = np.arange(WEEK_HOURS)
    shape = np.zeros(WEEK_HOURS)
    for group in (cells % 24, cells % 24 + 24 * (cells >= _FRIDAY_END), cells):
        label = group[slot[known]]
        seen = np.bincount(label, minlength=WEEK_HOURS)
        gap = np.bincount(label, weights=deviation[known] - shape[slot[known]], minlength=WEEK_HOURS)
        shape = shape + (gap / (seen + _PSEUDO_WEEKS))[group]
    return shape


def _slow_level(log_counts: Floats) -> Floats:
    """Mean of the week around each hour, so that growth is not taken for a shape."""
    known = np.isfinite(log_counts)
    width = min(WEEK_HOURS, len(log_counts))
    window = np.ones(width)
    total = np.convolve(np.where(known, log_counts, 0.0), window, mode="full")
    seen = np.convolve(known.astype(float), window, mode="full")
    begin = (width - 1) // 2
    middle = slice(begin, begin + len(log_counts))
    return np.asarray(total[middle] / np.maximum(seen[middle], 1.0))
