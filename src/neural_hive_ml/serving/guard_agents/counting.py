"""What an answer adds to the metrics, whichever way the ticket came."""

import structlog

from neural_hive_ml.observability.metrics import GuardAgentsMetrics
from neural_hive_ml.serving.guard_agents.scoring import TicketAnswer
from neural_hive_ml.serving.guard_agents.threats import ThreatAnswer

log = structlog.get_logger("serving")


def count_answer(metrics: GuardAgentsMetrics, answer: TicketAnswer) -> None:
    """Count one answer once: by verdict, its time inside the model, its score."""
    metrics.detections.inc(answer.model_type, "true" if answer.is_anomaly else "false")
    metrics.detection_seconds.observe(answer.latency_ms / 1000, answer.model_type)
    if answer.anomaly_score is not None:
        metrics.anomaly_score.observe(answer.anomaly_score, answer.model_type)


def count_threat(metrics: GuardAgentsMetrics, answer: ThreatAnswer) -> None:
    """Count one answer about an event: its time, and what it found; a threat is logged, without its payload."""
    metrics.threat_seconds.observe(answer.details["inference_latency_ms"] / 1000)
    if answer.is_threat:
        metrics.threats.inc(str(answer.threat_type), str(answer.severity))
        log.warning(
            "guard_agent.threat_detected",
            threat_type=answer.threat_type,
            severity=answer.severity,
            confidence=answer.confidence,
            rule=answer.details["rule"],
            event_id=answer.event_id,
        )
