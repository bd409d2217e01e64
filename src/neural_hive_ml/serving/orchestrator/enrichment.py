"""What the scheduler adds to a ticket in the platform's words: run time, resources, anomaly, the wait and the load."""

from dataclasses import dataclass
from math import erf, expm1, log, sqrt
from time import perf_counter_ns
from typing import Final

import msgspec

from neural_hive_ml.features.row import feature_row
from neural_hive_ml.features.spec import INDEX
from neural_hive_ml.serving.guard_agents.scoring import TicketAnswer, TicketScoring
from neural_hive_ml.serving.orchestrator.duration import DurationAnswer, DurationPrediction
from neural_hive_ml.serving.orchestrator.load import LoadAnswer, LoadForecasting
from neural_hive_ml.tickets.ticket import Ticket

# The platform boosts what will take longer than half again its estimate, or is anomalous, by a fifth.
_BOOSTED_BEYOND: Final = 1.5
_BOOST: Final = 1.2
_HORIZON_MINUTES: Final = 60
# A run time is as predicted when it lies between half and twice the prediction.
_WITHIN: Final = log(2.0)
_Z90: Final = 1.2815515655446004


class AnomalyMark(msgspec.Struct, frozen=True):
    """The detector's verdict on the ticket as created; score and type are null without a model, type also when normal."""

    is_anomaly: bool
    score: float | None
    type: str | None


class Predictions(msgspec.Struct, frozen=True):
    """The platform's `predictions` object of a ticket, key for key.

    `duration_ms` is the median. `duration_confidence` (and `confidence`, the same) is the probability, by the predicted
    quantiles, that the run takes between half and twice as long; 0 when nothing is known of the spread.
    `resources_confidence` is 0: resources are the platform's formula, nothing measured. `model_type` is the algorithm
    behind the duration, or ``history``, ``estimate``, ``none``.
    """

    duration_ms: float | None
    confidence: float
    duration_confidence: float
    cpu_cores: float
    memory_mb: float
    resources_confidence: float
    model_type: str
    anomaly: AnomalyMark


class Allocation(msgspec.Struct, frozen=True):
    """What is added to `allocation_metadata`.

    `predicted_queue_ms` is how long tickets of this task usually wait for their start, null before any did.
    `predicted_load_pct` is next hour's forecast against the busiest hour of the last four weeks, null without history.
    """

    predicted_duration_ms: float | None
    anomaly_detected: bool
    predicted_queue_ms: float | None
    predicted_load_pct: float | None
    ml_enriched: bool


class Enriched(msgspec.Struct, frozen=True):
    """A ticket's predictions. `priority_boost` is 1.2 or 1; `degraded` when a model was missing: `missing` names it.

    `prediction_id` is the duration's. The anomaly verdict is not kept: guard-agents keeps its own on the same ticket.
    """

    ticket_id: str
    predictions: Predictions
    allocation_metadata: Allocation
    priority_boost: float
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    degraded: bool
    latency_ms: float
    prediction_id: str


@dataclass(frozen=True, slots=True)
class Parts:
    """The answers that an enrichment is made of."""

    duration: DurationAnswer
    anomaly: TicketAnswer
    load: LoadAnswer


@dataclass(frozen=True, slots=True)
class Enrichment:
    """Asks duration, anomaly and load about a new ticket."""

    durations: DurationPrediction
    scoring: TicketScoring
    load: LoadForecasting

    def parts(self, ticket: Ticket) -> Parts:
        """Ask all three about a ticket as it is created. Never raises for what is missing."""
        return Parts(
            self.durations.predict(ticket),
            self.scoring.score(ticket, "created"),
            self.load.forecast(_HORIZON_MINUTES),
        )

    def enrich(self, ticket: Ticket, parts: Parts, began_ns: int) -> Enriched:
        """Put the answers together; `began_ns` is when the request began, by `perf_counter_ns`."""
        duration, anomaly = parts.duration, parts.anomaly
        reasons = _reasons(ticket, parts)
        missing = tuple(
            name
            for name, gone in (
                (duration.model_name, duration.degraded),
                (anomaly.model_name, anomaly.degraded),
                (str(parts.load.document["model_name"]), parts.load.degraded),
            )
            if gone
        )
        sure = confidence_of(duration)
        loaded = self.durations.slot.current
        model_type = loaded.artifact.model.algorithm if loaded is not None else duration.source
        mark = AnomalyMark(anomaly.is_anomaly, anomaly.anomaly_score, anomaly.anomaly_type)
        return Enriched(
            ticket_id=ticket.ticket_id,
            predictions=Predictions(
                duration.p50_ms, sure, sure, duration.cpu_cores, duration.memory_mb, 0.0, model_type, mark
            ),
            allocation_metadata=Allocation(
                duration.p50_ms,
                anomaly.is_anomaly,
                self._usual_wait_ms(ticket),
                parts.load.share_of_busiest,
                ml_enriched=not (duration.degraded and anomaly.degraded),
            ),
            priority_boost=_BOOST if reasons else 1.0,
            reasons=reasons,
            missing=missing,
            degraded=duration.degraded or anomaly.degraded,
            latency_ms=(perf_counter_ns() - began_ns) / 1e6,
            prediction_id=duration.prediction_id,
        )

    def _usual_wait_ms(self, ticket: Ticket) -> float | None:
        statistics = self.durations.statistics
        row = feature_row(ticket, "created", ticket.created_at, statistics.current, statistics.binding)
        if row[INDEX["task_created"]] <= 0:
            return None
        return expm1(float(row[INDEX["task_wait"]]))


def confidence_of(duration: DurationAnswer) -> float:
    """Return the probability that the run takes between half and twice the median, by log-normal sides of the quantiles."""
    low, middle, high = duration.p10_ms, duration.p50_ms, duration.p90_ms
    if low is None or middle is None or high is None or low <= 0:
        return 0.0
    below, above = log(middle / low) / _Z90, log(high / middle) / _Z90
    return sum(0.5 * erf(_WITHIN / (side * sqrt(2))) if side > 0 else 0.5 for side in (below, above))


def _reasons(ticket: Ticket, parts: Parts) -> tuple[str, ...]:
    reasons = []
    estimate, predicted = ticket.estimated_duration_ms, parts.duration.p50_ms
    if estimate and predicted is not None and predicted / estimate > _BOOSTED_BEYOND:
        reasons.append(f"predicted to run {predicted / estimate:.1f}x its estimate")
    if parts.anomaly.is_anomaly:
        reasons.append(f"anomalous: {parts.anomaly.explanation}")
    return tuple(reasons)
