"""Rows about the models themselves: how good they are live, which versions serve, how old they are."""

from typing import Final

from neural_hive_ml.dashboards.panel import Panel, Query, Row, rising

_MODEL: Final = "{{model_name}}"

LOAD: Final = Row(
    "Forecasts and durations",
    (
        Panel(
            "MAPE of load forecasts", "timeseries",
            (
                Query(
                    'max by (model_name) (neural_hive_ml_model_quality{model_name=~"load-.+", metric="mape"})',
                    _MODEL,
                ),
            ),
            "Live, from forecasts joined with the load that came. Floors of promotion: 20 % (60m), 25 % (360m), "
            "30 % (1440m). MAPE breaks on empty hours: read it with the scaled error.", "share", 8,
            steps=rising((None, "green"), (0.2, "yellow"), (0.3, "red")), least=0,
            guide="MAPE de predicoes de carga",
        ),
        Panel(
            "Scaled error of load forecasts", "timeseries",
            (
                Query(
                    'max by (model_name) (neural_hive_ml_model_quality{model_name=~"load-.+", metric="mase"})',
                    _MODEL,
                ),
            ),
            "Below 1 the forecast beats the same hour of last week.", "none", 8,
            steps=rising((None, "green"), (1, "yellow"), (1.5, "red")), least=0,
        ),
        Panel(
            "Duration error", "timeseries",
            (Query('max by (model_name) (neural_hive_ml_model_quality{metric="mae_ms"})', _MODEL),),
            "Mean absolute error of live duration predictions; the floor of promotion is 5000 ms.", "milliseconds",
            8, steps=rising((None, "green"), (5000, "red")), least=0,
        ),
        Panel(
            "Intervals that held", "timeseries",
            (Query('max by (model_name) (neural_hive_ml_model_quality{metric="coverage"})', _MODEL),),
            "Share of outcomes inside the interval that was predicted.", "share", 8, least=0, most=1,
        ),
        Panel(
            "Forecasts by source", "timeseries",
            (
                Query(
                    "sum by (source) (rate(neural_hive_ml_forecasts_total[$__rate_interval]))", "{{source}}"
                ),
            ),
            "Stale forecasts are answered while the model or store is away.", "per_second", 8, stacked=True,
        ),
        Panel(
            "Predictions by status", "timeseries",
            (
                Query(
                    "sum by (model_type, status) (rate(neural_hive_ml_predictions_total[$__rate_interval]))",
                    "{{model_type}} {{status}}",
                ),
            ),
            "Fallback means that no model could answer.", "per_second", 8, stacked=True,
        ),
    ),
)  # fmt: skip

QUALITY: Final = Row(
    "Live quality",
    (
        Panel(
            "F1, precision, recall", "timeseries",
            (
                Query("max by (model_name) (neural_hive_mlflow_model_f1)", "{{model_name}} F1"),
                Query("max by (model_name) (neural_hive_mlflow_model_precision)", "{{model_name}} precision"),
                Query("max by (model_name) (neural_hive_mlflow_model_recall)", "{{model_name}} recall"),
            ),
            "Of the anomaly class, from predictions joined with matured labels, weighted by the probability of "
            "review.", "share", 12, least=0, most=1,
        ),
        Panel(
            "Labels behind it", "timeseries",
            (
                Query("max by (model_name, metric) (neural_hive_ml_figure_labels)", "{{model_name}} {{metric}}"),
                Query("max by (model_name) (neural_hive_ml_labels_overdue)", "{{model_name}} overdue"),
            ),
            "Quality rests on the labels that arrived; overdue ones are those it does not know.", "count", 8, least=0,
        ),
        Panel(
            "Quality known", "stat", (Query("max by (model_name) (neural_hive_ml_quality_known)", _MODEL),),
            "Whether there are enough labels to say how good a model is.", "none", 4,
            names=((0, "unknown", "yellow"), (1, "known", "green")),
        ),
    ),
)  # fmt: skip

VERSIONS: Final = Row(
    "Models that serve",
    (
        Panel(
            "Active model versions", "table",
            (
                Query(
                    "max by (model_name, alias, version, digest, job) (neural_hive_ml_model_info)",
                ),
            ),
            "Each model that a service holds, its version and the digest of its artifact.", "none", 12,
            columns=(
                ("job", "service"), ("model_name", "model"), ("alias", "alias"), ("version", "version"),
                ("digest", "digest"),
            ), guide="Versoes de modelos ativos",
        ),
        Panel(
            "Champions over time", "timeline",
            (Query('max by (model_name) (neural_hive_ml_model_version{alias="champion"})', _MODEL),),
            "When a promotion or rollback reached the services.", "none", 12,
        ),
        Panel(
            "Age of the models' data", "ranking",
            (
                Query(
                    "time() - max by (model_name) (neural_hive_ml_model_trained_timestamp_seconds)", _MODEL
                ),
            ),
            "Time since the newest ticket that a champion learned from. Training runs every week.", "seconds", 8,
            steps=rising((None, "green"), (14 * 86400, "yellow"), (21 * 86400, "red")), least=0,
        ),
        Panel(
            "Loads", "timeseries",
            (
                Query(
                    "sum by (model_name) (increase(neural_hive_ml_model_swaps_total[$__rate_interval]))",
                    "{{model_name}} loaded",
                ),
                Query(
                    "sum by (model_name, reason) "
                    "(increase(neural_hive_ml_model_load_errors_total[$__rate_interval])) > 0",
                    "{{model_name}} failed: {{reason}}",
                ),
            ),
            "Versions that services took, and those they refused.", "count", 8, least=0,
        ),
        Panel(
            "Challenger against champion", "timeseries",
            (
                Query(
                    'sum by (model_name) (rate(neural_hive_shadow_predictions_total{agreed="true"}'
                    "[$__rate_interval])) / (sum by (model_name) "
                    "(rate(neural_hive_shadow_predictions_total[$__rate_interval])) > 0)", _MODEL
                ),
            ),
            "Share of shadow predictions in which both say the same.", "share", 8, least=0, most=1,
        ),
        Panel(
            "Shadow predictions lost", "timeseries",
            (
                Query(
                    "sum by (model_name, reason) (rate(neural_hive_ml_shadow_lost_total[$__rate_interval]))",
                    "{{model_name}}: {{reason}}",
                ),
            ),
            "What a challenger should have said and did not: a failing one is aborted.", "per_second", 8, least=0,
        ),
        Panel(
            "Rollout decisions", "timeseries",
            (
                Query(
                    "max by (model_name, action) (neural_hive_ml_rollout_decisions_total)",
                    "{{model_name}}: {{action}}",
                ),
            ),
            "Promotions, aborts and rollbacks that automation carried out; the ledger has the reasons.", "count", 8,
            least=0,
        ),
        Panel(
            "Announcements", "timeseries", (Query("max by (result) (neural_hive_ml_announcements)", "{{result}}"),),
            "Promotions and rollbacks told to people, waiting, or failed: those reached nobody.", "count", 8, least=0,
        ),
    ),
)  # fmt: skip
