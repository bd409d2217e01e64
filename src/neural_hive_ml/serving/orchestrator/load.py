"""How much will be completed in the hours ahead: the model's forecast, or the last weeks' hours, marked degraded."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter_ns
from typing import Any, Final, Protocol

import numpy as np

from neural_hive_ml.clock import Clock
from neural_hive_ml.features.series import CountSeries
from neural_hive_ml.scoring.load import BUCKET_MINUTES, LoadForecaster, as_document
from neural_hive_ml.scoring.load_base import WEEK_HOURS, LoadBase
from neural_hive_ml.scoring.load_memory import SIGNS, ResidualMemory
from neural_hive_ml.scoring.load_mix import WAYS
from neural_hive_ml.scoring.load_spread import Spread
from neural_hive_ml.scoring.load_window import window_before
from neural_hive_ml.serving.orchestrator.history import LoadHistory
from neural_hive_ml.serving.slot import ModelSlot

# A forecast of the present is told again this long, unless another model serves by then.
FRESH_MS: Final = 10_000
_NOTHING_KNOWN: Final = "no model and no completions are known"
_NO_MODEL: Final = (
    "no model: the same hours of the last four weeks, the interval is of counts that vary like Poisson's"
)


@dataclass(frozen=True, slots=True)
class LoadAnswer:
    """A forecast as a document, and what it means for metrics.

    `cached`: it was made before, `model_seconds` is 0 then; `first`: nobody was told it before. `share_of_busiest` is its
    total in percent of the busiest such span of hours that the history knows, None where nothing is known.
    """

    document: Mapping[str, Any]
    model_seconds: float
    degraded: bool
    cached: bool
    first: bool = True
    share_of_busiest: float | None = None


@dataclass(slots=True)
class _Held:
    """A forecast of the present, and what it was made with."""

    model: object
    read: bool
    made_ms: int
    series: CountSeries
    answer: LoadAnswer
    told: bool = False


class Beside(Protocol):
    """Told each new forecast of a champion of the present, with the series that it was made from."""

    def beside(
        self, horizon_minutes: int, series: CountSeries, at_ms: int, document: Mapping[str, Any]
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class LoadForecasting:
    """Forecasts with the models in the slots, by horizon in minutes, from the history; `shadow` hears of each new one."""

    slots: Mapping[int, ModelSlot]
    history: LoadHistory
    clock: Clock
    shadow: Beside | None = None
    _present: dict[int, _Held] = field(default_factory=dict)
    _replayed: dict[int, tuple[tuple[object, ...], LoadAnswer]] = field(default_factory=dict)

    def forecast(self, horizon_minutes: int, at_ms: int | None = None) -> LoadAnswer:
        """Forecast from now, or as it would have been said at `at_ms` by today's model. Never raises for what is missing."""
        if at_ms is not None:
            return self._replay(horizon_minutes, at_ms)
        held, now_ms = self._present.get(horizon_minutes), self.clock.now_ms()
        cached = (
            held is not None
            and (held.model, held.read) == (self._model(horizon_minutes), self.history.read)
            and 0 <= now_ms - held.made_ms < FRESH_MS
        )
        if held is None or not cached:
            held = self.renew(horizon_minutes)
        first, held.told = not held.told, True
        if first and self.shadow is not None and not held.answer.degraded:
            self.shadow.beside(horizon_minutes, held.series, held.made_ms, held.answer.document)
        return replace(
            held.answer, model_seconds=0.0 if cached else held.answer.model_seconds, cached=cached, first=first
        )

    def renew(self, horizon_minutes: int) -> _Held:
        """Make the forecast of the present anew, for those who ask next."""
        model, read, now_ms = self._model(horizon_minutes), self.history.read, self.clock.now_ms()
        answer, series = self._compute(horizon_minutes, now_ms)
        held = self._present[horizon_minutes] = _Held(model, read, now_ms, series, answer)
        return held

    def _replay(self, horizon_minutes: int, at_ms: int) -> LoadAnswer:
        key = (self._model(horizon_minutes), at_ms, self.history.sequence)
        held = self._replayed.get(horizon_minutes)
        if held is not None and held[0] == key:
            return replace(held[1], model_seconds=0.0, cached=True, first=False)
        answer, _ = self._compute(horizon_minutes, at_ms)
        self._replayed[horizon_minutes] = (key, answer)
        return answer

    def _model(self, horizon_minutes: int) -> object:
        loaded = self.slots[horizon_minutes].current
        return (loaded.published.version, loaded.artifact.digest) if loaded is not None else None

    def _compute(self, horizon_minutes: int, now_ms: int) -> tuple[LoadAnswer, CountSeries]:
        began = perf_counter_ns()
        slot = self.slots[horizon_minutes]
        loaded, series = slot.current, self.history.series(now_ms)
        window = window_before(series, now_ms)
        known = window.known_hours
        if loaded is not None:
            forecaster = loaded.artifact.scorer
        else:
            forecaster = weeks_before(horizon_minutes, float(np.nanmean(window.counts)) if known else 0.0)
        assert isinstance(forecaster, LoadForecaster), "the slot holds a load predictor"
        degraded = loaded is None or known == 0
        document: dict[str, Any] = {
            "horizon_minutes": horizon_minutes,
            "at_ms": now_ms,
            "model_name": slot.name,
            "model_version": loaded.published.version if loaded is not None else None,
            "history_hours": known,
            "history_until_ms": self.history.known_until_ms or None,
            "degraded": degraded,
        }
        if loaded is None and known == 0:
            document |= _nothing(BUCKET_MINUTES[horizon_minutes])
        else:
            told = as_document(forecaster.forecast(series, now_ms))
            document |= told if loaded is not None else {**told, "notes": [_NO_MODEL, *told["notes"]]}
        seconds = (perf_counter_ns() - began) / 1e9
        document["latency_ms"] = seconds * 1e3
        busiest = float(np.nanmax(window.counts)) * (horizon_minutes / 60) if known else 0.0
        share = 100 * document["total"] / busiest if busiest > 0 and document["total"] is not None else None
        return LoadAnswer(document, seconds, degraded, cached=False, share_of_busiest=share), series


def weeks_before(horizon_minutes: int, level: float) -> LoadForecaster:
    """Return a forecaster that knows nothing but the median of the same hours of the last four weeks.

    An hour that none of them knows is taken as `level` (completions an hour). Bounds are the 0.1 and 0.9 quantiles of a
    Poisson count, nearly: its logarithm varies by one over the root of the count.
    """
    hours = horizon_minutes // 60
    spread = Spread(0.0, 1.0, -1.2815515655446004, 1.2815515655446004)
    return LoadForecaster(
        base=LoadBase(np.zeros(1, dtype=np.int64), np.log1p([level]), np.zeros(WEEK_HOURS)),
        memory=ResidualMemory(np.zeros((hours, len(SIGNS))), np.zeros(hours)),
        spread=spread,
        bucket_spread=spread,
        factor=1.0,
        weights=np.eye(len(WAYS))[WAYS.index("four_weeks_median")],
        horizon_minutes=horizon_minutes,
        timezone="UTC",
    )


def _nothing(bucket_minutes: int) -> dict[str, Any]:
    return {
        "timestamps_ms": [],
        "mean": [],
        "lower": [],
        "upper": [],
        "bucket_minutes": bucket_minutes,
        "total": None,
        "total_lower": None,
        "total_upper": None,
        "notes": [_NOTHING_KNOWN],
    }
