"""Metrics from records: what jobs wrote is shown, what is unknown is absent, a dead store is never "no drift"."""

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from neural_hive_ml.conventions import (
    DRIFT_RECORDS,
    JOB_RUNS,
    LEDGER_CHECKS,
    MODEL_QUALITY,
    QUARANTINE,
    RETRAINING_EVENTS,
)
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.observability.derived import TOP_FEATURES, StateDerivedCollector
from neural_hive_ml.observability.labels import LEDGER_STANDING
from neural_hive_ml.observability.metrics import guard_agents_metrics
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.state.port import Record

ANOMALY = "anomaly-detector-isolation_forest"


class Breaking:
    """A state store that stops answering when told to."""

    def __init__(self, state) -> None:
        self.state, self.broken = state, False

    def find(self, *args, **kwargs):
        if self.broken:
            raise StoreUnavailable("state is gone")
        return self.state.find(*args, **kwargs)

    def count(self, *args, **kwargs):
        if self.broken:
            raise StoreUnavailable("state is gone")
        return self.state.count(*args, **kwargs)


@pytest.fixture
def state():
    store = MemoryStateStore()
    yield store
    store.close()


def exported(state, **options) -> dict[tuple, float]:
    metrics = guard_agents_metrics(StateDerivedCollector(state, cache_seconds=0, **options))
    return read(metrics)


def read(metrics) -> dict[tuple, float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


def drift(at_ms, status="drift", score=0.4, name=ANOMALY, features=None):
    document = {
        "model_name": name,
        "status": status,
        "drift_detected": status == "drift",
        "drift_score": score,
        "features": features or {"retry_count": 0.4, "hour": 0.1},
    }
    return Record(f"{name}-{at_ms}", at_ms, document)


def test_the_newest_check_of_each_model_is_shown(state):
    state.insert(
        DRIFT_RECORDS, [drift(1_000, "ok", 0.05), drift(2_000), drift(3_000, "ok", 0.1, "load-predictor-60m")]
    )
    found = exported(state)
    assert found["model_drift_score", ("model_name", ANOMALY)] == 0.4
    assert found["guard_agent_model_drift_score", ("model_name", ANOMALY)] == 0.4
    assert found["model_drift_score", ("model_name", "load-predictor-60m")] == 0.1
    assert found["neural_hive_ml_drift_detected", ("model_name", ANOMALY)] == 1
    assert found["neural_hive_ml_feature_drift_score", ("feature", "retry_count"), ("model_name", ANOMALY)] == 0.4
    assert found["neural_hive_ml_drift_checks_total", ("drift_detected", "false")] == 2
    assert ("model_drift_score", ("model_name", "load-predictor-360m")) not in found


def test_too_little_data_keeps_the_last_answer_and_shows_that_it_ages(state):
    state.insert(DRIFT_RECORDS, [drift(5_000, "drift", 0.3), drift(9_000, "insufficient_data", None)])
    found = exported(state)
    assert found["model_drift_score", ("model_name", ANOMALY)] == 0.3
    assert found["neural_hive_ml_drift_answer_timestamp_seconds", ("model_name", ANOMALY)] == 5
    assert found["neural_hive_ml_drift_check_timestamp_seconds", ("model_name", ANOMALY)] == 9


def test_no_answer_ever_is_no_score(state):
    state.insert(DRIFT_RECORDS, [drift(9_000, "insufficient_data", None)])
    assert not any(key[0] == "model_drift_score" for key in exported(state))


def test_a_store_that_does_not_answer_is_told_and_shows_no_score(state):
    state.insert(DRIFT_RECORDS, [drift(1_000)])
    breaking = Breaking(state)
    metrics = guard_agents_metrics(StateDerivedCollector(breaking, cache_seconds=0))
    assert read(metrics)[("neural_hive_ml_records_readable",)] == 1
    breaking.broken = True
    found = read(metrics)
    assert found[("neural_hive_ml_records_readable",)] == 0
    assert not any(key[0] in {"model_drift_score", "ml_retraining_events_total"} for key in found)
    breaking.broken = False
    assert read(metrics)["model_drift_score", ("model_name", ANOMALY)] == 0.4


def test_the_store_is_read_once_in_a_while_only(state):
    moment = [0.0]
    collector = StateDerivedCollector(state, cache_seconds=10, monotonic=lambda: moment[0])
    metrics = guard_agents_metrics(collector)
    read(metrics)
    state.insert(DRIFT_RECORDS, [drift(1_000)])
    assert not any(key[0] == "model_drift_score" for key in read(metrics))
    moment[0] = 10.5
    assert any(key[0] == "model_drift_score" for key in read(metrics))


def test_retrainings_are_counted_by_family_trigger_and_success(state):
    events = [
        ("anomaly", True, "drift"),
        ("anomaly", False, "drift"),
        ("all", True, "schedule"),
        ("odd", True, "odd"),
    ]
    state.insert(
        RETRAINING_EVENTS,
        [
            Record(f"e{i}", 1_000 * i, {"model_type": m, "success": s, "trigger": t})
            for i, (m, s, t) in enumerate(events, 1)
        ],
    )
    found = exported(state)
    assert found["ml_retraining_events_total", ("model_type", "anomaly"), ("success", "true")] == 2
    assert found["ml_retraining_events_total", ("model_type", "anomaly"), ("success", "false")] == 1
    assert found["ml_retraining_events_total", ("model_type", "load"), ("success", "false")] == 0
    assert found["ml_retraining_events_total", ("model_type", "other"), ("success", "true")] == 1
    trigger = (
        "guard_agent_ml_retraining_total",
        ("model_type", "load"),
        ("success", "true"),
        ("trigger", "schedule"),
    )
    assert found[trigger] == 1
    assert found["neural_hive_ml_retraining_timestamp_seconds", ("model_type", "anomaly")] == 3


def test_live_quality_is_shown_only_when_labels_are_enough(state):
    known = {
        "model_name": ANOMALY,
        "metrics": {"f1": 0.8, "precision": 0.9, "recall": 0.72, "odd": 1},
        "labels": 90,
    }
    state.insert(MODEL_QUALITY, [Record("a", 1_000, {**known, "enough": True, "overdue": 3})])
    found = exported(state)
    assert found["neural_hive_mlflow_model_f1", ("model_name", ANOMALY)] == 0.8
    assert found["neural_hive_ml_model_quality", ("metric", "recall"), ("model_name", ANOMALY)] == 0.72
    assert found["neural_hive_ml_labels_overdue", ("model_name", ANOMALY)] == 3
    state.insert(MODEL_QUALITY, [Record("b", 2_000, {**known, "enough": False, "labels": 4})])
    found = exported(state)
    assert found["neural_hive_ml_quality_known", ("model_name", ANOMALY)] == 0
    assert found["neural_hive_ml_quality_labels", ("model_name", ANOMALY)] == 4
    assert not any(key[0] == "neural_hive_mlflow_model_f1" for key in found)


def test_jobs_show_their_last_run_their_last_success_and_their_failures(state):
    runs = [("drift", "succeeded", 10_000), ("drift", "nothing_to_do", 20_000), ("drift", "failed", 30_000)]
    state.insert(
        JOB_RUNS,
        [Record(f"r{at}", at, {"job": j, "outcome": o, "started_at_ms": at - 4_000}) for j, o, at in runs],
    )
    state.insert(QUARANTINE, [Record("q", 1, {})])
    found = exported(state)
    assert found["neural_hive_ml_job_success_timestamp_seconds", ("job_name", "drift")] == 20
    assert found["neural_hive_ml_job_run_timestamp_seconds", ("job_name", "drift")] == 30
    assert found["neural_hive_ml_job_duration_seconds", ("job_name", "drift")] == 4
    assert found["neural_hive_ml_job_runs_total", ("job_name", "drift"), ("outcome", "failed")] == 1
    assert found["neural_hive_ml_job_runs_total", ("job_name", "training"), ("outcome", "failed")] == 0
    assert found[("neural_hive_ml_quarantined_documents",)] == 1
    assert not any(
        key[:2] == ("neural_hive_ml_job_run_timestamp_seconds", ("job_name", "training")) for key in found
    )


def test_the_ledgers_last_verification_is_shown_and_none_is_not_intact(state):
    assert not any(key[0].startswith("neural_hive_ml_ledger") for key in exported(state))
    checks = [("intact", 5_000, "decisions"), ("broken", 9_000, "decisions"), ("intact", 10_000, "another")]
    state.insert(
        LEDGER_CHECKS,
        [Record(f"{c}:{at}", at, {"chain": c, "standing": s, "events": 7, "faults": []}) for s, at, c in checks],
    )
    found = exported(state)
    shown = {s: found["neural_hive_ml_ledger_standing", ("standing", s)] for s in LEDGER_STANDING.values}
    assert shown == {"intact": 0, "unanchored": 0, "broken": 1, "unknown": 0}
    assert found[("neural_hive_ml_ledger_events",)] == 7
    assert found[("neural_hive_ml_ledger_verification_timestamp_seconds",)] == 9
    state.insert(LEDGER_CHECKS, [Record("decisions:11", 11_000, {"chain": "decisions", "standing": "odd"})])
    assert exported(state)["neural_hive_ml_ledger_standing", ("standing", "unknown")] == 1
    assert exported(state)["neural_hive_ml_ledger_standing", ("standing", "intact")] == 0


def test_only_the_strongest_features_become_series(state):
    features = {f"feature_{i:03}": i / 1000 for i in range(300)}
    state.insert(DRIFT_RECORDS, [drift(1_000, features=features)])
    shown = [key for key in exported(state) if key[0] == "neural_hive_ml_feature_drift_score"]
    assert len(shown) == TOP_FEATURES
    assert all(math.isfinite(exported(state)[key]) for key in shown)
