"""Every name that other systems know us by, spelled once: models, aliases, collections, ports, labels.

Nothing here computes. Metric names live beside their help texts in `observability.catalogue`.
"""

from typing import Final, Literal

# Model families and the registered names of the guide.
Family = Literal["anomaly", "load", "scheduling"]
FAMILIES: Final[tuple[Family, ...]] = ("anomaly", "load", "scheduling")

LOAD_HORIZONS_MINUTES: Final = (60, 360, 1440)
ANOMALY_ALGORITHMS: Final = ("isolation_forest", "autoencoder", "learned")
SCHEDULING_ALGORITHMS: Final = ("xgboost", "lightgbm")
LOAD_ALGORITHMS: Final = ("prophet", "seasonal_mean", "ets", "mstl", "lags")
ALGORITHMS: Final[dict[Family, tuple[str, ...]]] = {
    "anomaly": ANOMALY_ALGORITHMS,
    "load": LOAD_ALGORITHMS,
    "scheduling": SCHEDULING_ALGORITHMS,
}
# The setting that names which algorithm serves, of families whose registered names carry it.
MODEL_TYPE_SETTINGS: Final[dict[Family, str]] = {
    "anomaly": "ANOMALY_DETECTOR_MODEL_TYPE",
    "scheduling": "SCHEDULING_MODEL_TYPE",
}


def anomaly_model_name(algorithm: str = "isolation_forest") -> str:
    """Return the registered name of an anomaly detector, e.g. ``anomaly-detector-isolation_forest``."""
    return f"anomaly-detector-{algorithm}"


def load_model_name(horizon_minutes: int) -> str:
    """Return the registered name of a load predictor, e.g. ``load-predictor-60m``."""
    return f"load-predictor-{horizon_minutes}m"


def scheduling_model_name(algorithm: str = "xgboost") -> str:
    """Return the registered name of a scheduling predictor, e.g. ``scheduling-predictor-xgboost``."""
    return f"scheduling-predictor-{algorithm}"


GUIDE_MODELS: Final = (
    anomaly_model_name(),
    *(load_model_name(minutes) for minutes in LOAD_HORIZONS_MINUTES),
    scheduling_model_name(),
)
# Every name that there is a trainer for: what may have a champion, and may serve where a setting says so.
MODELS: Final = (
    *(anomaly_model_name(algorithm) for algorithm in ANOMALY_ALGORITHMS),
    *(load_model_name(minutes) for minutes in LOAD_HORIZONS_MINUTES),
    *(scheduling_model_name(algorithm) for algorithm in SCHEDULING_ALGORITHMS),
)


def family_of(name: str) -> Family:
    """Return the family of a registered model name.

    >>> family_of("load-predictor-60m")
    'load'
    """
    return next(family for family in FAMILIES if name.startswith(family))


EXPERIMENT_PREFIX: Final = "neural-hive-ml-"

# Registry words. The alias is the truth, the stage follows it so that the guide's snippets work.
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"
STAGE_PRODUCTION: Final = "Production"
STAGE_ARCHIVED: Final = "Archived"

# Collections (MongoDB names of the platform; tables of the embedded store).
TICKETS: Final = "execution_tickets"
QUARANTINE: Final = "ticket_quarantine"
PREDICTIONS: Final = "model_predictions"
SHADOW_PREDICTIONS: Final = "shadow_predictions"
THREATS: Final = "threat_detections"
OUTCOMES: Final = "ticket_outcomes"
VERDICTS: Final = "human_verdicts"
DRIFT_RECORDS: Final = "drift_monitoring"
RETRAINING_EVENTS: Final = "ml_retraining_events"
FEATURE_BASELINES: Final = "ml_feature_baselines"
MODEL_QUALITY: Final = "model_quality"
JOB_RUNS: Final = "job_runs"
RETRAINING_CLAIMS: Final = "ml_retraining_claims"
RETRAINING_CONTROL: Final = "ml_retraining_control"
LEDGER: Final = "decision_ledger"
LEDGER_CHECKS: Final = "ledger_checks"
LEASES: Final = "leases"
ERASED_TICKETS: Final = "erased_tickets"
ALIAS_RECORDS: Final = "model_alias_records"
FAMILY_CHOICES: Final = "model_family_choices"
ROLLOUTS: Final = "ml_rollout_decisions"
ROLLOUT_CHECKS: Final = "ml_rollout_checks"
ANNOUNCEMENTS: Final = "ml_announcements"
# All that hold records of operational state: in MongoDB, each needs its indexes.
STATE_COLLECTIONS: Final = (
    QUARANTINE,
    PREDICTIONS,
    SHADOW_PREDICTIONS,
    THREATS,
    OUTCOMES,
    VERDICTS,
    DRIFT_RECORDS,
    RETRAINING_EVENTS,
    FEATURE_BASELINES,
    MODEL_QUALITY,
    JOB_RUNS,
    RETRAINING_CLAIMS,
    RETRAINING_CONTROL,
    LEDGER,
    LEDGER_CHECKS,
    ERASED_TICKETS,
    ALIAS_RECORDS,
    FAMILY_CHOICES,
    ROLLOUTS,
    ROLLOUT_CHECKS,
    ANNOUNCEMENTS,
)

# The ledger's chain that most decisions are in; a room with a high rate of events may have its own.
MAIN_CHAIN: Final = "decisions"

# Who acts on behalf of nobody. What anybody else decided, automation does not undo.
RETRAINING_ACTOR: Final = "retraining-policy"
ROLLOUT_ACTOR: Final = "rollout-policy"
TRAINING_ACTOR: Final = "training-job"
AUTOMATION: Final = frozenset({RETRAINING_ACTOR, ROLLOUT_ACTOR, TRAINING_ACTOR})

# The platform's role of administrators in its tokens; here it stands for every role.
ALL_ROLES_CLAIM: Final = "neural-hive-admin"

# One port table: nothing collides on one machine's `hive-ml up`.
PORTS: Final[dict[str, int]] = {
    "approval-service": 8000,
    "guard-agents": 8080,
    "orchestrator-dynamic": 8081,
    "console": 8090,
    "mlflow": 5000,
    "prometheus": 9090,
    "alertmanager": 9093,
    "guard-agents-metrics": 9101,
}

# What guard-agents leaves in Redis for the platform, under the platform's own keys, with its times to live.
THREAT_KEY: Final = "anomaly:{threat_type}:{epoch}"
THREAT_TTL_SECONDS: Final = 3_600
THRESHOLDS_KEY: Final = "adaptive_thresholds"
THRESHOLDS_TTL_SECONDS: Final = 86_400

# Anomaly types (compatibility.md 4.3) and threat types (6.2): closed label sets.
ANOMALY_TYPES: Final = (
    "duration_outlier",
    "timeout_risk",
    "excessive_retries",
    "resource_mismatch",
    "capability_anomaly",
    "qos_inconsistency",
    "burst",
    "unusual_time",
    "silent_failure",
    "unknown",
)
THREAT_TYPES: Final = (
    "unauthorized_access",
    "anomalous_behavior",
    "policy_violation",
    "resource_abuse",
    "data_exfiltration",
    "malicious_payload",
    "dos_attack",
)
SEVERITIES: Final = ("low", "medium", "high", "critical")

# Process exit codes of the training commands (see docs/cli.md).
EXIT_OK: Final = 0
EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_NOT_ENOUGH_DATA: Final = 3
EXIT_UNREACHABLE: Final = 4
EXIT_NOT_ALL_IN_PRODUCTION: Final = 5
