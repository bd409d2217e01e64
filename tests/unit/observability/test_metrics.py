"""What services export: the guide's families, closed label sets, aliases that agree, nothing unknown as 0."""

import random
import string

import pytest
from prometheus_client.parser import text_string_to_metric_families

from neural_hive_ml.observability.catalogue import BY_NAME, CATALOGUE, exported_by, selectable_names
from neural_hive_ml.observability.metrics import (
    approval_metrics,
    guard_agents_metrics,
    orchestrator_metrics,
)


def samples(metrics) -> dict[tuple, float]:
    text = metrics.exposition().decode()
    return {
        (s.name, *sorted(s.labels.items())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def test_the_guides_four_families_have_the_guides_labels():
    labels = {
        "anomaly_detection_total": ("model_type", "is_anomaly"),
        "anomaly_detection_latency_seconds": ("model_type",),
        "model_drift_score": ("model_name",),
        "ml_retraining_events_total": ("model_type", "success"),
    }
    assert {name: BY_NAME[name].label_names for name in labels} == labels
    assert BY_NAME["anomaly_detection_latency_seconds"].buckets == (
        0.0005,
        0.001,
        0.0025,
        0.005,
        0.01,
        0.025,
        0.05,
        0.075,
        0.1,
        0.25,
        0.5,
        1.0,
    )


def test_counters_stand_at_zero_before_the_first_event_and_gauges_are_absent_until_known():
    metrics = guard_agents_metrics()
    found = samples(metrics)
    assert found["anomaly_detection_total", ("is_anomaly", "true"), ("model_type", "isolation_forest")] == 0
    assert not any(key[0] == "neural_hive_ml_statistics_sequence" for key in found)
    metrics.statistics_sequence.set(7)
    assert samples(metrics)[("neural_hive_ml_statistics_sequence",)] == 7
    metrics.statistics_sequence.clear()
    assert not any(key[0] == "neural_hive_ml_statistics_sequence" for key in samples(metrics))


def test_ten_thousand_random_names_make_no_new_series():
    metrics = guard_agents_metrics()
    metrics.model_version.set(1, "anomaly-detector-isolation_forest", "champion")
    metrics.model_version.set(1, "other", "other")
    metrics.queue_depth.set(0, "other")
    metrics.model_info.show("other", "other", "0", "0")
    before = set(samples(metrics))
    draw = random.Random(7)
    for _ in range(10_000):
        name = "".join(draw.choices(string.printable, k=draw.randint(0, 40)))
        metrics.detections.inc(name, name)
        metrics.requests.inc(name, name)
        metrics.request_seconds.observe(0.1, name)
        metrics.model_version.set(3, name, name)
        metrics.queue_depth.set(1, name)
        metrics.load_errors.inc(name, name)
        metrics.model_info.show(name, name, "0", "0")
    assert set(samples(metrics)) == before
    found = samples(metrics)
    assert found["anomaly_detection_total", ("is_anomaly", "false"), ("model_type", "other")] == 10_000


@pytest.mark.parametrize(
    ("make", "service"),
    [
        (guard_agents_metrics, "guard-agents"),
        (orchestrator_metrics, "orchestrator-dynamic"),
        (approval_metrics, "approval-service"),
    ],
)
def test_a_service_exports_exactly_what_the_catalogue_says_it_owns(make, service):
    made = {m.name for m in make(aliases=False).registry.collect()}
    expected = {s.name.removesuffix("_total") for s in exported_by(service) if not s.derived}
    assert made == expected


def test_aliases_show_the_same_figures_under_the_platforms_names_and_can_be_switched_off():
    metrics = guard_agents_metrics()
    metrics.detections.inc("isolation_forest", "true", by=3)
    metrics.detection_seconds.observe(0.02, "isolation_forest")
    metrics.model_version.set(4, "anomaly-detector-isolation_forest", "champion")
    found = samples(metrics)
    key = ("guard_agent_anomaly_detection_total", ("is_anomaly", "true"), ("model_type", "isolation_forest"))
    assert found[key] == 3
    bucket = "guard_agent_anomaly_detection_latency_seconds_bucket"
    assert found[bucket, ("le", "0.025"), ("model_type", "isolation_forest")] == 1
    assert (
        found[
            "guard_agent_ml_model_version",
            ("model_name", "anomaly-detector-isolation_forest"),
            ("stage", "Production"),
        ]
        == 4
    )
    quiet = {name for name, *_ in samples(guard_agents_metrics(aliases=False))}
    assert not any(name.startswith("guard_agent_") for name in quiet)
    assert quiet <= selectable_names(aliases=False)


def test_an_alias_sums_over_the_labels_it_leaves_out_and_keeps_only_what_it_selects():
    metrics = orchestrator_metrics()
    metrics.load_errors.inc("load-predictor-60m", "digest")
    metrics.load_errors.inc("load-predictor-60m", "unreachable", by=2)
    metrics.forecasts.inc("load-predictor-60m", "cache")
    metrics.forecasts.inc("load-predictor-60m", "computed")
    found = samples(metrics)
    assert found["orchestration_ml_model_load_errors_total", ("model_name", "load-predictor-60m")] == 3
    assert found["orchestration_ml_prediction_cache_hits_total", ("model_name", "load-predictor-60m")] == 1


def test_model_info_replaces_the_version_that_went():
    metrics = guard_agents_metrics()
    metrics.model_info.show("anomaly-detector-isolation_forest", "champion", "1", "aa")
    metrics.model_info.show("anomaly-detector-isolation_forest", "champion", "2", "bb")
    shown = [key for key in samples(metrics) if key[0] == "neural_hive_ml_model_info"]
    assert [dict(key[1:])["version"] for key in shown] == ["2"]
    metrics.model_info.hide("anomaly-detector-isolation_forest", "champion")
    assert not any(key[0] == "neural_hive_ml_model_info" for key in samples(metrics))


def test_names_are_unique_and_the_series_of_a_process_are_bounded():
    names = [spec.name for spec in CATALOGUE] + [a.name for spec in CATALOGUE for a in spec.aliases]
    assert len(names) == len(set(names))
    assert all(spec.help.endswith(".") for spec in CATALOGUE)
    assert sum(spec.series for spec in exported_by("guard-agents")) < 1500
