"""Every block of every other document: shell commands are ones that can work, Python compiles and its names import, PromQL
selects what exists, YAML and JSON are read and compared. A block that no check handles fails, and none escapes.

The guide itself is run: test_guide.py. PromQL is run in tests/services/test_dashboards_live.py.
"""

import ast
import json
from importlib import import_module
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from tests.guide.blocks import GUIDES, LANGUAGES, ROOT, PageBlock, blocks_of, fences_of
from tests.guide.commands import NoSuch, check_block
from tests.guide.page import PAGE
from tests.support.promql import selected

from neural_hive_ml.observability.catalogue import selectable_names
from neural_hive_ml.slo.rules import recordings
from neural_hive_ml.slo.spec import load_objectives

PAGES = sorted({*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")} - {*GUIDES, PAGE})
BLOCKS = [block for page in PAGES for block in blocks_of(page)]
KNOWN = selectable_names() | {rule.record for rule in recordings(load_objectives())} | {"up", "ALERTS"}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.id)
def test_block(block: PageBlock) -> None:
    match block.language:
        case "bash" | "sh":
            check_block(block.text)
        case "python":
            _python(block.text)
        case "promql":
            assert selected(block.text) <= KNOWN
        case "yaml":
            _yaml(block)
        case "json":
            json.loads(block.text)
        case "" | "text":
            assert block.text.strip()
        case _:
            pytest.fail(f"{block.id}: no check for {block.language!r}; there are {', '.join(LANGUAGES)}")


def _python(text: str) -> None:
    """It compiles, and what it imports from anywhere exists. Doctest prompts are cut."""
    lines = text.splitlines()
    if any(line.startswith(">>> ") for line in lines):
        lines = [line[4:] for line in lines if line.startswith((">>> ", "... "))]
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Import):
            for name in node.names:
                import_module(name.name)
        if isinstance(node, ast.ImportFrom) and node.module:
            module = import_module(node.module)
            for name in node.names:
                assert hasattr(module, name.name) or import_module(f"{node.module}.{name.name}"), name.name


def _yaml(block: PageBlock) -> None:
    for document in yaml.safe_load_all(block.text):
        if isinstance(document, dict) and {"apiVersion", "kind"} <= set(document):
            kubernetes_validate.validate(document, "1.33", strict=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_block_escapes(page: Path) -> None:
    assert len(list(blocks_of(page))) == fences_of(page)


@pytest.mark.parametrize(
    "wrong",
    [
        "mlflow models list",
        "hive-ml models undo x",
        "kubectl logs -n neural-hive-ml -l app=orchestrator-dynamic",
        "kubectl get pods",
        "kubectl scale deployment orchestrator -n neural-hive-orchestration --replicas=3",
        "curl -s http://approval-service:8080/health",
        "make everything",
        "pytest tests/e2e/test_nothing.py",
        "python -m benchmarks.nothing",
        "python train_predictive_models.py --model-type anomalies",
        "echo yes && brew install x",
        "if true; then",
    ],
)
def test_a_wrong_command_would_be_seen(wrong: str) -> None:
    """The checks can fail: otherwise their yes would mean nothing."""
    import click

    with pytest.raises((NoSuch, click.ClickException)):
        check_block(wrong)
