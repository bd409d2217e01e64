"""Exponential smoothing (ETS, additive) of counts off their hour-of-week shape: run over the history, then ahead.

A state-space model (Hyndman et al. 2008): the level follows each error by `alpha`, the hour of the day by `gamma`; in
log1p of hourly counts. Hours that are not known change no state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.features.series import Ints, week_slot
from neural_hive_ml.scoring.load_base import WEEK_HOURS

Floats = npt.NDArray[np.float64]

DAY_HOURS: Final = 24
_SHAPES: Final = {"ets.parameters": (3,), "ets.season": (DAY_HOURS,), "ets.shape": (WEEK_HOURS,)}


@dataclass(frozen=True, slots=True)
class EtsModel:
    """Smoothing of the level (`alpha`) and of the hour of the day (`gamma`, from `season` [24]) over `shape` [168].

    `factor` brings the totals to the centre of past outcomes.
    """

    alpha: float
    gamma: float
    season: Floats
    shape: Floats
    factor: float = 1.0

    def ahead(self, counts: Floats, local: Ints) -> Floats:
        """Forecast [n, ahead] counts after histories [n, 672]; `local` [n, ahead] is wall-clock ms of the hours.

        O(n (672 + ahead)). `ahead` is at most 24.
        """
        n, length = counts.shape
        first = week_slot(local[:, 0], HOUR_MS)
        slots = (first[:, None] + np.arange(-length, local.shape[1])) % WEEK_HOURS
        value = np.log1p(counts) - self.shape[slots[:, :length]]
        known = np.isfinite(value)
        early = known & (np.cumsum(known, axis=1) <= WEEK_HOURS)
        level = np.where(early, value, 0.0).sum(axis=1) / np.maximum(early.sum(axis=1), 1)
        season, row = np.tile(self.season, (n, 1)), np.arange(n)
        for hour in range(length):
            of_day = slots[:, hour] % DAY_HOURS
            error = np.where(known[:, hour], value[:, hour] - level - season[row, of_day], 0.0)
            level = level + self.alpha * error
            season[row, of_day] += self.gamma * error
        coming = slots[:, length:]
        said = level[:, None] + season[row[:, None], coming % DAY_HOURS] + self.shape[coming]
        return np.asarray(np.maximum(np.expm1(said), 0.0) * self.factor)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an artifact."""
        parameters = np.array([self.alpha, self.gamma, self.factor])
        return {"ets.parameters": parameters, "ets.season": self.season, "ets.shape": self.shape}

    @staticmethod
    def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> "EtsModel | None":
        """Read and check the arrays of an artifact; None where it has no such model. Raises `ArtifactRefused`."""
        if not any(name.startswith("ets.") for name in arrays):
            return None
        found = {name: np.asarray(arrays.get(name, ()), dtype=np.float64) for name in _SHAPES}
        for name, shape in _SHAPES.items():
            if found[name].shape != shape or not np.isfinite(found[name]).all():
                raise ArtifactRefused(f"{name} is no {shape} of numbers", remedy="fetch or train it again")
        alpha, gamma, factor = map(float, found["ets.parameters"])
        return EtsModel(alpha, gamma, found["ets.season"], found["ets.shape"], factor)
