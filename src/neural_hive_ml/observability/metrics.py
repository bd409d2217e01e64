"""The metrics of each service as one small dataclass: what a handler writes is an attribute, never a name.

>>> metrics = guard_agents_metrics()
>>> metrics.detections.inc("isolation_forest", "true")
>>> metrics.requests.inc("tickets_score", "ok")
>>> 'anomaly_detection_total{is_anomaly="true",model_type="isolation_forest"} 1.0' in metrics.exposition().decode()
True
"""

from dataclasses import dataclass
from typing import Annotated, TypeVar, get_origin, get_type_hints

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from neural_hive_ml.observability import labels
from neural_hive_ml.observability.derived import StateDerivedCollector, derived_names
from neural_hive_ml.observability.families import CounterFamily, Families, GaugeFamily, HistogramFamily, InfoFamily

CONTENT_TYPE = CONTENT_TYPE_LATEST
E_ = TypeVar("E_", bound="Exposed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A service's own registry. Reading may touch the store: call `exposition` off the event loop."""

    registry: CollectorRegistry

    def exposition(self) -> bytes:
        """Return the Prometheus text format of all families, aliases included."""
        return generate_latest(self.registry)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictingMetrics(Exposed):
    """What both predicting services count. Label values, in the order of a call's arguments, stand behind each."""

    requests: Annotated[CounterFamily, "neural_hive_ml_prediction_requests_total"]  # route, outcome
    request_seconds: Annotated[HistogramFamily, "neural_hive_ml_prediction_latency_seconds"]  # route
    shadow: Annotated[CounterFamily, "neural_hive_shadow_predictions_total"]  # model_name, agreed
    shadow_lost: Annotated[CounterFamily, "neural_hive_ml_shadow_lost_total"]  # model_name, reason
    queue_depth: Annotated[GaugeFamily, "neural_hive_ml_queue_depth"]  # queue
    prediction_log: Annotated[CounterFamily, "neural_hive_ml_prediction_log_total"]  # result
    cache: Annotated[CounterFamily, "neural_hive_ml_cache_requests_total"]  # cache, result
    dependency_up: Annotated[GaugeFamily, "neural_hive_ml_dependency_up"]  # dependency
    model_version: Annotated[GaugeFamily, "neural_hive_ml_model_version"]  # model_name, alias
    model_info: Annotated[InfoFamily, "neural_hive_ml_model_info"]  # model_name, alias, version, digest
    model_trained: Annotated[GaugeFamily, "neural_hive_ml_model_trained_timestamp_seconds"]  # model_name
    source_contact: Annotated[GaugeFamily, "neural_hive_ml_model_source_contact_timestamp_seconds"]
    load_errors: Annotated[CounterFamily, "neural_hive_ml_model_load_errors_total"]  # model_name, reason
    swaps: Annotated[CounterFamily, "neural_hive_ml_model_swaps_total"]  # model_name
    statistics_sequence: Annotated[GaugeFamily, "neural_hive_ml_statistics_sequence"]
    statistics_as_of: Annotated[GaugeFamily, "neural_hive_ml_statistics_timestamp_seconds"]
    tickets: Annotated[CounterFamily, "neural_hive_ml_tickets_received_total"]  # result
    newest_ticket: Annotated[GaugeFamily, "neural_hive_ml_ticket_timestamp_seconds"]
    clock_ahead: Annotated[GaugeFamily, "neural_hive_ml_clock_ahead_seconds"]
    stream_lag: Annotated[GaugeFamily, "neural_hive_ml_stream_lag_messages"]  # stream
    dead_letters: Annotated[CounterFamily, "neural_hive_ml_dead_letters_total"]  # stream


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardAgentsMetrics(PredictingMetrics):
    """guard-agents: the guide's families, threats, and the reviews asked for."""

    detections: Annotated[CounterFamily, "anomaly_detection_total"]  # model_type, is_anomaly
    detection_seconds: Annotated[HistogramFamily, "anomaly_detection_latency_seconds"]  # model_type
    anomaly_score: Annotated[HistogramFamily, "neural_hive_ml_anomaly_score"]  # model_type
    threats: Annotated[CounterFamily, "neural_hive_ml_threats_total"]  # threat_type, severity
    threat_seconds: Annotated[HistogramFamily, "neural_hive_ml_threat_detection_seconds"]
    reviews_requested: Annotated[CounterFamily, "neural_hive_ml_reviews_requested_total"]  # reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratorMetrics(PredictingMetrics):
    """orchestrator-dynamic: durations, forecasts, enrichment. `model_type` is the model's family here."""

    predictions: Annotated[CounterFamily, "neural_hive_ml_predictions_total"]  # model_type, status
    model_seconds: Annotated[HistogramFamily, "neural_hive_ml_model_seconds"]  # model_type
    anomalies: Annotated[CounterFamily, "neural_hive_ml_anomalies_total"]  # anomaly_type
    forecasts: Annotated[CounterFamily, "neural_hive_ml_forecasts_total"]  # model_name, source


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalMetrics(Exposed):
    """approval-service: verdicts and the reviews still open."""

    requests: Annotated[CounterFamily, "neural_hive_ml_feedback_requests_total"]  # route, outcome
    request_seconds: Annotated[HistogramFamily, "neural_hive_ml_feedback_latency_seconds"]  # route
    verdicts: Annotated[CounterFamily, "neural_hive_ml_feedback_verdicts_total"]  # verdict, reason
    open_reviews: Annotated[GaugeFamily, "neural_hive_ml_feedback_open_reviews"]
    asked: Annotated[GaugeFamily, "neural_hive_ml_feedback_asked"]
    answered: Annotated[GaugeFamily, "neural_hive_ml_feedback_answered"]
    queue_depth: Annotated[GaugeFamily, "neural_hive_ml_queue_depth"]  # queue
    dependency_up: Annotated[GaugeFamily, "neural_hive_ml_dependency_up"]  # dependency


def guard_agents_metrics(
    derived: StateDerivedCollector | None = None, *, aliases: bool = True
) -> GuardAgentsMetrics:
    """Make the metrics of guard-agents; `derived` adds what the records in the store tell of drift and jobs."""
    families = Families("guard-agents", aliases=aliases, only={"route": (*labels.GUARD_ROUTES, "other")})
    if derived is not None:
        families.collector(derived, derived_names())
    return _build(GuardAgentsMetrics, families)


def orchestrator_metrics(*, aliases: bool = True) -> OrchestratorMetrics:
    """Make the metrics of orchestrator-dynamic."""
    families = Families(
        "orchestrator-dynamic", aliases=aliases, only={"route": (*labels.ORCHESTRATOR_ROUTES, "other")}
    )
    return _build(OrchestratorMetrics, families)


def approval_metrics(*, aliases: bool = True) -> ApprovalMetrics:
    """Make the metrics of approval-service."""
    return _build(ApprovalMetrics, Families("approval-service", aliases=aliases))


def _build(kind: type[E_], families: Families) -> E_:
    made: dict[str, object] = {"registry": families.registry}
    for attribute, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is Annotated:
            made[attribute] = families.make(hint.__metadata__[0], hint.__origin__)
    return kind(**made)  # type: ignore[arg-type] # the fields' own annotations say which family each one is
