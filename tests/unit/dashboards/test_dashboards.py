"""The dashboards: every bullet of the guide has its panel, every expression parses, every metric is exported."""

import json
from collections import Counter
from itertools import pairwise

import promql_parser
import pytest
import yaml
from tests.support.promql import selected

from neural_hive_ml.dashboards.files import dashboard_files, dashboards
from neural_hive_ml.dashboards.grafana import WIDTH, grafana_model
from neural_hive_ml.dashboards.panel import resolved
from neural_hive_ml.observability.catalogue import CATALOGUE, selectable_names
from neural_hive_ml.slo.rules import alerts, recordings
from neural_hive_ml.slo.spec import load_objectives

OBJECTIVES = load_objectives()
ALL = {dashboard.title: dashboard for dashboard in dashboards(OBJECTIVES)}
RECORDED = {rule.record for rule in recordings(OBJECTIVES)}
# The bullets of the guide's section "Dashboards Grafana".
GUIDE = {
    "Predictive Models Dashboard": [
        "Latencia P50/P95/P99",
        "Taxa de anomalias detectadas",
        "MAPE de predicoes de carga",
        "Versoes de modelos ativos",
    ],
    "Drift Monitoring": [
        "Drift score ao longo do tempo",
        "Features com maior drift",
        "Historico de retreinamentos",
    ],
    "ML SLOs Dashboard": [
        "Compliance de F1 Score, Latencia, Feedback, Uptime",
        "Error budget consumption",
        "Burn rate alerting",
    ],
}
EXPRESSIONS = [
    pytest.param(query.expr, panel.kind, id=f"{dashboard.uid}: {panel.title} {number}")
    for dashboard in ALL.values()
    for panel in dashboard.panels
    for number, query in enumerate(panel.queries)
] + [pytest.param(mark.expr, "mark", id=f"{d.uid}: mark {mark.name}") for d in ALL.values() for mark in d.marks]


def test_the_guides_three_dashboards_have_the_guides_panels():
    assert set(ALL) == set(GUIDE)
    for title, bullets in GUIDE.items():
        answered = [panel.guide for panel in ALL[title].panels if panel.guide]
        assert list(dict.fromkeys(answered)) == bullets


def test_the_slo_dashboard_has_the_guides_address():
    slos = ALL["ML SLOs Dashboard"]
    assert f"/d/{slos.uid}/{slos.slug}" == "/d/ml-slos-dashboard/ml-slos"


def test_every_alert_links_to_a_dashboard_that_exists():
    addresses = {f"{dashboard.uid}/{dashboard.slug}" for dashboard in ALL.values()}
    assert {alert.dashboard for alert in alerts(OBJECTIVES)} <= addresses


@pytest.mark.parametrize(("expr", "kind"), EXPRESSIONS)
def test_each_expression_parses_and_each_metric_in_it_is_exported_or_recorded(expr: str, kind: str):
    written = resolved(expr, window="5m", span="24h")
    assert "$" not in written
    assert selected(written) <= selectable_names(aliases=False) | RECORDED | {"up", "ALERTS"}
    promql_parser.parse(written)


def test_every_exported_metric_is_in_a_rule_or_on_a_dashboard():
    shown = {
        name
        for dashboard in ALL.values()
        for panel in dashboard.panels
        for query in panel.queries
        for name in selected(resolved(query.expr, window="5m", span="24h"))
    }
    from neural_hive_ml.slo.durations import expand

    for rule in (*alerts(OBJECTIVES), *recordings(OBJECTIVES)):
        shown |= selected(expand(rule.expr))
    assert [spec.name for spec in CATALOGUE if not shown & set(spec.sample_names)] == []


def test_legends_name_labels_that_their_series_keep():
    import re

    for dashboard in ALL.values():
        for panel in dashboard.panels:
            for query in panel.queries:
                for label in re.findall(r"{{(\w+)}}", query.legend):
                    by = re.findall(r"by \(([^)]*)\)", query.expr)
                    kept = {name.strip() for names in by[:1] for name in names.split(",")}
                    assert label in kept or not by, (panel.title, label)


def test_titles_are_unique_on_a_page_and_every_panel_says_what_it_shows():
    for dashboard in ALL.values():
        assert max(Counter(panel.title for panel in dashboard.panels).values()) == 1
        for panel in dashboard.panels:
            assert panel.about.endswith("."), panel.title
            assert all(a.above is None or a.above < b.above for a, b in pairwise(panel.steps) if b.above), (
                panel.title
            )


@pytest.mark.parametrize("dashboard", ALL.values(), ids=lambda dashboard: dashboard.uid)
def test_panels_lie_side_by_side_without_overlap(dashboard):
    model = grafana_model(dashboard)
    assert len({panel["id"] for panel in model["panels"]}) == len(model["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in model["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= WIDTH
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_pages_are_files_that_provisioning_reads():
    files = dashboard_files(OBJECTIVES)
    for dashboard in ALL.values():
        page = json.loads(files[f"dashboards/{dashboard.uid}.json"])
        assert page["uid"] == dashboard.uid
        assert "dashboard" not in page, "the API's form is ignored by file provisioning"
        assert None not in [
            step["value"]
            for p in page["panels"]
            if p["type"] != "row"
            for step in p["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]
        ]
    provider = yaml.safe_load(files["dashboards/provisioning/dashboards/neural-hive-ml.yaml"])
    source = yaml.safe_load(files["dashboards/provisioning/datasources/prometheus.yaml"])
    assert provider["providers"][0]["options"]["path"] == "/var/lib/grafana/dashboards"
    assert source["datasources"][0]["uid"] == "prometheus"
