"""The closed label sets of all metrics. A value outside its set is counted under `other` (or `unknown`)."""

from typing import Final

from neural_hive_ml.conventions import (
    ANOMALY_ALGORITHMS,
    ANOMALY_TYPES,
    CHALLENGER,
    CHAMPION,
    FAMILIES,
    MODELS,
    PREVIOUS,
    SEVERITIES,
    THREAT_TYPES,
)
from neural_hive_ml.observability.metric_spec import Label

# The routes and streams that answer predictions; every service owns its own.
GUARD_ROUTES: Final = (
    "tickets_score",
    "tickets_score_batch",
    "events",
    "ticket_stream",
    "event_stream",
    "rows_score",
)
ORCHESTRATOR_ROUTES: Final = (
    "predict_duration",
    "predict_duration_batch",
    "load_forecast",
    "enrich",
    "enrich_stream",
)
APPROVAL_ROUTES: Final = ("feedback", "reviews", "approvals")
PREDICTION_ROUTES: Final = (*GUARD_ROUTES, *ORCHESTRATOR_ROUTES, "other")

ROUTE: Final = Label("route", PREDICTION_ROUTES)
FEEDBACK_ROUTE: Final = Label("route", (*APPROVAL_ROUTES, "other"))
OUTCOME: Final = Label("outcome", ("ok", "degraded", "client_error", "server_error"), "server_error")
MODEL: Final = Label("model_name", (*MODELS, "other"))
MODEL_TYPE: Final = Label("model_type", (*ANOMALY_ALGORITHMS, "rules", "other"))
FAMILY: Final = Label("model_type", (*FAMILIES, "other"))
ALIAS: Final = Label("alias", (CHAMPION, CHALLENGER, PREVIOUS, "other"))
IS_ANOMALY: Final = Label("is_anomaly", ("true", "false"), "false")
SUCCESS: Final = Label("success", ("true", "false"), "false")
ANOMALY_TYPE: Final = Label("anomaly_type", ANOMALY_TYPES, "unknown")
THREAT: Final = Label("threat_type", (*THREAT_TYPES, "other"))
SEVERITY: Final = Label("severity", (*SEVERITIES, "unknown"), "unknown")
LOAD_ERROR: Final = Label(
    "reason", ("unreachable", "not_found", "digest", "signature", "golden_rows", "format", "feature_set", "other")
)
VERDICT: Final = Label("verdict", ("anomaly", "normal", "unsure"), "unsure")
REVIEW_REASON: Final = Label("reason", ("flagged", "audit", "unsolicited"), "unsolicited")
CACHE: Final = Label("cache", ("features", "forecast", "statistics", "results", "other"))
CACHE_RESULT: Final = Label("result", ("hit", "miss", "stale", "error"), "error")
LOG_RESULT: Final = Label("result", ("written", "dropped"), "dropped")
QUEUE: Final = Label("queue", ("prediction_log", "tickets", "events", "shadow", "other"))
STREAM: Final = Label("stream", ("tickets", "tickets_statistics", "events", "resource_events", "other"))
TRIGGER: Final = Label("trigger", ("drift", "live_quality", "age", "new_labels", "schedule", "manual", "other"))
JOB: Final = Label("job_name", ("drift", "training", "feedback", "other"))
ROLLOUT_ACTION: Final = Label("action", ("promote", "abort", "rollback", "failed", "other"))
ANNOUNCED: Final = Label("result", ("sent", "failed", "unsent", "pending"), "failed")
JOB_OUTCOME: Final = Label("outcome", ("succeeded", "failed", "nothing_to_do"), "failed")
LEDGER_STANDING: Final = Label("standing", ("intact", "unanchored", "broken", "unknown"), "unknown")
DEPENDENCY: Final = Label("dependency", ("state", "tickets", "redis", "registry", "other"))
QUALITY_METRIC: Final = Label(
    "metric", ("f1", "precision", "recall", "mape", "wape", "mase", "mae_ms", "pinball_ms", "coverage", "other")
)
DRIFT_DETECTED: Final = Label("drift_detected", ("true", "false"), "false")
