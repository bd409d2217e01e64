"""How much will be completed in the hours ahead: the model's forecast, or the last weeks' hours, marked degraded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """A forecast as a document, and what it means for metrics."""

    document: Mapping[str, Any]
    model_seconds: float
    degraded: bool
    cached: bool


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
    _fresh: dict[int, tuple[tuple[object, ...], LoadAnswer]] = field(default_factory=dict)

    def forecast(self, horizon_minutes: int, at_ms: int | None = None) -> LoadAnswer:
        """Forecast from now, or as it would have been said at `at_ms` by today's model. Never raises for what is missing."""
        loaded = self.slots[horizon_minutes].current
        now_ms = self.clock.now_ms() if at_ms is None else at_ms
        model = (loaded.published.version, loaded.artifact.digest) if loaded is not None else None
        if at_ms is None:
            key: tuple[object, ...] = (model, "now", now_ms // FRESH_MS, self.history.read)
        else:
            key = (model, "at", at_ms, self.history.sequence)
        held = self._fresh.get(horizon_minutes)
        if held is not None and held[0] == key:
            return LoadAnswer(held[1].document, 0.0, held[1].degraded, cached=True)
        answer = self._compute(horizon_minutes, now_ms, of_present=at_ms is None)
        self._fresh[horizon_minutes] = (key, answer)
        return answer

    def _compute(self, horizon_minutes: int, now_ms: int, *, of_present: bool) -> LoadAnswer:
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
        if self.shadow is not None and of_present and not degraded:
            self.shadow.beside(horizon_minutes, series, now_ms, document)
        return LoadAnswer(document, seconds, degraded, cached=False)


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
