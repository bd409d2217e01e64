"""Alerts on the models: drift, live quality, versions that were refused, models that grow old or differ."""

from typing import Final

from neural_hive_ml.slo.rule import Alert, Group

DRIFT_DASHBOARD: Final = "drift-monitoring/drift-monitoring"
MODELS_DASHBOARD: Final = "predictive-models/predictive-models"

_SCORE: Final = "max by (model_name) (model_drift_score)"
_DETECTED: Final = "max by (model_name) (neural_hive_ml_drift_detected)"
_MODEL: Final = "{{ $labels.model_name }}"

DRIFT: Final = (
    Alert(
        "MLDriftWarning",
        f"{_DETECTED} == 1",
        "30m",
        "warning",
        f"{_MODEL} meets data unlike those it was trained on",
        f"The last drift check of {_MODEL} found drift beyond what chance explains.",
        "predictions may be worse than the model's evaluation said",
        "look at which features drift, and whether the retraining policy has acted",
        dashboard=DRIFT_DASHBOARD,
    ),
    Alert(
        "MLDriftCritical",
        f"({_SCORE} > 0.5) and {_DETECTED} == 1",
        "10m",
        "critical",
        f"{_MODEL} meets very different data",
        f'Drift score {{{{ $value | printf "%.2f" }}}} of {_MODEL}: retraining starts above DRIFT_THRESHOLD '
        "(0.2 by default), this is far above.",
        "predictions of this model should not be trusted before someone has looked",
        "compare the drifting features with what changed on the platform, then retrain or roll back",
        dashboard=DRIFT_DASHBOARD,
    ),
    Alert(
        "MLFeatureDriftHigh",
        "max by (model_name, feature) (neural_hive_ml_feature_drift_score) > 0.25 "
        f"and on (model_name) {_DETECTED} == 1",
        "15m",
        "warning",
        f"Feature {{{{ $labels.feature }}}} of {_MODEL} has moved",
        f'Effect size {{{{ $value | printf "%.2f" }}}} of feature {{{{ $labels.feature }}}} of {_MODEL}.',
        "this feature is the first place to look for the cause of the drift",
        "look at how the tickets' field behind the feature changed",
        dashboard=DRIFT_DASHBOARD,
    ),
    Alert(
        "MLDriftUnknown",
        "time() - max by (model_name) (neural_hive_ml_drift_answer_timestamp_seconds) > $24h_s "
        "and on (model_name) time() - max by (model_name) (neural_hive_ml_drift_check_timestamp_seconds) < $24h_s",
        "1h",
        "warning",
        f"Drift of {_MODEL} has not been known for a day",
        f"Checks of {_MODEL} run, but none had enough data for an answer in 24 hours.",
        "drift of this model would not be seen",
        "look at how many tickets arrive, or widen DRIFT_WINDOW_HOURS",
        dashboard=DRIFT_DASHBOARD,
    ),
    Alert(
        "NoRetrainWithDrift",
        "count by (model_type) (label_replace(min_over_time(neural_hive_ml_drift_detected[$3d]) == 1, "
        '"model_type", "$1", "model_name", "(anomaly|load|scheduling).*")) unless on (model_type) '
        'max by (model_type) (increase(ml_retraining_events_total{success="true"}[$3d])) > 0',
        "1h",
        "warning",
        "Drift of {{ $labels.model_type }} for three days, and no retraining succeeded",
        "The retraining policy was held back (cooldown, weekly budget, too few labels), or retraining fails.",
        "the live model grows worse and nothing is done about it",
        "hive-ml explain says what the policy decided and why; retrain by hand if it should have",
        dashboard=DRIFT_DASHBOARD,
    ),
)

QUALITY: Final = (
    Alert(
        "MLModelLowF1Score",
        "max by (model_name) (neural_hive_mlflow_model_f1) < 0.65",
        "1h",
        "warning",
        f"Live F1 of {_MODEL} is below the floor of promotion",
        f"Live F1 of {_MODEL} is {{{{ $value | humanizePercentage }}}}; no model below 65 % would be promoted.",
        "this model would not be promoted today",
        "compare with the previous version; roll back if that was better",
        dashboard=MODELS_DASHBOARD,
    ),
    Alert(
        "MLLoadForecastInaccurate",
        'max by (model_name) (neural_hive_ml_model_quality{model_name=~"load-.+", metric="mase"}) > 1.5',
        "6h",
        "warning",
        f"{_MODEL} forecasts worse than last week's curve",
        f'The scaled error of {_MODEL} is {{{{ $value | printf "%.2f" }}}}; the same hour last week would be 1.',
        "capacity is planned on a forecast that a plain look at last week beats",
        "look at the forecast against the actual load, then retrain",
        dashboard=MODELS_DASHBOARD,
    ),
    Alert(
        "MLLabelsLate",
        "max by (model_name) (neural_hive_ml_labels_overdue) > 50 and on (model_name) "
        "max by (model_name) (neural_hive_ml_labels_overdue) "
        "> max by (model_name) (neural_hive_ml_quality_labels)",
        "6h",
        "warning",
        f"Outcomes of most predictions of {_MODEL} are overdue",
        f'{{{{ $value | printf "%.0f" }}}} matured predictions of {_MODEL} have neither outcome nor verdict.',
        "live quality rests on the few labels that did arrive",
        "look whether finished tickets still reach the store, and at the review queue",
        component="feedback-loop",
    ),
)

VERSIONS: Final = (
    Alert(
        "MLModelNotLoaded",
        'absent(neural_hive_ml_model_version{alias="champion", model_name=~"anomaly-detector-.+"}) '
        "and on () max(neural_hive_ml_prediction_requests_total >= bool 0) == 1",
        "5m",
        "critical",
        "guard-agents runs without an anomaly model",
        "No replica holds a champion: answers come from rules alone, and say so.",
        "anomalies that no rule names are not found",
        "hive-ml models list; promote a version, or look why loading fails",
        dashboard=MODELS_DASHBOARD,
    ),
    Alert(
        "MLModelArtifactRefused",
        "sum by (model_name) (increase(neural_hive_ml_model_load_errors_total"
        '{reason=~"digest|signature"}[$1h])) > 0',
        "0s",
        "critical",
        f"An artifact of {_MODEL} is not what was registered",
        f"A published version of {_MODEL} failed its digest or signature; the old version serves on.",
        "someone or something changed a model's files",
        "treat it as tampering until the cause is known: hive-ml models verify",
        dashboard=MODELS_DASHBOARD,
    ),
    Alert(
        "MLModelLoadFailing",
        "sum by (model_name, reason) (increase(neural_hive_ml_model_load_errors_total"
        '{reason!~"digest|signature"}[$15m])) > 0',
        "10m",
        "warning",
        f"A version of {_MODEL} cannot be loaded: {{{{ $labels.reason }}}}",
        f"Services keep the version they have; the published one of {_MODEL} fails ({{{{ $labels.reason }}}}).",
        "the newest version does not serve",
        'look for "Failed to load model from MLflow" in the log of guard-agents and orchestrator-dynamic',
        dashboard=MODELS_DASHBOARD,
    ),
    Alert(
        "MLModelVersionsDiffer",
        'max by (model_name) (neural_hive_ml_model_version{alias="champion"}) '
        '!= min by (model_name) (neural_hive_ml_model_version{alias="champion"})',
        "15m",
        "warning",
        f"Replicas hold different versions of {_MODEL}",
        f"The newest held version of {_MODEL} is {{{{ $value }}}}; some replica has held another for 15 minutes.",
        "the answer to a ticket depends on the pod it meets",
        "look which pod stayed behind, and why it cannot load",
        dashboard=MODELS_DASHBOARD,
    ),
    Alert(
        "MLModelStale",
        "time() - max by (model_name) (neural_hive_ml_model_trained_timestamp_seconds) > $21d_s",
        "1h",
        "warning",
        f"{_MODEL} has not been renewed for three weeks",
        "Its data end {{ $value | humanizeDuration }} ago; training runs every week.",
        "the model knows nothing of the last weeks",
        "look at the weekly training: did it run, and why was no candidate promoted",
        dashboard=MODELS_DASHBOARD,
    ),
)

MODEL_GROUPS: Final = (
    Group("ml_drift", "1m", DRIFT),
    Group("ml_quality", "1m", QUALITY),
    Group("ml_versions", "30s", VERSIONS),
)
