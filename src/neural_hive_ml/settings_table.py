"""The table of settings: name, defaults of both profiles, meaning. docs/settings.md is generated from it.

`{data}` in a default is the data folder. `platform=None` means the same default in both profiles.
"""

from typing import Final

from neural_hive_ml.setting import ANY, COUNT, SHARE, TIME, WHOLE, Number, Setting

PLACES: Final = (
    Setting("HIVE_PROFILE", "embedded", "platform", "profile of defaults: embedded or platform"),
    Setting("HIVE_DATA_DIR", "{data}", None, "folder of the embedded stores and of the last known good models"),
    Setting(
        "LEDGER_ANCHOR_DIR",
        "{data}/ledger",
        None,
        "folder of the ledger's head file; on a volume that is not the store's, truncation shows",
    ),
)
STORES: Final = (
    Setting("MONGODB_URI", "", "mongodb://localhost:27017", "MongoDB of tickets and operational state"),
    Setting("MONGODB_DATABASE", "neural_hive", None, "MongoDB database"),
    Setting("CLICKHOUSE_HOST", "", "localhost", "ClickHouse host; empty: MongoDB or the embedded store serves"),
    Setting("CLICKHOUSE_PORT", "8123", None, "ClickHouse HTTP port", number=Number(1, 65535, whole=True)),
    Setting("CLICKHOUSE_USER", "default", None, "ClickHouse user"),
    Setting("CLICKHOUSE_PASSWORD", "", None, "ClickHouse password", secret=True),
    Setting("CLICKHOUSE_DATABASE", "neural_hive", None, "ClickHouse database"),
    Setting("CLICKHOUSE_SECURE", "false", None, "reach ClickHouse over TLS (port 8443)", flag=True),
    Setting(
        "CLICKHOUSE_CA_FILE",
        "",
        None,
        "certificates (PEM) that ClickHouse's own is checked by; empty: SSL_CERT_FILE, else the public ones",
    ),
    Setting(
        "CLICKHOUSE_RETENTION_DAYS",
        "540",
        None,
        "days ClickHouse keeps a ticket after its creation; 0: all",
        number=WHOLE,
    ),
    Setting("REDIS_URL", "", "redis://localhost:6379/0", "Redis of the feature cache and the streams"),
    Setting(
        "FEATURE_CACHE",
        "false",
        None,
        "keep feature rows in Redis: same question, same answer in all replicas",
        flag=True,
    ),
    Setting("FEATURE_CACHE_TTL_SECONDS", "300", None, "how long a cached feature row is used", number=TIME),
    Setting(
        "FEATURE_CACHE_TIMEOUT_MS", "20", None, "longest wait for the feature cache; late is missing", number=COUNT
    ),
)
STREAMS: Final = (
    Setting(
        "HIVE_STREAMS",
        "auto",
        None,
        "where streams are: auto, redis, kafka or off",
        one_of=("auto", "redis", "kafka", "off"),
    ),
    Setting(
        "HIVE_STATISTICS",
        "live",
        None,
        "live: each replica learns what it reads; shared: one writer for all replicas",
        one_of=("live", "shared"),
    ),
    Setting(
        "HIVE_STATISTICS_SECONDS", "10", None, "seconds between snapshots of the serving statistics", number=TIME
    ),
    Setting("KAFKA_BOOTSTRAP_SERVERS", "", None, "Kafka; set: auto takes it before Redis Streams"),
    Setting("KAFKA_CONSUMER_GROUP", "guard-agents", None, "consumer group, of Redis Streams too"),
    Setting("KAFKA_TICKETS_TOPIC", "execution.tickets", None, "topic or stream of ticket documents"),
    Setting("KAFKA_INCIDENTS_TOPIC", "security-incidents", None, "topic or stream of security incidents"),
    Setting(
        "KAFKA_ORCHESTRATION_INCIDENTS_TOPIC",
        "orchestration-incidents",
        None,
        "topic or stream of resource metrics",
    ),
    Setting("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT", None, "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
    Setting("KAFKA_SASL_MECHANISM", "SCRAM-SHA-256", None, "SASL mechanism"),
    Setting("KAFKA_SASL_USERNAME", "", None, "SASL user"),
    Setting("KAFKA_SASL_PASSWORD", "", None, "SASL password", secret=True),
    Setting("KAFKA_CA_FILE", "", None, "certificates (PEM) that Kafka's own is checked by; empty: the system's"),
    Setting("STORE_TIMEOUT_SECONDS", "5", None, "longest wait for a store to answer", number=TIME),
)
REGISTRY: Final = (
    Setting(
        "MLFLOW_TRACKING_URI",
        "sqlite:///{data}/mlflow.db",
        "http://localhost:5000",
        "MLflow tracking and registry",
    ),
    Setting("MLFLOW_TRACKING_USERNAME", "", None, "MLflow user, where its server asks for one"),
    Setting("MLFLOW_TRACKING_PASSWORD", "", None, "MLflow password", secret=True),
    Setting(
        "MLFLOW_TRACKING_SERVER_CERT_PATH",
        "",
        None,
        "certificates (PEM) that MLflow's own is checked by; empty: SSL_CERT_FILE, else the public ones",
    ),
    Setting("HIVE_SIGNING_KEY", "", None, "ed25519 private key (PEM) that signs artifacts", secret=True),
    Setting(
        "HIVE_VERIFY_KEYS",
        "",
        None,
        "ed25519 public keys (PEM, concatenated); set: unsigned artifacts are refused",
    ),
)
MODELS: Final = (
    Setting(
        "ANOMALY_DETECTOR_MODEL_TYPE",
        "isolation_forest",
        None,
        "detector that serves: isolation_forest, autoencoder, learned, auto",
        one_of=("isolation_forest", "autoencoder", "learned", "auto"),
    ),
    Setting(
        "SCHEDULING_MODEL_TYPE",
        "xgboost",
        None,
        "duration model that serves: xgboost, lightgbm, auto",
        one_of=("xgboost", "lightgbm", "auto"),
    ),
    Setting(
        "FLOOR_PROFILE",
        "guide",
        None,
        "floors of promotion: guide, or relative for tickets of another scale",
        one_of=("guide", "relative"),
    ),
    Setting(
        "ALLOW_SYNTHETIC_FALLBACK", "false", None, "allow models of synthetic tickets to be promoted", flag=True
    ),
    Setting("CALENDAR_TIMEZONE", "UTC", None, "IANA time zone of the calendar features", zone=True),
    Setting(
        "LOAD_HOLIDAYS_COUNTRY",
        "",
        None,
        "country (ISO code, as BR or US) whose holidays Prophet's load forecasts know; empty: none",
    ),
    Setting(
        "TRAINING_MOST_TICKETS",
        "250000",
        None,
        "newest tickets of a window that a training makes rows of; older ones teach statistics and load only",
        number=Number(1000, whole=True),
    ),
)
RETRAINING: Final = (
    Setting("DRIFT_THRESHOLD", "0.2", None, "drift_score above which drift retrains", number=ANY),
    Setting("DRIFT_CHECK_INTERVAL_MINUTES", "60", None, "minutes between drift checks", number=TIME),
    Setting(
        "DRIFT_WINDOW_HOURS", "24", None, "width of the window that a drift check looks at", number=Number(1, 168)
    ),
    Setting("RETRAINING_WINDOW_DAYS", "90", None, "data window of a drift-triggered retraining", number=COUNT),
    Setting(
        "RETRAINING_MEMORY_MIB",
        "0",
        None,
        "most memory of a job's process while it trains, in MiB; more fails that training; 0: the container's",
        number=ANY,
    ),
    Setting("RETRAINING_COOLDOWN_HOURS", "24", None, "least time between two retrainings of a model", number=ANY),
    Setting(
        "RETRAINING_WEEKLY_BUDGET", "3", None, "most automatic retrainings of a model in 7 days", number=WHOLE
    ),
)
ROLLOUT: Final = (
    Setting(
        "ROLLOUT_MODE",
        "auto",
        None,
        "how the retraining job's winners go live: direct, shadow first, or auto (shadow where services answer)",
        one_of=("direct", "shadow", "auto"),
    ),
    Setting(
        "ROLLOUT_SHADOW_HOURS", "24", None, "least time in shadow before a challenger is promoted", number=ANY
    ),
    Setting(
        "ROLLOUT_SHADOW_MOST_HOURS",
        "168",
        None,
        "time in shadow after which a challenger without an answer ends",
        number=TIME,
    ),
    Setting(
        "ROLLOUT_LEAST_PREDICTIONS",
        "200",
        None,
        "least predictions in shadow before promotion (forecasts: a tenth)",
        number=COUNT,
    ),
    Setting(
        "ROLLOUT_CHECK_MINUTES",
        "15",
        None,
        "minutes between looks at rollouts (hive-ml rollout check)",
        number=TIME,
    ),
    Setting(
        "ROLLOUT_WEBHOOK_URL",
        "",
        None,
        "webhook (Slack's JSON) told of promotions and rollbacks; empty: nobody is told",
        secret=True,
    ),
)
SERVICES: Final = (
    Setting("HIVE_HOST", "127.0.0.1", "0.0.0.0", "address the services listen on"),  # noqa: S104 - pods listen on all
    Setting(
        "HIVE_API_KEYS",
        "",
        None,
        "API keys: id:role+role:sha256-of-key, comma separated; empty: open on loopback only",
        secret=True,
    ),
    Setting(
        "HIVE_JWT_SECRETS",
        "",
        None,
        "secrets of HS256 tokens, at least 32 bytes each, comma separated",
        secret=True,
    ),
    Setting("HIVE_JWT_PUBLIC_KEYS", "", None, "RSA public keys (PEM, concatenated) of RS256 tokens"),
    Setting("HIVE_JWT_ISSUER", "", None, "issuer that tokens must name; empty: any"),
    Setting("HIVE_JWT_AUDIENCE", "", None, "audience that tokens must name; empty: any"),
    Setting("HIVE_RATE_LIMIT", "0", None, "requests a second that one key may send; 0: no limit", number=ANY),
    Setting("HIVE_REQUEST_SECONDS", "10", None, "longest time of a request, its body included", number=TIME),
    Setting(
        "HIVE_KEEP_ALIVE_SECONDS",
        "75",
        None,
        "seconds an unused connection stays open: longer than the load balancer's",
        number=COUNT,
    ),
    Setting(
        "HIVE_METRICS_PORT",
        "0",
        None,
        "port of health and metrics alone; 0: on the service's own port",
        number=Number(0, 65535, whole=True),
    ),
    Setting(
        "HIVE_MODEL_REFRESH_SECONDS",
        "30",
        None,
        "seconds between looks at the published model pointer",
        number=TIME,
    ),
    Setting("THREAT_RULES_FILE", "", None, "rules about platform events instead of the package's (YAML)"),
)
FEEDBACK: Final = (
    Setting(
        "PREDICTION_LOG",
        "true",
        None,
        "keep predictions in the state store, for feedback and live quality",
        flag=True,
    ),
    Setting(
        "LABEL_MATURITY_HOURS",
        "24",
        None,
        "age at which a prediction is judged by the labels that it has",
        number=ANY,
    ),
    Setting(
        "QUALITY_LEAST_LABELS", "20", None, "labels below which a live quality figure is unknown", number=COUNT
    ),
    Setting(
        "REVIEW_AUDIT_SHARE",
        "0.01",
        None,
        "random share of unflagged tickets put before a person, 0 to 1",
        number=SHARE,
    ),
)
RETENTION: Final = (
    Setting("PREDICTION_LOG_DAYS", "90", None, "days that predictions and threats are kept; 0: all", number=ANY),
    Setting("TICKET_RETENTION_DAYS", "540", None, "days a ticket is kept after its creation; 0: all", number=ANY),
    Setting("OUTCOME_RETENTION_DAYS", "540", None, "days outcomes and runs of jobs are kept; 0: all", number=ANY),
    Setting("QUARANTINE_RETENTION_DAYS", "90", None, "days refused documents are kept; 0: all", number=ANY),
    Setting(
        "DRIFT_RETENTION_DAYS",
        "0",
        None,
        "days drift checks and figures of live quality are kept; 0: all",
        number=ANY,
    ),
    Setting("RETRAINING_RETENTION_DAYS", "0", None, "days retraining events are kept; 0: all", number=ANY),
    Setting("VERDICT_RETENTION_DAYS", "0", None, "days human verdicts are kept; 0: all", number=ANY),
    Setting(
        "STREAM_RETENTION_DAYS",
        "7",
        None,
        "days Redis keeps messages that every group has done; 0: all",
        number=ANY,
    ),
    Setting(
        "DEAD_LETTER_RETENTION_DAYS",
        "90",
        None,
        "days Redis keeps what was given up, replayed or not; 0: all",
        number=ANY,
    ),
    Setting("BACKUP_DIR", "", None, "folder of the nightly backups of `hive-ml upkeep`; empty: none is taken"),
    Setting("BACKUP_KEEP", "7", None, "newest backups in BACKUP_DIR that are kept", number=COUNT),
    Setting("MODEL_RETENTION_LAST", "10", None, "newest versions of each model that are kept", number=COUNT),
    Setting("MODEL_RETENTION_DAYS", "7", None, "days every version of a model is kept", number=ANY),
    Setting(
        "DISK_BUDGET_GIB", "0", None, "most the data folder may hold before doctor warns; 0: no limit", number=ANY
    ),
)
OBSERVABILITY: Final = (
    Setting("HIVE_METRIC_ALIASES", "true", None, "also export the platform's older metric names", flag=True),
    Setting(
        "PROMETHEUS_URL",
        "http://localhost:9090",
        "http://prometheus:9090",
        "Prometheus that slo status and the console read",
    ),
    Setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        None,
        "OpenTelemetry collector (OTLP over HTTP) that gets the services' requests as spans; needs the otel extra",
    ),
    Setting("HIVE_LOG_LEVEL", "INFO", None, "lowest level logged"),
    Setting(
        "HIVE_LOG_FORMAT",
        "auto",
        "json",
        "auto (pretty on a terminal), json, or pretty",
        one_of=("auto", "json", "pretty"),
    ),
)

SECTIONS: Final[tuple[tuple[str, tuple[Setting, ...]], ...]] = (
    ("Where things are", PLACES),
    ("Stores (empty: files in the data folder)", STORES),
    ("Streams (the names are guard-agents' own)", STREAMS),
    ("Registry", REGISTRY),
    ("Models and training", MODELS),
    ("Drift and retraining", RETRAINING),
    ("Rollout", ROLLOUT),
    ("Services", SERVICES),
    ("Predictions, feedback and live quality", FEEDBACK),
    ("How long things are kept (by `hive-ml data prune`; 0: for ever)", RETENTION),
    ("Logs, metrics and traces", OBSERVABILITY),
)
TABLE: Final[tuple[Setting, ...]] = tuple(setting for _, section in SECTIONS for setting in section)
