"""Gradient boosting on lags: what the hours before say about each hour ahead, by packed trees.

Everything is in log1p of hourly counts and relative to the level of the last week, so that what was learned at one
level holds at another. One row an hour ahead (direct, not fed back): errors do not pile up.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.features.series import Ints, week_slot
from neural_hive_ml.scoring.booster import PackedBooster
from neural_hive_ml.scoring.load_base import WEEK_HOURS

Floats = npt.NDArray[np.float64]

_LAST: Final = (1, 2, 3)
_MEANS: Final = (3, 6, 12, 24, 72)
_DAYS: Final = (1, 2, 3)
_WEEKS: Final = (1, 2, 3, 4)
_RATIOS: Final = (1, 3, 6, 24, WEEK_HOURS)
LAG_NAMES: Final = (
    *(f"last_{k}" for k in _LAST),
    *(f"mean_{w}h" for w in _MEANS),
    *(f"against_last_week_{w}h" for w in _RATIOS),
    *(f"same_hour_{d}d_ago" for d in _DAYS),
    *(f"same_hour_{w}w_ago" for w in _WEEKS),
    "same_hour_last_days",
    "same_hour_weeks",
    "around_last_week",
    "hour_before_last_week",
    "level",
    "lead",
    "hour",
    "weekday",
)


@dataclass(frozen=True, slots=True)
class LagModel:
    """Trees that answer log1p of the counts over the last week's level, from rows of `lag_rows`.

    `factor` brings their totals to the centre of past outcomes.
    """

    booster: PackedBooster
    factor: float = 1.0

    def ahead(self, counts: Floats, local: Ints) -> Floats:
        """Forecast [n, ahead] counts after histories [n, 672]; `local` [n, ahead] is wall-clock ms of the hours."""
        rows, level = lag_rows(counts, local)
        n, hours, width = rows.shape
        said = self.booster.margin(rows.reshape(n * hours, width))[:, 0].astype(np.float64).reshape(n, hours)
        return np.maximum(np.expm1(said + level[:, None]), 0.0) * self.factor

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an artifact."""
        return {**self.booster.to_arrays("lags"), "lags.factor": np.array([self.factor])}

    @staticmethod
    def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> "LagModel | None":
        """Read and check the arrays of an artifact; None where it has no such trees. Raises `ArtifactRefused`."""
        if not any(name.startswith("lags.") for name in arrays):
            return None
        booster = PackedBooster.from_arrays(arrays, "lags")
        if booster.columns != len(LAG_NAMES) or len(booster.base) != 1:
            raise ArtifactRefused(
                f"trees of {booster.columns} lags, {len(LAG_NAMES)} known", remedy="train again with this release"
            )
        factor = arrays.get("lags.factor")
        if factor is None or factor.shape != (1,) or not np.isfinite(factor[0]):
            raise ArtifactRefused("lag arrays are incomplete: lags.factor", remedy="fetch or train it again")
        return LagModel(booster, float(factor[0]))


def lag_rows(counts: Floats, local: Ints) -> tuple[Floats, Floats]:
    """Return rows [n, ahead, len(LAG_NAMES)] and the level [n] of histories [n, 672] of hourly counts.

    `local` [n, ahead] (ahead at most 24) is the wall-clock ms at which the hours ahead start. What is not known is NaN,
    but for the level, which is zero then. O(n (672 + ahead)).
    """
    n, ahead = local.shape
    length = counts.shape[1]
    level = np.nan_to_num(_mean_log(counts[:, -WEEK_HOURS:]))
    logs = np.log1p(counts) - level[:, None]
    out = np.empty((n, ahead, len(LAG_NAMES)))
    column = iter(range(len(LAG_NAMES)))
    for k in _LAST:
        out[:, :, next(column)] = logs[:, -k][:, None]
    for width in _MEANS:
        out[:, :, next(column)] = (_mean_log(counts[:, -width:]) - level)[:, None]
    for width in _RATIOS:
        before = _mean_log(counts[:, -width - WEEK_HOURS : length - WEEK_HOURS])
        out[:, :, next(column)] = (_mean_log(counts[:, -width:]) - before)[:, None]
    days = np.stack([logs[:, length - 24 * d :][:, :ahead] for d in range(1, 8)])
    weeks = np.stack([logs[:, length - WEEK_HOURS * w :][:, :ahead] for w in _WEEKS])
    for d in _DAYS:
        out[:, :, next(column)] = days[d - 1]
    for w in _WEEKS:
        out[:, :, next(column)] = weeks[w - 1]
    out[:, :, next(column)] = _known_mean(days)
    out[:, :, next(column)] = _known_mean(weeks)
    begin = length - WEEK_HOURS
    around = [logs[:, begin + shift : begin + shift + ahead] for shift in (-1, 0, 1)]
    out[:, :, next(column)] = _known_mean(np.stack(around))
    out[:, :, next(column)] = around[0]
    out[:, :, next(column)] = level[:, None]
    out[:, :, next(column)] = np.arange(ahead)
    slot = week_slot(local, HOUR_MS)
    out[:, :, next(column)] = slot % 24
    out[:, :, next(column)] = slot // 24
    return out, level


def _mean_log(counts: Floats) -> Floats:
    """log1p of the mean of known counts along the last axis, NaN where none is known."""
    return np.asarray(np.log1p(_known_mean(np.moveaxis(counts, -1, 0))))


def _known_mean(stacked: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where nothing is known the mean stays unknown
        return np.asarray(np.nanmean(stacked, axis=0))
