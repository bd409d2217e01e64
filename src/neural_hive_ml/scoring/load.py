"""The load forecaster that serves: completions ahead from now, in buckets, with an interval, NumPy only.

model = base (Prophet's components, or another's) + what the residual's memory says, in log1p of hourly counts, brought
back to counts by a factor measured on past origins; forecast = the model mixed with a second one (trees on lags, ETS)
where the algorithm has one, and with plain repetitions of the past (`load_mix`). The centre is meant to halve the
outcomes (it minimises WAPE).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS, MINUTE_MS
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.features.series import CountSeries, Ints, local_ms
from neural_hive_ml.scoring.load_base import LoadBase
from neural_hive_ml.scoring.load_ets import EtsModel
from neural_hive_ml.scoring.load_lags import LagModel
from neural_hive_ml.scoring.load_memory import HISTORY_HOURS, SIGNS, ResidualMemory
from neural_hive_ml.scoring.load_mix import WAYS, mix, ways_of
from neural_hive_ml.scoring.load_recent import moments_back, outcomes, shifted, widening
from neural_hive_ml.scoring.load_spread import COVERAGE, Spread
from neural_hive_ml.scoring.load_window import window_before
from neural_hive_ml.scoring.packed import PackedModel

Floats = npt.NDArray[np.float64]
SecondModel = LagModel | EtsModel

# Points a forecast is told in: a quarter of an hour for the next hour, hours beyond.
BUCKET_MINUTES = {60: 15, 360: 60, 1440: 60}
# Less history than this leaves the weekly memory empty, and the result says so.
_WELL_KNOWN_HOURS = 168


@dataclass(frozen=True, slots=True)
class LoadForecast:
    """Expected completions of the buckets that start at `timestamps_ms` [n], the first one at now.

    `mean` is the centre, `lower` and `upper` hold 80 % of the outcomes of a bucket; the `total_*` are those of the
    whole horizon. `notes` says where the history was short, had gaps or was old.
    """

    timestamps_ms: Ints
    mean: Floats
    lower: Floats
    upper: Floats
    bucket_minutes: int
    total_mean: float
    total_lower: float
    total_upper: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadForecaster:
    """A loaded load model.

    `factor` brings the model's back-transformed total to the centre of past outcomes; `weights` mix it, and the
    `second` model where there is one, with repetitions of the past.
    """

    base: LoadBase
    memory: ResidualMemory
    spread: Spread
    bucket_spread: Spread
    factor: float
    weights: Floats
    horizon_minutes: int
    timezone: str
    second: SecondModel | None = None

    @staticmethod
    def load(model: PackedModel) -> "LoadForecaster":
        """Load an artifact. Raises `ArtifactRefused` where something is missing or does not fit."""
        horizon = model.horizon_minutes
        if horizon is None or horizon not in BUCKET_MINUTES:
            raise ArtifactRefused(f"no load horizon of {horizon} minutes", remedy="train again with this release")
        try:
            memory = ResidualMemory(
                np.asarray(model.arrays["memory.weights"], dtype=np.float64),
                np.asarray(model.arrays["memory.intercept"], dtype=np.float64),
            )
            spreads = [Spread(*map(float, model.arrays[name])) for name in ("spread.total", "spread.bucket")]
            factor, timezone = float(model.arrays["factor"][0]), str(model.documents["timezone"])
            weights = np.asarray(model.arrays["mix.weights"], dtype=np.float64)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise ArtifactRefused(
                f"load arrays are incomplete: {error}", remedy="fetch or train it again"
            ) from error
        if memory.weights.shape != (_hours(horizon), len(SIGNS)) or memory.intercept.shape != (_hours(horizon),):
            raise ArtifactRefused(
                f"residual weights {memory.weights.shape} do not fit the horizon", remedy="train again"
            )
        second = LagModel.from_arrays(model.arrays) or EtsModel.from_arrays(model.arrays)
        known = len(WAYS) + (second is not None)
        if weights.shape != (known,):
            raise ArtifactRefused(f"mixture of {weights.shape} ways, {known} known", remedy="train again")
        base = LoadBase.from_arrays(model.arrays)
        return LoadForecaster(base, memory, spreads[0], spreads[1], factor, weights, horizon, timezone, second)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an artifact, which `load` reads."""
        return {
            **self.base.to_arrays(),
            "memory.weights": self.memory.weights,
            "memory.intercept": self.memory.intercept,
            "spread.total": self.spread.to_array(),
            "spread.bucket": self.bucket_spread.to_array(),
            "factor": np.array([self.factor]),
            "mix.weights": self.weights,
            **(self.second.to_arrays() if self.second is not None else {}),
        }

    @property
    def hours_ahead(self) -> int:
        """Whole hours of the horizon."""
        return _hours(self.horizon_minutes)

    def hourly(self, counts: Floats, end_ms: Ints) -> Floats:
        """Forecast [n, hours ahead] counts after histories [n, 672] that end at `end_ms` [n]."""
        other = None
        if self.second is not None:
            times = end_ms[:, None] + np.arange(self.hours_ahead, dtype=np.int64) * HOUR_MS
            other = self.second.ahead(counts, local_ms(times.ravel(), self.timezone).reshape(times.shape))
        return mix(self.weights, ways_of(counts, self.modelled(counts, end_ms), other))

    def widening(self, counts: Floats, end_ms: Ints) -> Floats:
        """By how much the reach of intervals is scaled, [n], for how often they missed in the last two weeks."""
        back = moments_back(self.hours_ahead)
        replayed = shifted(counts, back).reshape(-1, counts.shape[1])
        said = self.hourly(replayed, (end_ms[:, None] - back * HOUR_MS).ravel()).sum(axis=1)
        lower, upper = (bound.reshape(len(counts), -1) for bound in self.spread.interval(said))
        came = outcomes(counts, back, self.hours_ahead)
        missed = np.where(np.isfinite(came), (came < lower) | (came > upper), np.nan)
        return widening(missed, self.hours_ahead, COVERAGE)

    def total_interval(self, counts: Floats, end_ms: Ints, total: Floats) -> tuple[Floats, Floats]:
        """Return the bounds [n] of horizon totals [n] that were forecast after these histories."""
        return self.spread.interval(total, self.widening(counts, end_ms))

    def modelled(self, counts: Floats, end_ms: Ints) -> Floats:
        """Return what base and memory alone say, [n, hours ahead]."""
        offsets = np.arange(-HISTORY_HOURS, self.hours_ahead, dtype=np.int64) * HOUR_MS
        times = end_ms[:, None] + offsets
        distinct, where = np.unique(times.ravel(), return_inverse=True)  # origins share most of their hours
        base = self.base.at(local_ms(distinct, self.timezone))[where].reshape(times.shape)
        ahead = base[:, HISTORY_HOURS:] + self.memory.correct(np.log1p(counts) - base[:, :HISTORY_HOURS])
        return np.maximum(np.expm1(ahead), 0.0) * self.factor

    def forecast(self, history: CountSeries, now_ms: int) -> LoadForecast:
        """Forecast the horizon that starts at `now_ms` from recent counts; about 10 ms.

        Works with less than four weeks of history, and with gaps (NaN), and says so in `notes`. Raises
        `UsageError` when the history's buckets do not add up to an hour.
        """
        window = window_before(history, now_ms)
        counts, end_ms = window.counts[None], np.array([window.end_ms])
        hourly, widen = self.hourly(counts, end_ms)[0], self.widening(counts, end_ms)
        late = (now_ms - window.end_ms) / HOUR_MS
        if late > 0:  # the horizon starts inside the first hour and ends inside one more
            ahead = np.append(hourly, hourly[-1])
            hourly = (1.0 - late) * ahead[:-1] + late * ahead[1:]
        minutes = BUCKET_MINUTES[self.horizon_minutes]
        parts = 60 // minutes
        mean = np.repeat(hourly / parts, parts)
        lower, upper = self.bucket_spread.interval(mean, widen)
        total = np.array([hourly.sum()])
        total_lower, total_upper = self.spread.interval(total, widen)
        times = now_ms + np.arange(len(mean), dtype=np.int64) * minutes * MINUTE_MS
        return LoadForecast(
            times,
            mean,
            lower,
            upper,
            minutes,
            float(total[0]),
            float(total_lower[0]),
            float(total_upper[0]),
            _notes(window.known_hours, window.stale_hours),
        )

    def reproduce(self, rows: Floats) -> Floats:
        """Map golden rows [g, 1 + 672] (end of history in epoch ms, hourly counts) to [g, 3 + hours ahead].

        The outputs are the total's centre, lower and upper bound, then the hours.
        """
        counts, end_ms = rows[:, 1:], rows[:, 0].astype(np.int64)
        hourly = self.hourly(counts, end_ms)
        total = hourly.sum(axis=1)
        return np.column_stack([total, *self.total_interval(counts, end_ms, total), hourly])


def input_names() -> list[str]:
    """Return the names of the columns of golden rows."""
    return ["history_end_ms", *(f"count_{h}h_ago" for h in range(HISTORY_HOURS, 0, -1))]


def output_names(horizon_minutes: int) -> list[str]:
    """Return the names of the columns of `LoadForecaster.reproduce`."""
    return ["total", "total_lower", "total_upper", *(f"hour_{h}" for h in range(1, _hours(horizon_minutes) + 1))]


def as_document(forecast: LoadForecast) -> Mapping[str, Any]:
    """Return a forecast as JSON-able values."""
    return {
        "timestamps_ms": forecast.timestamps_ms.tolist(),
        "mean": forecast.mean.tolist(),
        "lower": forecast.lower.tolist(),
        "upper": forecast.upper.tolist(),
        "bucket_minutes": forecast.bucket_minutes,
        "total": forecast.total_mean,
        "total_lower": forecast.total_lower,
        "total_upper": forecast.total_upper,
        "notes": list(forecast.notes),
    }


def _hours(horizon_minutes: int) -> int:
    return horizon_minutes // 60


def _notes(known_hours: int, stale_hours: int) -> tuple[str, ...]:
    notes = []
    if known_hours < _WELL_KNOWN_HOURS:
        notes.append(
            f"only {known_hours} hours of history: the recent level is less certain, the base carries the forecast"
        )
    elif stale_hours:
        notes.append(f"the last {stale_hours} hours are not known: forecast from what was before them")
    return tuple(notes)
