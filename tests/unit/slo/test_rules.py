"""What the rules say: every name exists, every expression parses, every alert tells a person what to do."""

import re

import promql_parser
import pytest
import yaml
from tests.support.promql import selected

from neural_hive_ml.observability.catalogue import selectable_names
from neural_hive_ml.slo.durations import expand
from neural_hive_ml.slo.recordings import recording_groups
from neural_hive_ml.slo.render import prometheus_rule, rule_file
from neural_hive_ml.slo.rules import alert_groups, alerts, operator_files, recordings, rule_files
from neural_hive_ml.slo.spec import load_objectives

OBJECTIVES = load_objectives()
WRITTEN = [
    rule
    for text in rule_files(OBJECTIVES).values()
    for group in yaml.safe_load(text)["groups"]
    for rule in group["rules"]
]
RECORDED = {rule.record for rule in recordings(OBJECTIVES)}
ALERTS = [rule for rule in WRITTEN if "alert" in rule]
GUIDE = {"MLModelF1ScoreSLOBreach": "critical", "MLModelUptimeSLOCritical": "critical"} | {
    "MLModelF1ScoreErrorBudgetFastBurn": "critical",
    "MLModelLatencyErrorBudgetFastBurn": "critical",
    "MLModelAvailabilityErrorBudgetFastBurn": "critical",
    "MLModelLatencySLOBreach": "warning",
    "MLModelFeedbackRateSLOBreach": "warning",
    "MLModelF1ScoreErrorBudgetSlowBurn": "warning",
    "MLModelLatencyErrorBudgetSlowBurn": "warning",
    "MLModelAvailabilityErrorBudgetSlowBurn": "warning",
}


@pytest.mark.parametrize("rule", WRITTEN, ids=lambda rule: rule.get("alert") or rule["record"])
def test_each_name_in_an_expression_is_exported_or_recorded(rule):
    known = selectable_names(aliases=False) | RECORDED | {"up"}
    assert selected(rule["expr"]) <= known


def test_an_expression_uses_what_was_recorded_before_it_or_in_a_group_of_its_own():
    for group in recording_groups(OBJECTIVES):
        mine = [rule.record for rule in group.rules]
        for at, rule in enumerate(group.rules):
            later = set(mine[at + 1 :]) - set(mine[: at + 1])
            assert not selected(expand(rule.expr)) & later, f"{rule.record} reads what is recorded after it"


def test_names_are_unique_and_each_alerts_words_are_whole():
    names = [rule["alert"] for rule in ALERTS]
    assert len(names) == len(set(names))
    for rule in ALERTS:
        said = rule["annotations"]
        action = "immediate_action" if rule["labels"]["severity"] == "critical" else "recommended_action"
        for key in ("summary", "description", "impact", action, "runbook_url", "dashboard_url"):
            assert said[key].strip(), (rule["alert"], key)
        for text in said.values():
            assert "$5m" not in text
            assert text.count("{{") == text.count("}}")
            assert not re.search(r"\$\d+[smhdw]", text), text


def test_templates_query_only_recorded_names():
    for rule in ALERTS:
        for text in rule["annotations"].values():
            for query in re.findall(r'query "([^"]*)"', text):
                promql_parser.parse(query)
                assert selected(query) <= RECORDED


def test_severities_are_the_guides():
    found = {rule["alert"]: rule["labels"]["severity"] for rule in ALERTS}
    assert {name: found[name] for name in GUIDE} == GUIDE
    assert set(found.values()) == {"critical", "warning"}


def test_operator_resources_hold_the_same_rules():
    plain = [yaml.safe_load(text)["groups"] for text in rule_files(OBJECTIVES).values()]
    files = operator_files(OBJECTIVES)
    resources = [yaml.safe_load(files[f"k8s/monitoring/ml-slo-{n}.yaml"]) for n in ("recording-rules", "alerts")]
    assert [resource["spec"]["groups"] for resource in resources] == plain
    assert {(r["kind"], r["metadata"]["namespace"]) for r in resources} == {("PrometheusRule", "monitoring")}


def test_a_time_scale_shortens_every_duration_and_changes_nothing_else():
    duration = re.compile(r"\b\d+(?:ms|[smhdw])\b(?=[\]:]|$)")

    def bare(text: str) -> str:
        return re.sub(r"\b\d+(\.\d+)?(e\+\d+)?(ms|s|m|h|d|w)?\b", "N", text)

    slow, fast = rule_file(alert_groups(OBJECTIVES)), rule_file(alert_groups(OBJECTIVES), 720)
    assert bare(slow) == bare(fast)
    slow_rules = [r for g in yaml.safe_load(slow)["groups"] for r in g["rules"]]
    fast_rules = [r for g in yaml.safe_load(fast)["groups"] for r in g["rules"]]
    for a, b in zip(slow_rules, fast_rules, strict=True):
        assert duration.findall(a["expr"]) != duration.findall(b["expr"]) or not duration.findall(a["expr"])


def test_what_was_not_measured_has_no_default():
    for rule in WRITTEN:
        assert "vector(" not in rule["expr"], f"{rule} makes a value out of nothing"


def test_every_alert_of_the_code_is_written():
    assert [rule["alert"] for rule in ALERTS] == [alert.name for alert in alerts(OBJECTIVES)]
    assert "PrometheusRule" in prometheus_rule("x", "alert-rules", alert_groups(OBJECTIVES))
