"""Every expression of the dashboards run by a real Prometheus that holds a week of data: each returns series."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from click.testing import CliRunner
from tests.guide.blocks import GUIDES, ROOT, PageBlock, blocks_of
from tests.support.prometheus_server import running_demo
from tests.support.promql import selected

from neural_hive_ml.cli.app import hive_ml
from neural_hive_ml.dashboards.files import dashboards
from neural_hive_ml.dashboards.panel import resolved
from neural_hive_ml.slo.prometheus import Prometheus, QueryRefused
from neural_hive_ml.slo.spec import load_objectives

pytestmark = [
    pytest.mark.services,
    pytest.mark.xdist_group("prometheus"),
]
OBJECTIVES = load_objectives()
QUERIES = [
    pytest.param(query.expr, panel.kind, id=f"{dashboard.uid}: {panel.title} {number}")
    for dashboard in dashboards(OBJECTIVES)
    for panel in dashboard.panels
    for number, query in enumerate(panel.queries)
]
DOCUMENTED = [
    block for page in sorted((ROOT / "docs").rglob("*.md")) for block in blocks_of(page)
    if block.language == "promql" and page.name != "guide-blocks.md" and page not in GUIDES
]  # fmt: skip


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running_demo(tmp_path_factory.mktemp("prometheus")) as url, httpx.Client(timeout=20) as client:
        yield Prometheus(url, client)


@pytest.mark.parametrize(("expr", "kind"), QUERIES)
def test_each_expression_returns_series(prometheus: Prometheus, expr: str, kind: str):
    now = time.time()
    written = resolved(expr, window="5m", span="24h")
    if kind in {"stat", "gauge", "table", "ranking"}:
        found = prometheus.instant(written)
    else:
        found = prometheus.range(written, now - 86_400, now, 120)
    assert found, written
    assert all(point == point for series in found for _, point in series.points[-1:]), "NaN is no figure"


@pytest.mark.parametrize("block", DOCUMENTED, ids=lambda block: block.id)
def test_each_query_of_a_document_is_answered(prometheus: Prometheus, block: PageBlock):
    """Whether it finds anything depends on what is wrong; that what it selects exists does not."""
    for expression in filter(None, block.commands.split("\n\n")):
        prometheus.instant(expression)
        for name in selected(expression) - {"ALERTS"}:
            assert prometheus.instant(f"last_over_time({name}[1h])"), name


def test_marks_of_the_pages_are_found_in_the_past(prometheus: Prometheus):
    now = time.time()
    for dashboard in dashboards(OBJECTIVES)[:2]:
        for mark in dashboard.marks:
            assert prometheus.range(mark.expr, now - 86_400, now, 60), mark.name


def test_slo_status_reads_the_recorded_figures(prometheus: Prometheus):
    result = CliRunner().invoke(
        hive_ml, ["slo", "status", "--prometheus", prometheus.url, "--json"], standalone_mode=False
    )
    found = {one["objective"]: one for one in json.loads(result.output)}
    assert {slug: one["standing"] for slug, one in found.items()} == dict.fromkeys(found, "kept")
    assert result.return_value == 0
    assert found["f1_score"]["value"] == pytest.approx(0.81, abs=0.06)
    assert 0.99 < found["availability"]["value"] < 1
    assert found["availability"]["budget_remaining_percent"] == pytest.approx(
        100 * (1 - (1 - found["availability"]["value"]) / 0.005), abs=2
    )


def test_a_wrong_query_is_refused_by_name(prometheus: Prometheus):
    with pytest.raises(QueryRefused, match="unclosed left parenthesis"):
        prometheus.instant("sum(up")
    assert prometheus.instant("42")[0].value == 42
