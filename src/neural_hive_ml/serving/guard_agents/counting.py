"""What an answer adds to the metrics, whichever way the ticket came."""

from neural_hive_ml.observability.metrics import GuardAgentsMetrics
from neural_hive_ml.serving.guard_agents.scoring import TicketAnswer


def count_answer(metrics: GuardAgentsMetrics, answer: TicketAnswer) -> None:
    """Count one answer once: by verdict, its time inside the model, its score."""
    metrics.detections.inc(answer.model_type, "true" if answer.is_anomaly else "false")
    metrics.detection_seconds.observe(answer.latency_ms / 1000, answer.model_type)
    if answer.anomaly_score is not None:
        metrics.anomaly_score.observe(answer.anomaly_score, answer.model_type)
