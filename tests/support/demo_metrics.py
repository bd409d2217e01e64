"""A week of metrics of a platform at work, as OpenMetrics text: every family of the catalogue, told from its labels.

For dashboards and the console only: what they draw must exist. Nothing here says anything about a model.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from neural_hive_ml.observability.catalogue import CATALOGUE
from neural_hive_ml.observability.metric_spec import MetricSpec, Service

DAY, HOUR, MINUTE = 86_400, 3600, 60
MODELS = (
    "anomaly-detector-isolation_forest",
    "load-predictor-60m",
    "load-predictor-360m",
    "load-predictor-1440m",
    "scheduling-predictor-xgboost",
)
FEATURES = (
    "retry_count",
    "risk_weight",
    "avg_duration_by_task",
    "hour_of_day",
    "parameters_size",
    "sla_timeout_ms",
)
PORTS: dict[Service, str] = {"guard-agents": "8080", "orchestrator-dynamic": "8081", "approval-service": "8000"}
# Share of all that a label value gets; the first value of a label takes what is left.
RARE = {
    "server_error": 0.001, "client_error": 0.01, "degraded": 0.004, "invalid": 0.003, "duplicate": 0.01, "true": 0.04,
    "dropped": 0.0005, "miss": 0.1, "stale": 0.02, "error": 0.001, "fallback": 0.01, "unsure": 0.05, "audit": 0.3,
}  # fmt: skip

# Happened once, five hours ago.
RARE_EVENTS = {"neural_hive_ml_model_load_errors_total", "neural_hive_ml_dead_letters_total"}


@dataclass(frozen=True)
class Series:
    """One series: its labels and a value for each moment."""

    labels: dict[str, str]
    value: Callable[[float], float | None]


def moments(end: int, *, dense: bool) -> list[int]:
    """Return the moments of the week before `end`; `dense` ones are never further apart than Prometheus looks back."""
    spans = ((7 * DAY, DAY, 280 if dense else 1800), (DAY, 6 * HOUR, 150), (6 * HOUR, -1, MINUTE))
    return [end - ago for start, stop, step in spans for ago in range(start, stop, -step)]


def exposition(end: int) -> Iterator[str]:
    """Yield OpenMetrics text of the week before `end` (epoch seconds), family by family."""
    for spec in CATALOGUE:
        times = moments(end, dense=spec.derived)
        base = spec.name.removesuffix("_total") if spec.kind == "counter" else spec.name
        yield f"# TYPE {base} {spec.kind}\n"
        for series in told(spec, end):
            for suffix, labels, share in expanded(spec, series):
                written = ",".join(f'{name}="{value}"' for name, value in labels.items())
                for at in times:
                    value = series.value(at)
                    if value is not None:
                        yield f"{base}{suffix}{{{written}}} {value * share:.12g} {at}\n"
    times = moments(end, dense=False)
    yield "# TYPE up gauge\n"
    for service, port in PORTS.items():
        for at in times:
            yield f'up{{job="{service}",instance="{service}:{port}"}} 1 {at}\n'
    yield "# EOF\n"


def expanded(spec: MetricSpec, series: Series) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield the sample suffixes of a family with what share of the series' value each has."""
    if spec.kind == "gauge":
        yield "", series.labels, 1.0
    elif spec.kind == "counter":
        yield "_total", series.labels, 1.0
    else:
        middle = len(spec.buckets) // 3
        for number, bucket in enumerate(spec.buckets):
            share = 1 / (1 + math.exp(-1.6 * (number - middle)))
            yield "_bucket", {**series.labels, "le": f"{bucket}"}, round(share, 4)
        yield "_bucket", {**series.labels, "le": "+Inf"}, 1.0
        yield "_count", series.labels, 1.0
        yield "_sum", series.labels, spec.buckets[middle]


def told(spec: MetricSpec, end: int) -> Iterator[Series]:
    """Yield the series of one family on the services that own it."""
    for owner in spec.owners:
        for number, labels in enumerate(combinations(spec)):
            place = {"job": owner, "instance": f"{owner}:{PORTS[owner]}"}
            yield Series({**place, **labels}, shape(spec, labels, number, end))


def combinations(spec: MetricSpec) -> list[dict[str, str]]:
    """Return label sets: the values that a platform at work shows, not all that could be."""
    sets: list[dict[str, str]] = [{}]
    for label in spec.labels:
        values: Iterable[str] = [value for value in label.values if value != "other"][:4]
        if label.name == "model_name":
            detector = "mlflow_model_f1" in spec.name or "precision" in spec.name or "recall" in spec.name
            values = MODELS[:1] if detector else MODELS
        elif label.name == "feature":
            values = FEATURES
        elif label.name in {"version", "digest"}:
            values = ("7",) if label.name == "version" else ("3f9ac2d1e07b6a54",)
        elif label.name == "alias":
            values = ("champion",)
        elif label.name == "metric":
            values = ("f1", "mape", "mase", "mae_ms", "coverage")
        sets = [{**one, label.name: value} for one in sets for value in values]
    return sets


def shape(spec: MetricSpec, labels: dict[str, str], number: int, end: int) -> Callable[[float], float | None]:
    """Return how a series moves: counters with the day, gauges around a level that fits their name."""
    told = {"false": 0.6} if "success" in labels else RARE
    share = math.prod(told.get(value, 1.0) for name, value in labels.items() if name != "le") / (1 + number)
    if spec.name in RARE_EVENTS:
        return lambda at: float(at > end - 5 * HOUR and number == 0)
    if spec.kind != "gauge":
        per_second = (0.0000025 if spec.derived else 12.0) * share
        start = end - 8 * DAY

        def counted(at: float) -> float:
            # Twice as much by day as by night; the integral of 1 + cos / 3.
            phase = 2 * math.pi / DAY
            return per_second * (at - start + (math.sin(at * phase) - math.sin(start * phase)) / phase / 3)

        return (lambda at: math.floor(counted(at) * 30)) if spec.derived else counted
    return gauge_shape(spec.name, labels, number, end)


LEVELS = {
    "neural_hive_mlflow_model_f1": 0.81, "neural_hive_mlflow_model_precision": 0.86,
    "neural_hive_mlflow_model_recall": 0.77, "neural_hive_ml_quality_labels": 420,
    "neural_hive_ml_figure_labels": 410,
    "neural_hive_ml_labels_overdue": 37, "neural_hive_ml_feedback_open_reviews": 64,
    "neural_hive_ml_feedback_asked": 420, "neural_hive_ml_feedback_answered": 356,
    "neural_hive_ml_quarantined_documents": 12, "neural_hive_ml_queue_depth": 5,
    "neural_hive_ml_stream_lag_messages": 14, "neural_hive_ml_clock_ahead_seconds": 0,
    "neural_hive_ml_job_duration_seconds": 1300,
}  # fmt: skip
QUALITY = {"f1": 0.81, "mape": 0.17, "mase": 0.83, "mae_ms": 3100.0, "coverage": 0.9}


def gauge_shape(name: str, labels: dict[str, str], number: int, end: int) -> Callable[[float], float | None]:
    """Return how a gauge moves."""
    drifting = labels.get("model_name") == MODELS[0]
    wave = lambda at: 1 + 0.06 * math.sin((at - end) / 9000 + number)  # noqa: E731 - one line is all there is to it
    if name in {"model_drift_score", "neural_hive_ml_feature_drift_score"}:
        top = 0.45 if labels.get("feature", "retry_count") == "retry_count" else 0.12
        return lambda at: (0.03 + (top if drifting and at > end - 2 * DAY else 0.02)) * wave(at)
    if name == "neural_hive_ml_drift_detected":
        return lambda at: float(drifting and at > end - 2 * DAY)
    if name == "neural_hive_ml_model_version":
        return lambda at: 7.0 if at > end - 3 * HOUR else 6.0
    if name == "neural_hive_ml_statistics_sequence":
        return lambda at: at // 60 % 100_000
    if name == "neural_hive_ml_model_quality":
        # In phase with the end: what pages show now is what QUALITY says, at any hour.
        return lambda at: QUALITY[labels["metric"]] * (1 + 0.06 * math.sin((at - end) / 9000))
    if name.endswith("trained_timestamp_seconds"):
        return lambda at: float(end - (4 + number) * DAY)
    if name.endswith("_timestamp_seconds"):
        step = 6 * HOUR if "drift" in name or "job" in name or "quality" in name or "retraining" in name else 20
        return lambda at: at - at % step
    level = LEVELS.get(name, 1.0)
    return (lambda at: round(level * wave(at), 3)) if name in LEVELS else (lambda at: level)
