"""The metrics that services count while they answer: requests, verdicts, models held, tickets received."""

from typing import Final

from neural_hive_ml.conventions import CHALLENGER, CHAMPION, PREVIOUS, STAGE_ARCHIVED, STAGE_PRODUCTION
from neural_hive_ml.observability import labels as of
from neural_hive_ml.observability.metric_spec import Alias, Label, MetricSpec
from neural_hive_ml.observability.owners import ALL, GUARD, ORCHESTRATOR, PREDICTING

# The guide's objective is 0.1 s: buckets lie on it, around it and well below it.
LATENCY_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0)
REQUEST_BUCKETS: Final = (*LATENCY_BUCKETS, 2.5, 5.0)
SCORE_BUCKETS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

_VERSION: Final = Label("version", bounded_by="one live version a model and alias")
_DIGEST: Final = Label("digest", bounded_by="one live version a model and alias")

GUIDE: Final = (
    MetricSpec(
        "anomaly_detection_total",
        "counter",
        "Tickets and events judged by a detector, by its verdict.",
        GUARD,
        (of.MODEL_TYPE, of.IS_ANOMALY),
        aliases=(
            Alias("guard_agent_anomaly_detection_total", {"model_type": "model_type", "is_anomaly": "is_anomaly"}),
        ),
    ),
    MetricSpec(
        "anomaly_detection_latency_seconds",
        "histogram",
        "Time from a decoded ticket to its verdict, features included. The guide's quantile view is the recording "
        "rule of this name with the label quantile.",
        GUARD,
        (of.MODEL_TYPE,),
        "seconds",
        LATENCY_BUCKETS,
        aliases=(Alias("guard_agent_anomaly_detection_latency_seconds", {"model_type": "model_type"}),),
    ),
    MetricSpec(
        "model_drift_score",
        "gauge",
        "Drift score of the last check of a model; absent where no check has an answer.",
        GUARD,
        (of.MODEL,),
        aliases=(Alias("guard_agent_model_drift_score", {"model_name": "model_name"}),),
        derived=True,
    ),
    MetricSpec(
        "ml_retraining_events_total",
        "counter",
        "Retrainings on record, by model family and success.",
        GUARD,
        (of.FAMILY, of.SUCCESS),
        derived=True,
    ),
)

SERVING: Final = (
    MetricSpec(
        "neural_hive_ml_prediction_requests_total",
        "counter",
        "Requests and stream messages answered, by route and outcome. Availability counts server_error against ok "
        "and degraded; client_error counts for neither.",
        PREDICTING,
        (of.ROUTE, of.OUTCOME),
    ),
    MetricSpec(
        "neural_hive_ml_prediction_latency_seconds",
        "histogram",
        "Time from a request's or message's arrival to its answer.",
        PREDICTING,
        (of.ROUTE,),
        "seconds",
        REQUEST_BUCKETS,
    ),
    MetricSpec(
        "neural_hive_ml_anomaly_score",
        "histogram",
        "Anomaly scores given, in [0, 1].",
        GUARD,
        (of.MODEL_TYPE,),
        "ratio",
        SCORE_BUCKETS,
        aliases=(Alias("guard_agent_anomaly_score", {"model_type": "model_type"}),),
    ),
    MetricSpec(
        "neural_hive_ml_threats_total",
        "counter",
        "Threats found by rules and models.",
        GUARD,
        (of.THREAT, of.SEVERITY),
        aliases=(
            Alias("guard_agent_threat_detection_total", {"threat_type": "threat_type", "severity": "severity"}),
        ),
    ),
    MetricSpec(
        "neural_hive_ml_threat_detection_seconds",
        "histogram",
        "Time to judge one event, rules and model.",
        GUARD,
        (),
        "seconds",
        (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 15.0),
        aliases=(Alias("guard_agent_threat_detection_duration_seconds"),),
    ),
    MetricSpec(
        "neural_hive_ml_predictions_total",
        "counter",
        "Predictions the orchestrator made, by model family; fallback means that no model could answer.",
        ORCHESTRATOR,
        (of.FAMILY, Label("status", ("success", "fallback", "error"), "error")),
        aliases=(Alias("orchestration_ml_predictions_total", {"model_type": "model_type", "status": "status"}),),
    ),
    MetricSpec(
        "neural_hive_ml_model_seconds",
        "histogram",
        "Time inside the model, features included, by model family.",
        ORCHESTRATOR,
        (of.FAMILY,),
        "seconds",
        (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0),
        aliases=(Alias("orchestration_ml_prediction_duration_seconds", {"model_type": "model_type"}),),
    ),
    MetricSpec(
        "neural_hive_ml_anomalies_total",
        "counter",
        "Tickets the orchestrator marked anomalous while enriching, by type.",
        ORCHESTRATOR,
        (of.ANOMALY_TYPE,),
        aliases=(Alias("orchestration_ml_anomalies_detected_total", {"anomaly_type": "anomaly_type"}),),
    ),
    MetricSpec(
        "neural_hive_ml_forecasts_total",
        "counter",
        "Load forecasts answered, by where they came from.",
        ORCHESTRATOR,
        (of.MODEL, Label("source", ("cache", "stale", "computed"), "computed")),
        aliases=(
            Alias(
                "orchestration_ml_prediction_cache_hits_total", {"model_name": "model_name"}, {"source": "cache"}
            ),
        ),
    ),
    MetricSpec(
        "neural_hive_shadow_predictions_total",
        "counter",
        "Predictions of a challenger next to its champion, by whether their verdicts agree.",
        PREDICTING,
        (of.MODEL, Label("agreed", ("true", "false"), "false")),
    ),
    MetricSpec(
        "neural_hive_ml_shadow_lost_total",
        "counter",
        "Predictions that a challenger should have made and did not: dropped when the queue was full, or failed.",
        PREDICTING,
        (of.MODEL, Label("reason", ("dropped", "failed"), "failed")),
    ),
    MetricSpec(
        "neural_hive_ml_queue_depth", "gauge", "Items waiting in a bounded queue.", ALL, (of.QUEUE,), "items"
    ),
    MetricSpec(
        "neural_hive_ml_prediction_log_total",
        "counter",
        "Predictions logged for feedback, and those lost because the store did not keep up.",
        PREDICTING,
        (of.LOG_RESULT,),
    ),
    MetricSpec(
        "neural_hive_ml_cache_requests_total",
        "counter",
        "Look-ups in a cache, by result.",
        PREDICTING,
        (of.CACHE, of.CACHE_RESULT),
    ),
    MetricSpec(
        "neural_hive_ml_dependency_up",
        "gauge",
        "1 when the last use of a store or registry worked, 0 when it failed.",
        ALL,
        (of.DEPENDENCY,),
    ),
)

MODELS: Final = (
    MetricSpec(
        "neural_hive_ml_model_version",
        "gauge",
        "Version a service holds under an alias; absent where it holds none.",
        PREDICTING,
        (of.MODEL, of.ALIAS),
        aliases=(
            Alias(
                "guard_agent_ml_model_version",
                {"model_name": "model_name", "stage": "alias"},
                values={"stage": {CHAMPION: STAGE_PRODUCTION, CHALLENGER: "Staging", PREVIOUS: STAGE_ARCHIVED}},
            ),
        ),
    ),
    MetricSpec(
        "neural_hive_ml_model_info",
        "gauge",
        "1 for each model a service holds, with its version and artifact digest.",
        PREDICTING,
        (of.MODEL, of.ALIAS, _VERSION, _DIGEST),
    ),
    MetricSpec(
        "neural_hive_ml_model_trained_timestamp_seconds",
        "gauge",
        "End of the data the live model was trained on; age is time() minus this.",
        PREDICTING,
        (of.MODEL,),
        "seconds",
    ),
    MetricSpec(
        "neural_hive_ml_model_source_contact_timestamp_seconds",
        "gauge",
        "Last time the registry or pointer of the live models answered.",
        PREDICTING,
        (),
        "seconds",
    ),
    MetricSpec(
        "neural_hive_ml_model_load_errors_total",
        "counter",
        "Model versions that could not be loaded, by reason; all but unreachable and not_found were refused.",
        PREDICTING,
        (of.MODEL, of.LOAD_ERROR),
        aliases=(Alias("orchestration_ml_model_load_errors_total", {"model_name": "model_name"}),),
    ),
    MetricSpec(
        "neural_hive_ml_model_swaps_total",
        "counter",
        "Times a service put a new version in a model's slot.",
        PREDICTING,
        (of.MODEL,),
    ),
    MetricSpec(
        "neural_hive_ml_statistics_sequence",
        "gauge",
        "Number of the statistics snapshot that features are made from.",
        PREDICTING,
    ),
    MetricSpec(
        "neural_hive_ml_statistics_timestamp_seconds",
        "gauge",
        "Moment up to which the statistics snapshot knows the stream.",
        PREDICTING,
        (),
        "seconds",
    ),
)

INPUT: Final = (
    MetricSpec(
        "neural_hive_ml_tickets_received_total",
        "counter",
        "Tickets that reached a service, by acceptance.",
        PREDICTING,
        (Label("result", ("accepted", "invalid", "duplicate"), "invalid"),),
    ),
    MetricSpec(
        "neural_hive_ml_ticket_timestamp_seconds",
        "gauge",
        "Newest lifecycle event of any ticket seen.",
        PREDICTING,
        (),
        "seconds",
    ),
    MetricSpec(
        "neural_hive_ml_clock_ahead_seconds",
        "gauge",
        "How far the newest ticket's events lie in the future of this machine's clock; 0 when they do not.",
        PREDICTING,
        (),
        "seconds",
    ),
    MetricSpec(
        "neural_hive_ml_stream_lag_messages",
        "gauge",
        "Messages of a stream not yet committed by its consumer group; `tickets_statistics`: by the writer of the shared "
        "statistics.",
        PREDICTING,
        (of.STREAM,),
        "messages",
    ),
    MetricSpec(
        "neural_hive_ml_dead_letters_total",
        "counter",
        "Stream messages given up after their retries.",
        PREDICTING,
        (of.STREAM,),
    ),
    MetricSpec(
        "neural_hive_ml_quarantined_documents",
        "gauge",
        "Documents in quarantine, waiting for a person.",
        GUARD,
        derived=True,
        unit="documents",
    ),
)
