"""What load usually is at a moment: Prophet's fitted components as arrays, evaluated without Prophet.

The base lives in log1p of hourly counts and local wall-clock time. Past the end of training the trend keeps its
last value: a line that is followed for weeks runs away, and the recent level is measured at serving anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.features.series import Ints, week_slot

Floats = npt.NDArray[np.float64]

WEEK_HOURS = 168
_CONDITIONS = ("always", "weekday", "weekend")
_FRIDAY_END = 120  # hours from Monday 00:00 to Saturday 00:00


@dataclass(frozen=True, slots=True)
class Season:
    """One Fourier season: `coefficients` [2 order] as (sin, cos) pairs; `condition` of `_CONDITIONS`."""

    period_days: float
    condition: str
    coefficients: Floats

    def at(self, local: Ints) -> Floats:
        """Evaluate at local ms [n]; O(n order)."""
        days = local / DAY_MS
        order = len(self.coefficients) // 2
        angle = 2.0 * np.pi * days[:, None] * (np.arange(1, order + 1) / self.period_days)
        value = np.sin(angle) @ self.coefficients[0::2] + np.cos(angle) @ self.coefficients[1::2]
        if self.condition == "always":
            return np.asarray(value)
        weekend = week_slot(local, HOUR_MS) >= _FRIDAY_END
        return np.where(weekend == (self.condition == "weekend"), value, 0.0)


@dataclass(frozen=True, slots=True)
class LoadBase:
    """Trend through knots, hour-of-week shape, Fourier seasons and days with an effect of their own.

    `knot_ms`, `knot_value` [c] give the trend, constant outside; `shape` [168] is added by the hour of the week
    (linearly in between for hours that do not start on the clock); `day`, `day_effect` [h] by local epoch day.
    """

    knot_ms: Ints
    knot_value: Floats
    shape: Floats
    seasons: tuple[Season, ...] = ()
    day: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    day_effect: Floats = field(default_factory=lambda: np.zeros(0))

    def at(self, local: Ints) -> Floats:
        """Return log1p counts of the hours that start at local ms [n]; O(n (orders + log c))."""
        value = np.interp(local, self.knot_ms, self.knot_value)
        slot = week_slot(local, HOUR_MS)
        part = (local % HOUR_MS) / HOUR_MS
        value += (1.0 - part) * self.shape[slot] + part * self.shape[(slot + 1) % WEEK_HOURS]
        for season in self.seasons:
            value += season.at(local)
        if len(self.day):
            index = np.searchsorted(self.day, local // DAY_MS).clip(0, len(self.day) - 1)
            value += np.where(self.day[index] == local // DAY_MS, self.day_effect[index], 0.0)
        return np.asarray(value)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an artifact."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "base.knot_ms": self.knot_ms,
            "base.knot_value": self.knot_value,
            "base.shape": self.shape,
            "base.day": self.day,
            "base.day_effect": self.day_effect,
        }
        for i, season in enumerate(self.seasons):
            head = [season.period_days, float(_CONDITIONS.index(season.condition))]
            arrays[f"base.season{i}"] = np.concatenate([head, season.coefficients])
        return arrays

    @staticmethod
    def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> "LoadBase":
        """Read and check the arrays of an artifact. Raises `ArtifactRefused`."""
        try:
            seasons: list[Season] = []
            while (packed := arrays.get(f"base.season{len(seasons)}")) is not None:
                seasons.append(
                    Season(float(packed[0]), _CONDITIONS[int(packed[1])], packed[2:].astype(np.float64))
                )
            base = LoadBase(
                np.asarray(arrays["base.knot_ms"], dtype=np.int64),
                np.asarray(arrays["base.knot_value"], dtype=np.float64),
                np.asarray(arrays["base.shape"], dtype=np.float64),
                tuple(seasons),
                np.asarray(arrays["base.day"], dtype=np.int64),
                np.asarray(arrays["base.day_effect"], dtype=np.float64),
            )
        except (KeyError, IndexError, ValueError) as error:
            raise ArtifactRefused(
                f"load arrays are incomplete: {error}", remedy="fetch or train it again"
            ) from error
        fits = base.shape.shape == (WEEK_HOURS,) and 0 < len(base.knot_ms) == len(base.knot_value)
        if not fits or len(base.day) != len(base.day_effect) or np.any(np.diff(base.knot_ms) < 0):
            raise ArtifactRefused("load arrays are inconsistent", remedy="fetch or train it again")
        return base
