"""A forecast as a mixture: the model beside the plain ways of repeating the past, by weights that sum to one.

Combining forecasts beats choosing one (Bates & Granger 1969, Operational Research Quarterly 20:451): a timetable
is best copied from last week, a living rhythm is best modelled, and the weights, measured on past origins, say how
much of each this series is. What a way does not know (too little history) the model answers for it.
"""

import warnings
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.scoring.load_base import WEEK_HOURS

Floats = npt.NDArray[np.float64]

WAYS: Final = (
    "model",
    "last_week",
    "two_weeks_mean",
    "four_weeks_median",
    "four_weeks_mean_at_todays_level",
    "four_weeks_mean_at_this_weeks_level",
    "yesterday",
)
_WEEKS: Final = 4
_DAY_HOURS: Final = 24


def ways_of(counts: Floats, modelled: Floats, second: Floats | None = None) -> Floats:
    """Return [len(WAYS), n, ahead] forecasts from hourly counts [n, 672] and the model's own [n, ahead].

    What a second model says ([n, ahead]) stands after the model's, one way more. `ahead` is at most 24.
    O(n (672 + ahead)).
    """
    ahead = modelled.shape[1]
    weeks = np.stack([_slice(counts, -WEEK_HOURS * j, ahead) for j in range(1, _WEEKS + 1)])
    usual = _mean(weeks)
    fitted = [modelled] if second is None else [modelled, second]
    out = np.stack(
        [
            *fitted,
            weeks[0],
            _mean(weeks[:2]),
            _median(weeks),
            usual * _level(counts, _DAY_HOURS)[:, None],
            usual * _level(counts, WEEK_HOURS)[:, None],
            _slice(counts, -_DAY_HOURS, ahead),
        ]
    )
    return np.where(np.isfinite(out), out, modelled)


def mix(weights: Floats, ways: Floats) -> Floats:
    """Return [n, ahead]: the ways [k, n, ahead] by `weights` [k]."""
    return np.asarray(np.einsum("k,kna->na", weights, ways))


def _slice(counts: Floats, begin: int, length: int) -> Floats:
    stop = begin + length
    return counts[:, begin : stop if stop < 0 else None]


def _level(counts: Floats, hours: int) -> Floats:
    """Return how the last `hours` ran against the same hours of the weeks before, [n], within [1/4, 4]."""
    before = [counts[:, -hours - WEEK_HOURS * j : -WEEK_HOURS * j] for j in range(1, _WEEKS)]
    usual = _mean(np.stack(before))
    now = counts[:, -hours:]
    both = np.isfinite(usual) & np.isfinite(now)
    ratio = (np.where(both, now, 0.0).sum(axis=1) + 1.0) / (np.where(both, usual, 0.0).sum(axis=1) + 1.0)
    return np.asarray(np.clip(ratio, 0.25, 4.0))


def _mean(weeks: Floats) -> Floats:
    known = np.isfinite(weeks)
    seen = known.sum(axis=0)
    return np.where(seen > 0, np.where(known, weeks, 0.0).sum(axis=0) / np.maximum(seen, 1), np.nan)


def _median(weeks: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an hour that no week knows stays unknown
        return np.asarray(np.nanmedian(weeks, axis=0))
