"""Predictive Models Dashboard: all models at a glance - how fast, how good, how many anomalies, which versions."""

from typing import Final

from neural_hive_ml.dashboards.model_rows import LOAD, QUALITY, VERSIONS
from neural_hive_ml.dashboards.panel import Dashboard, Mark, Panel, Query, Row, rising
from neural_hive_ml.dashboards.serving_rows import INPUT, SERVICES

_REQUESTS: Final = "neural_hive_ml_prediction_requests_total"
_LATENCY: Final = "neural_hive_ml_prediction_latency_seconds_bucket"
_VERDICTS: Final = "anomaly_detection_total"
SPEED: Final = rising((None, "green"), (0.08, "yellow"), (0.1, "red"))
GOOD: Final = rising((None, "red"), (0.65, "yellow"), (0.75, "green"))


def quantile(q: float, by: str = "") -> str:
    """Return a latency quantile of all prediction requests over the picture's rate window."""
    return f"histogram_quantile({q}, sum by (le{by}) (rate({_LATENCY}[$__rate_interval])))"


_NOW: Final = Row(
    "Now",
    (
        Panel(
            "Predictions per second", "stat", (Query("neural_hive:slo:ml_evaluation_rps_total:5m"),),
            "Requests and stream messages answered by all services.", "per_second", 4, 5,
        ),
        Panel(
            "Latency P95", "stat", (Query("neural_hive:slo:ml_latency_p95_total:5m"),),
            "From a request's arrival to its answer, all routes. The objective is below 100 ms.", "seconds", 4, 5,
            SPEED,
        ),
        Panel(
            "Flagged", "stat",
            (Query(f'sum(increase({_VERDICTS}{{is_anomaly="true"}}[1h])) / (sum(increase({_VERDICTS}[1h])) > 0)'),),
            "Share of the last hour's tickets and events that a detector flagged.", "share", 4, 5,
        ),
        Panel(
            "Answers that failed", "stat",
            (
                Query(
                    f'sum(increase({_REQUESTS}{{outcome="server_error"}}[1h])) '
                    f'/ (sum(increase({_REQUESTS}{{outcome!="client_error"}}[1h])) > 0)'
                ),
            ),
            "Share of the last hour's requests that failed by our fault.", "share", 4, 5,
            rising((None, "green"), (0.005, "red")),
        ),
        Panel(
            "Live F1", "stat", (Query("neural_hive:slo:ml_f1_score:7d"),),
            "Of the anomaly class, over labels of seven days. No figure: too few labels, not zero.", "share", 4, 5,
            GOOD,
        ),
        Panel(
            "Services up", "stat",
            (Query('min by (job) (up{job=~"guard-agents|orchestrator-dynamic|approval-service"})', "{{job}}"),),
            "Whether Prometheus reaches every replica.", "none", 4, 5,
            names=((0, "down", "red"), (1, "up", "green")),
        ),
    ),
)  # fmt: skip

_SPEED: Final = Row(
    "Latency",
    (
        Panel(
            "Latency P50 / P95 / P99", "timeseries",
            (Query(quantile(0.5), "P50"), Query(quantile(0.95), "P95"), Query(quantile(0.99), "P99")),
            "All prediction requests of guard-agents and orchestrator-dynamic.", "seconds", 8,
            steps=SPEED, least=0, guide="Latencia P50/P95/P99",
        ),
        Panel(
            "Latency P95 and P99 by route", "timeseries",
            (
                Query("neural_hive:slo:ml_latency_p95:5m", "{{route}} P95"),
                Query("neural_hive:slo:ml_latency_p99:5m", "{{route}} P99"),
            ),
            "Which route is slow.", "seconds", 8, steps=SPEED, least=0,
        ),
        Panel(
            "Detector alone", "timeseries",
            (
                Query('anomaly_detection_latency_seconds{quantile=~".+"}', "{{model_type}} P{{quantile}}"),
                Query(
                    "histogram_quantile(0.95, sum by (le) "
                    "(rate(neural_hive_ml_threat_detection_seconds_bucket[$__rate_interval])))",
                    "event, rules and model P0.95",
                ),
            ),
            "From a decoded ticket to its verdict, features included: what is slow here is the model, what is slow "
            "only in the panels before is the way to it.", "seconds", 8, least=0,
        ),
        Panel(
            "Inside the orchestrator's models", "timeseries",
            (
                Query(
                    "histogram_quantile(0.95, sum by (le, model_type) "
                    "(rate(neural_hive_ml_model_seconds_bucket[$__rate_interval])))", "{{model_type}} P95"
                ),
            ),
            "Time in duration, load and anomaly models while tickets are enriched.", "seconds", 8, least=0,
        ),
        Panel(
            "Requests by duration", "heatmap",
            (Query(f"sum by (le) (increase({_LATENCY}[$__rate_interval]))", "{{le}}"),),
            "How requests spread over the histogram's buckets; the objective's edge is 0.1 s.", "seconds", 16,
        ),
    ),
)  # fmt: skip

_ANOMALIES: Final = Row(
    "Anomalies",
    (
        Panel(
            "Anomalies detected", "timeseries",
            (
                Query(
                    f'sum by (model_type) (rate({_VERDICTS}{{is_anomaly="true"}}[$__rate_interval])) '
                    f"/ (sum by (model_type) (rate({_VERDICTS}[$__rate_interval])) > 0)", "{{model_type}}"
                ),
            ),
            "Share of judged tickets that each detector flags. A step means that data or model changed.", "share",
            8, least=0, guide="Taxa de anomalias detectadas",
        ),
        Panel(
            "Verdicts per second", "timeseries",
            (
                Query(
                    f"sum by (model_type, is_anomaly) (rate({_VERDICTS}[$__rate_interval]))",
                    "{{model_type}}, anomaly {{is_anomaly}}",
                ),
            ),
            "Tickets and events judged; `rules` answers where no model serves.", "per_second", 8, stacked=True,
        ),
        Panel(
            "Anomaly scores", "heatmap",
            (Query("sum by (le) (increase(neural_hive_ml_anomaly_score_bucket[$__rate_interval]))", "{{le}}"),),
            "Where the scores lie between 0 and 1: a detector that has gone blind puts all in one band.", "none", 8,
        ),
        Panel(
            "Anomalies by type", "timeseries",
            (
                Query(
                    "sum by (anomaly_type) (increase(neural_hive_ml_anomalies_total[$__rate_interval]))",
                    "{{anomaly_type}}",
                ),
            ),
            "What the orchestrator found while enriching tickets.", "count", 12, stacked=True,
        ),
        Panel(
            "Threats", "timeseries",
            (
                Query(
                    "sum by (threat_type, severity) (increase(neural_hive_ml_threats_total[$__rate_interval]))",
                    "{{threat_type}}, {{severity}}",
                ),
            ),
            "Found by rules and models of guard-agents.", "count", 12, stacked=True,
        ),
    ),
)  # fmt: skip

PREDICTIVE_MODELS: Final = Dashboard(
    "predictive-models",
    "predictive-models",
    "Predictive Models Dashboard",
    "All models: how fast they answer, what they find, how good they are, which versions serve.",
    (_NOW, _SPEED, _ANOMALIES, LOAD, QUALITY, VERSIONS, SERVICES, INPUT),
    (
        Mark(
            "New champion",
            'changes(max by (model_name) (neural_hive_ml_model_version{alias="champion"})[2m:30s]) > 0',
            "{{model_name}}",
            "blue",
        ),
    ),
)
