"""What the challengers would have said about a duration or the load ahead, beside what the champions said."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log1p
from time import perf_counter_ns
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import Clock
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.row import feature_row
from neural_hive_ml.features.series import CountSeries
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.scoring.load import LoadForecaster, as_document
from neural_hive_ml.serving.orchestrator.duration import DurationAnswer
from neural_hive_ml.serving.shadow import Shadow
from neural_hive_ml.serving.slot import LoadedModel
from neural_hive_ml.tickets.ticket import Ticket

# Two predictions agree when neither is more than a quarter above the other: log(1.25).
AGREES_WITHIN: Final = 0.22314355131420976


@dataclass(frozen=True, slots=True)
class DurationShadow:
    """See `duration.Beside`."""

    shadow: Shadow
    clock: Clock

    def beside(
        self,
        ticket: Ticket,
        at_ms: int,
        row: npt.NDArray[np.float64],
        binding: FeatureBinding,
        statistics: Statistics,
        answer: DurationAnswer,
    ) -> None:
        """Queue the challenger's answer about a ticket that the champion has just answered."""
        loaded = self.shadow.slot.current
        if loaded is None or loaded.published.version == answer.model_version:
            return
        scorer = loaded.artifact.scorer
        assert isinstance(scorer, DurationScorer), "the slot holds a scheduling predictor"
        if scorer.binding != binding:  # now, since the statistics will have learned more when its turn comes
            row = feature_row(ticket, "created", at_ms, statistics, scorer.binding)
        self.shadow.offer(lambda: self._predict(loaded, scorer, row, answer))

    def _predict(
        self, loaded: LoadedModel, scorer: DurationScorer, row: npt.NDArray[np.float64], answer: DurationAnswer
    ) -> None:
        began = perf_counter_ns()
        low, middle, high = scorer.forecast(row[None])[0].tolist()
        document = {
            "service": "orchestrator-dynamic",
            "family": "scheduling",
            "ticket_id": answer.ticket_id,
            "model_name": loaded.published.name,
            "model_version": loaded.published.version,
            "stage": "created",
            "p10_ms": low,
            "p50_ms": middle,
            "p90_ms": high,
            "statistics_sequence": answer.statistics_sequence,
            "latency_ms": (perf_counter_ns() - began) / 1e6,
            "champion_version": answer.model_version,
            "champion_p10_ms": answer.p10_ms,
            "champion_p50_ms": answer.p50_ms,
            "champion_p90_ms": answer.p90_ms,
            "champion_latency_ms": answer.latency_ms,
        }
        self.shadow.keep(self.clock.now_ms(), document, agreed=agree(middle, answer.p50_ms))


@dataclass(frozen=True, slots=True)
class LoadShadow:
    """See `load.Beside`: the challengers by horizon in minutes."""

    shadows: Mapping[int, Shadow]

    def beside(self, horizon_minutes: int, series: CountSeries, at_ms: int, document: Mapping[str, Any]) -> None:
        """Queue the challenger's forecast of what the champion has just forecast."""
        shadow = self.shadows[horizon_minutes]
        loaded = shadow.slot.current
        if loaded is None or loaded.published.version == document["model_version"]:
            return
        forecaster = loaded.artifact.scorer
        assert isinstance(forecaster, LoadForecaster), "the slot holds a load predictor"
        shadow.offer(lambda: _forecast(shadow, loaded, forecaster, series, at_ms, document))


def _forecast(
    shadow: Shadow,
    loaded: LoadedModel,
    forecaster: LoadForecaster,
    series: CountSeries,
    at_ms: int,
    champion: Mapping[str, Any],
) -> None:
    began = perf_counter_ns()
    told = as_document(forecaster.forecast(series, at_ms))
    document = {
        "service": "orchestrator-dynamic",
        "family": "load",
        "model_name": loaded.published.name,
        "model_version": loaded.published.version,
        "horizon_minutes": champion["horizon_minutes"],
        "at_ms": at_ms,
        "total": told["total"],
        "total_lower": told["total_lower"],
        "total_upper": told["total_upper"],
        "latency_ms": (perf_counter_ns() - began) / 1e6,
        "champion_version": champion["model_version"],
        "champion_total": champion["total"],
        "champion_latency_ms": champion["latency_ms"],
    }
    shadow.keep(at_ms, document, agreed=agree(told["total"], champion["total"]))


def agree(mine: float, other: float | None) -> bool:
    """Return whether two predictions of a positive amount lie within a quarter of each other.

    >>> agree(100.0, 110.0), agree(100.0, 200.0), agree(100.0, None)
    (True, False, False)
    """
    return other is not None and abs(log1p(max(mine, 0.0)) - log1p(max(other, 0.0))) <= AGREES_WITHIN
