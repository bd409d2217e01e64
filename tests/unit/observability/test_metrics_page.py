"""docs/metrics.md names every metric, every closed label value, every older name."""

import subprocess

import pytest

from neural_hive_ml.observability.catalogue import CATALOGUE
from neural_hive_ml.observability.metrics import approval_metrics, guard_agents_metrics, orchestrator_metrics
from neural_hive_ml.observability.metrics_page import SECTIONS, metrics_page


def test_the_page_holds_the_whole_catalogue():
    assert tuple(spec for _, specs in SECTIONS for spec in specs) == CATALOGUE
    page = metrics_page()
    for spec in CATALOGUE:
        assert f"| `{spec.name}` |" in page
        for alias in spec.aliases:
            assert f"`{alias.name}`" in page
        for label in spec.labels:
            for value in label.values:
                assert f"`{value}`" in page


def test_every_table_row_has_as_many_cells_as_its_head():
    for block in metrics_page().split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) <= 1, block[:200]


@pytest.mark.parametrize("metrics", [guard_agents_metrics, orchestrator_metrics, approval_metrics])
def test_promtool_finds_no_fault_in_what_services_export(metrics):
    said = subprocess.run(
        ["promtool", "check", "metrics"], input=metrics().exposition(), capture_output=True, check=False
    )
    assert said.stderr.decode() == ""
