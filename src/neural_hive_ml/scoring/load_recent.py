"""How often a forecaster's intervals missed lately: replayed on the history itself, and what that asks of the next one.

Quantiles of past errors hold while errors stay what they were; a holiday or a new customer changes them within days.
The forecaster answers again from moments of the last two weeks, whose outcomes its history holds, and the intervals are
widened by what they missed (after adaptive conformal inference: Gibbs & Candès 2021). They are never narrowed: just
after a fit it learned from those hours, and missing few of them proves nothing.
"""

from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SPAN_HOURS: Final = 336
_DAY_HOURS: Final = 24
# In independent windows: what "they miss as often as they should" weighs against what was seen.
_PRIOR: Final = 8.0
_WIDEST = 2.5


def moments_back(hours_ahead: int) -> Ints:
    """Return how many hours ago to answer again, [m]: two weeks of them, at every hour of the day, at most 68.

    >>> moments_back(24).tolist()[:3]
    [24, 37, 50]
    """
    step = max(hours_ahead // 2, 5)
    while np.gcd(step, _DAY_HOURS) != 1:
        step += 1
    return np.arange(hours_ahead, _SPAN_HOURS + 1, step, dtype=np.int64)


def shifted(counts: Floats, back: Ints) -> Floats:
    """Return the histories [n, m, 672] as they were `back` [m] hours before the end of `counts` [n, 672]."""
    n, length = counts.shape
    padded = np.concatenate([np.full((n, int(back.max())), np.nan), counts], axis=1)
    at = np.arange(length) + (int(back.max()) - back)[:, None]
    return padded[:, at]


def outcomes(counts: Floats, back: Ints, hours_ahead: int) -> Floats:
    """Return what came in the hours after those moments, [n, m]; NaN where part of it is not known."""
    at = counts.shape[1] - back[:, None] + np.arange(hours_ahead)
    return np.asarray(counts[:, at].sum(axis=2))


def widening(missed: Floats, hours_ahead: int, coverage: float) -> Floats:
    """Return by how much to scale the reach of intervals, [n], from misses [n, m] (1, 0, or NaN for not known).

    Windows that overlap err alike: they count as many as fit side by side. The factor is the one at which a normal error
    that missed as often would be held.

    >>> widening(np.array([[1.0] * 5 + [0.0] * 5]), 24, 0.8).round(1).tolist()
    [1.4]
    """
    known = np.isfinite(missed)
    seen = known.sum(axis=1)
    weight = np.minimum(seen, _SPAN_HOURS / hours_ahead)
    rate = np.where(known, missed, 0.0).sum(axis=1) / np.maximum(seen, 1)
    share = (_PRIOR * (1.0 - coverage) + weight * rate) / (_PRIOR + weight)
    normal = NormalDist()
    reach = normal.inv_cdf(0.5 + coverage / 2.0)
    factor = [reach / normal.inv_cdf(1.0 - s / 2.0) for s in share.clip(0.01, 0.9)]
    return np.clip(factor, 1.0, _WIDEST)
