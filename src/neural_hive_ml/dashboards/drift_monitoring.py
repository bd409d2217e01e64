"""Drift Monitoring: do tickets still look like those the champions learned from, and what was done about it."""

from typing import Final

from neural_hive_ml.dashboards.panel import Dashboard, Mark, Panel, Query, Row, rising

_SCORE: Final = "max by (model_name) (model_drift_score)"
_FEATURES: Final = "max by (model_name, feature) (neural_hive_ml_feature_drift_score)"
# Asked at the end of the picture, so that the same features are shown all along it.
_STRONGEST: Final = (
    "topk(8, max by (model_name, feature) (max_over_time(neural_hive_ml_feature_drift_score[$__range] @ end())))"
)
_EVENTS: Final = "ml_retraining_events_total"
_MODEL: Final = "{{model_name}}"
_DRIFT: Final = rising((None, "green"), (0.1, "yellow"), (0.2, "red"))

_NOW: Final = Row(
    "Now",
    (
        Panel(
            "Drift", "stat", (Query("max by (model_name) (neural_hive_ml_drift_detected)", _MODEL),),
            "What the last check with an answer found: drift is a test with a stated rate of false alarms.", "none",
            8, 5, names=((0, "none", "green"), (1, "drift", "red")),
        ),
        Panel(
            "Drift score", "stat", (Query(_SCORE, _MODEL),),
            "Effect size of the last check. Retraining needs drift and a score above DRIFT_THRESHOLD (0.2).", "none",
            8, 5, _DRIFT, decimals=3,
        ),
        Panel(
            "Since the last check", "stat",
            (
                Query("time() - max(neural_hive_ml_drift_check_timestamp_seconds)", "last check"),
                Query("time() - min(max by (model_name) (neural_hive_ml_drift_answer_timestamp_seconds))",
                      "oldest answer"),
            ),
            "The job runs every six hours. An answer older than a check means that tickets were too few.", "seconds",
            8, 5, rising((None, "green"), (8 * 3600, "yellow"), (13 * 3600, "red")),
        ),
    ),
)  # fmt: skip

_DRIFT_ROW: Final = Row(
    "Drift",
    (
        Panel(
            "Drift score over time", "timeseries", (Query(_SCORE, _MODEL),),
            "The line at 0.2 is the default DRIFT_THRESHOLD.", "none", 12, 9, _DRIFT, least=0,
            guide="Drift score ao longo do tempo",
        ),
        Panel(
            "Features that drift most", "ranking", (Query(f"topk(12, {_FEATURES})", "{{model_name}}: {{feature}}"),),
            "Effect size of the last check by feature: the first place to look for a cause.", "none", 12, 9,
            rising((None, "green"), (0.1, "yellow"), (0.25, "red")), least=0, guide="Features com maior drift",
        ),
        Panel(
            "Feature drift over time", "timeseries",
            (Query(f"{_FEATURES} and {_STRONGEST}", "{{model_name}}: {{feature}}"),),
            "The eight that moved most in the time shown. Did one feature move, or all at once.", "none", 12, 9, least=0,
        ),
        Panel(
            "When drift was found", "timeline",
            (Query("max by (model_name) (neural_hive_ml_drift_detected)", _MODEL),),
            "Each model's verdicts, check by check.", "none", 8, 9,
            names=((0, "none", "green"), (1, "drift", "red")),
        ),
        Panel(
            "Checks on record", "stat",
            (
                Query("max by (drift_detected) (neural_hive_ml_drift_checks_total)", "drift {{drift_detected}}"),
            ),
            "How many checks found drift, and how many did not, since records began.", "count", 4, 9,
        ),
    ),
)  # fmt: skip

_RETRAINING: Final = Row(
    "Retraining",
    (
        Panel(
            "Retraining history", "bars",
            (
                Query(
                    f'round(max by (model_type) (increase({_EVENTS}{{success="true"}}[$__rate_interval]))) > 0',
                    "{{model_type}} done",
                ),
                Query(
                    f'round(max by (model_type) (increase({_EVENTS}{{success="false"}}[$__rate_interval]))) > 0',
                    "{{model_type}} failed",
                ),
            ),
            "Each retraining on record; `hive-ml explain` tells why.", "count", 12, least=0,
            guide="Historico de retreinamentos",
        ),
        Panel(
            "Retrainings by trigger", "table",
            (Query("max by (model_type, trigger, success) (neural_hive_ml_retrainings_total) > 0"),),
            "Since records began.", "count", 6,
            columns=(("model_type", "models"), ("trigger", "trigger"), ("success", "succeeded"),
                     ("Value", "times")),
        ),
        Panel(
            "Since the last success", "ranking",
            (
                Query(
                    "time() - max by (model_type) (neural_hive_ml_retraining_timestamp_seconds)", "{{model_type}}"
                ),
            ),
            "Time since a retraining of each family succeeded.", "seconds", 6, least=0,
        ),
    ),
)  # fmt: skip

_JOBS: Final = Row(
    "Jobs",
    (
        Panel(
            "Runs by outcome", "table",
            (Query("max by (job_name, outcome) (neural_hive_ml_job_runs_total) > 0"),),
            "Since records began.", "count", 8,
            columns=(("job_name", "job"), ("outcome", "outcome"), ("Value", "runs")),
        ),
        Panel(
            "Since the last run", "ranking",
            (
                Query("time() - max by (job_name) (neural_hive_ml_job_run_timestamp_seconds)", "{{job_name}} ran"),
                Query(
                    "time() - max by (job_name) (neural_hive_ml_job_success_timestamp_seconds)",
                    "{{job_name}} succeeded",
                ),
            ),
            "The drift check runs every 6 hours, training on Sundays.", "seconds", 8, least=0,
        ),
        Panel(
            "Duration of the last run", "timeseries",
            (Query("max by (job_name) (neural_hive_ml_job_duration_seconds)", "{{job_name}}"),),
            "The drift job is stopped after two hours, training after four.", "seconds", 8, least=0,
        ),
    ),
)  # fmt: skip

_LEDGER: Final = Row(
    "Ledger",
    (
        Panel(
            "Ledger", "stat",
            (
                Query(
                    '2 * max(neural_hive_ml_ledger_standing{standing="broken"}) '
                    '+ max(neural_hive_ml_ledger_standing{standing=~"unanchored|unknown"})',
                    "decisions",
                ),
            ),
            "What the last verification found. Unanchored: it fits together, and nothing outside the store says that it "
            "is whole. No value: never verified.", "none", 8, 5,
            names=((0, "intact", "green"), (1, "unanchored", "yellow"), (2, "broken", "red")),
        ),
        Panel(
            "Decisions verified", "stat", (Query("max(neural_hive_ml_ledger_events)", "decisions"),),
            "How many the last verification walked over; it never falls.", "count", 8, 5,
        ),
        Panel(
            "Since the ledger was verified", "stat",
            (Query("time() - max(neural_hive_ml_ledger_verification_timestamp_seconds)", "last verification"),),
            "It runs every hour; older than three, what is shown here means nothing.", "seconds", 8, 5,
            rising((None, "green"), (2 * 3600, "yellow"), (3 * 3600, "red")),
        ),
    ),
)  # fmt: skip

DRIFT_MONITORING: Final = Dashboard(
    "drift-monitoring",
    "drift-monitoring",
    "Drift Monitoring",
    "Whether tickets still look like those the champions learned from, feature by feature, and what was done.",
    (_NOW, _DRIFT_ROW, _RETRAINING, _JOBS, _LEDGER),
    (
        Mark(
            "Retrained",
            f'max by (model_type) (increase({_EVENTS}{{success="true"}}[5m])) > 0',
            "{{model_type}}",
            "green",
        ),
    ),
    "7d",
)
