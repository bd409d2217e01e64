"""Metrics made from records: jobs write them and end, guard-agents shows what they say. Each series has one owner.

What cannot be read is absent, and `neural_hive_ml_records_readable` is 0: a store that does not answer is never
"no drift". Counters count records, so that they survive restarts and agree between replicas (rules take the max).
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from neural_hive_ml.conventions import (
    ANNOUNCEMENTS,
    DRIFT_RECORDS,
    JOB_RUNS,
    LEDGER_CHECKS,
    MAIN_CHAIN,
    MODEL_QUALITY,
    MODELS,
    QUARANTINE,
    RETRAINING_EVENTS,
    ROLLOUTS,
)
from neural_hive_ml.errors import HiveError
from neural_hive_ml.observability import labels
from neural_hive_ml.observability.catalogue import BY_NAME, CATALOGUE

CACHE_SECONDS = 10.0
TOP_FEATURES = 20
READABLE = "neural_hive_ml_records_readable"

_log = structlog.get_logger("observability.derived")

# family -> label values -> value
Values = dict[str, dict[tuple[str, ...], float]]


class ReadableRecord(Protocol):
    """What `state.port.Record` is, for reading."""

    @property
    def at_ms(self) -> int: ...
    @property
    def document(self) -> Mapping[str, Any]: ...


class RecordReader(Protocol):
    """The part of `state.port.StateStore` that is read here."""

    def find(
        self,
        collection: str,
        *,
        where: Mapping[str, str | int | float | bool] | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Sequence[ReadableRecord]:
        """Return records ordered by time."""
        ...

    def count(self, collection: str, *, where: Mapping[str, str | int | float | bool] | None = None) -> int:
        """Count records."""
        ...


def derived_names() -> tuple[str, ...]:
    """Return the families that this collector makes."""
    return tuple(spec.name for spec in CATALOGUE if spec.derived)


class StateDerivedCollector:
    """Collects the derived families; reads the store at most once in `cache_seconds`."""

    def __init__(
        self,
        state: RecordReader,
        *,
        cache_seconds: float = CACHE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._cache_seconds = cache_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._values: Values = {}

    def collect(self) -> Iterator[Metric]:
        """Yield every derived family; those about which nothing is known have no series."""
        values = self._fresh()
        for name in derived_names():
            spec = BY_NAME[name]
            kind = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
            family = kind(name, spec.help, labels=spec.label_names)
            for label_values, value in values.get(name, {}).items():
                family.add_metric(label_values, value)
            yield family

    def _fresh(self) -> Values:
        with self._lock:
            now = self._monotonic()
            if self._read_at is None or now - self._read_at >= self._cache_seconds:
                try:
                    self._values = read_values(self._state)
                except HiveError as error:
                    _log.warning("observability.records_unreadable", error=str(error))
                    self._values = {READABLE: {(): 0.0}}
                self._read_at = now
            return self._values


def read_values(state: RecordReader) -> Values:
    """Read all derived values. Raises `StoreUnavailable` when the store does not answer."""
    values: Values = {name: {} for name in derived_names()}
    _read_drift(state, values)
    _read_retrainings(state, values)
    _read_quality(state, values)
    _read_jobs(state, values)
    _read_rollouts(state, values)
    _read_ledger(state, values)
    values["neural_hive_ml_quarantined_documents"][()] = state.count(QUARANTINE)
    values[READABLE][()] = 1.0
    return values


def _read_drift(state: RecordReader, values: Values) -> None:
    for detected in (True, False):
        count = state.count(DRIFT_RECORDS, where={"drift_detected": detected})
        values["neural_hive_ml_drift_checks_total"][(str(detected).lower(),)] = count
    for name in MODELS:
        newest = _newest(state, DRIFT_RECORDS, {"model_name": name})
        if newest is None:
            continue
        values["neural_hive_ml_drift_check_timestamp_seconds"][(name,)] = newest.at_ms / 1000
        answer = newest
        if newest.document.get("status") == "insufficient_data":
            found = [_newest(state, DRIFT_RECORDS, {"model_name": name, "status": s}) for s in ("ok", "drift")]
            answers = [record for record in found if record is not None]
            if not answers:
                continue
            answer = max(answers, key=lambda record: record.at_ms)
        score = answer.document.get("drift_score")
        if score is None:
            continue
        values["model_drift_score"][(name,)] = float(score)
        values["neural_hive_ml_drift_detected"][(name,)] = float(bool(answer.document.get("drift_detected")))
        values["neural_hive_ml_drift_answer_timestamp_seconds"][(name,)] = answer.at_ms / 1000
        for feature, effect in _feature_scores(answer.document.get("features")):
            values["neural_hive_ml_feature_drift_score"][(name, feature)] = effect


def _feature_scores(features: Any) -> list[tuple[str, float]]:
    """Return the strongest features, from a mapping of scores or a list of {name, score}."""
    pairs: Iterable[tuple[Any, Any]] = ()
    if isinstance(features, Mapping):
        pairs = ((n, f.get("score") if isinstance(f, Mapping) else f) for n, f in features.items())
    elif isinstance(features, Sequence):
        pairs = ((f.get("name"), f.get("score")) for f in features if isinstance(f, Mapping))
    scores = [(str(name), float(score)) for name, score in pairs if name is not None and score is not None]
    return sorted(scores, key=lambda pair: (-pair[1], pair[0]))[:TOP_FEATURES]


def _read_retrainings(state: RecordReader, values: Values) -> None:
    by_success = values["ml_retraining_events_total"]
    by_trigger = values["neural_hive_ml_retrainings_total"]
    for family in labels.FAMILY.values:
        for success in labels.SUCCESS.values:
            by_success[family, success] = 0.0
            for trigger in labels.TRIGGER.values:
                by_trigger[family, trigger, success] = 0.0
    for record in state.find(RETRAINING_EVENTS):
        document = record.document
        success = str(bool(document.get("success"))).lower()
        for family in _families(document.get("model_type")):
            by_success[family, success] += 1
            by_trigger[family, labels.TRIGGER.folded(str(document.get("trigger", "drift"))), success] += 1
            if success == "true":
                values["neural_hive_ml_retraining_timestamp_seconds"][(family,)] = record.at_ms / 1000


def _families(model_type: Any) -> tuple[str, ...]:
    return ("anomaly", "load", "scheduling") if model_type == "all" else (labels.FAMILY.folded(str(model_type)),)


def _read_quality(state: RecordReader, values: Values) -> None:
    for name in MODELS:
        newest = _newest(state, MODEL_QUALITY, {"model_name": name})
        if newest is None:
            continue
        document = newest.document
        enough = bool(document.get("enough"))
        values["neural_hive_ml_quality_known"][(name,)] = float(enough)
        values["neural_hive_ml_quality_timestamp_seconds"][(name,)] = newest.at_ms / 1000
        for field, family in (("labels", "quality_labels"), ("overdue", "labels_overdue")):
            if document.get(field) is not None:
                values[f"neural_hive_ml_{family}"][(name,)] = float(document[field])
        for metric, figure in document.get("figures", {}).items():
            if metric in labels.QUALITY_METRIC.values:
                values["neural_hive_ml_figure_labels"][name, metric] = float(figure.get("labels", 0))
        for metric, value in document.get("metrics", {}).items() if enough else ():
            if value is None or metric not in labels.QUALITY_METRIC.values:
                continue
            values["neural_hive_ml_model_quality"][name, metric] = float(value)
            if metric in {"f1", "precision", "recall"}:
                values[f"neural_hive_mlflow_model_{metric}"][(name,)] = float(value)


def _read_rollouts(state: RecordReader, values: Values) -> None:
    decisions = values["neural_hive_ml_rollout_decisions_total"]
    for name in MODELS:
        for action in labels.ROLLOUT_ACTION.values[:-1]:
            decisions[name, action] = 0.0
    for record in state.find(ROLLOUTS):
        name = labels.MODEL.folded(str(record.document.get("model_name")))
        action = "failed" if record.document.get("fault") else str(record.document.get("action"))
        key = name, labels.ROLLOUT_ACTION.folded(action)
        decisions[key] = decisions.get(key, 0.0) + 1
    for result in labels.ANNOUNCED.values:
        count = state.count(ANNOUNCEMENTS, where={"status": result})
        values["neural_hive_ml_announcements"][(result,)] = count


def _read_jobs(state: RecordReader, values: Values) -> None:
    for job in labels.JOB.values[:-1]:
        for outcome in labels.JOB_OUTCOME.values:
            runs = state.count(JOB_RUNS, where={"job": job, "outcome": outcome})
            values["neural_hive_ml_job_runs_total"][job, outcome] = runs
            if runs and outcome != "failed":
                newest = _newest(state, JOB_RUNS, {"job": job, "outcome": outcome})
                succeeded = values["neural_hive_ml_job_success_timestamp_seconds"]
                if newest is not None:
                    succeeded[(job,)] = max(succeeded.get((job,), 0.0), newest.at_ms / 1000)
        newest = _newest(state, JOB_RUNS, {"job": job})
        if newest is not None:
            values["neural_hive_ml_job_run_timestamp_seconds"][(job,)] = newest.at_ms / 1000
            started = newest.document.get("started_at_ms")
            if started is not None:
                values["neural_hive_ml_job_duration_seconds"][(job,)] = (newest.at_ms - started) / 1000


def _read_ledger(state: RecordReader, values: Values) -> None:
    newest = _newest(state, LEDGER_CHECKS, {"chain": MAIN_CHAIN})
    if newest is None:
        return
    found = labels.LEDGER_STANDING.folded(str(newest.document.get("standing")))
    for standing in labels.LEDGER_STANDING.values:
        values["neural_hive_ml_ledger_standing"][(standing,)] = float(standing == found)
    values["neural_hive_ml_ledger_events"][()] = float(newest.document.get("events", 0))
    values["neural_hive_ml_ledger_verification_timestamp_seconds"][()] = newest.at_ms / 1000


def _newest(
    state: RecordReader, collection: str, where: Mapping[str, str | int | float | bool]
) -> ReadableRecord | None:
    records = state.find(collection, where=where, newest_first=True, limit=1)
    return records[0] if records else None
