"""Every block of the guide, run against a live platform: the original's (corrected where it could not work), ours in
Portuguese and in English. A block that no runner handles fails. Blocks that say the same run once.
"""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml
from tests.guide.blocks import GUIDES, LANGUAGES, ORIGINAL, ROOT, PageBlock, blocks_of, fences_of
from tests.guide.corrections import CORRECTIONS, PYTHON_BEGINS, corrected
from tests.guide.page import PAGE, guide_page
from tests.guide.system import Platform, running_platform
from tests.support.promql import selected

from neural_hive_ml.conventions import GUIDE_MODELS
from neural_hive_ml.slo.prometheus import Prometheus

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("guide")]
BLOCKS = [block for page in GUIDES for block in blocks_of(page)]


def working(block: PageBlock) -> PageBlock:
    """Return a block in the form that works; that of our own pages is the one they have."""
    text = corrected(block.text) if block.page == ORIGINAL else block.text
    return PageBlock(block.page, block.number, block.language, text)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[Platform]:
    with running_platform(tmp_path_factory.mktemp("guide"), mlflow_database) as running:
        yield running


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.id)
def test_block(platform: Platform, block: PageBlock) -> None:
    block = working(block)
    match block.language:
        case "bash":
            _shell(platform, block)
        case "python":
            _prints_versions(platform.python(block.commands).out)
        case "promql":
            _query(platform, block)
        case "yaml":
            _manifest(block)
        case "":
            assert "│" in block.text, "a block without a language is a drawing"
        case _:
            pytest.fail(f"{block.id}: no runner for {block.language!r}; there are {', '.join(LANGUAGES[:-1])}")


def _shell(platform: Platform, block: PageBlock) -> None:
    shell, _, python = block.text.partition(PYTHON_BEGINS)
    text = PageBlock(block.page, block.number, "bash", shell).commands
    for series in re.findall(r"query\?query=([\w:]+)", text):
        with httpx.Client(timeout=20) as client:
            assert _found(Prometheus(platform.url("prometheus"), client), series), series
    said = platform.bash(text)
    assert said.code == 0, f"exit code {said.code}\n{said.out[-2000:]}\n{said.err[-3000:]}"
    if python:
        _prints_versions(platform.python(python).out)
    for what, shown in _EXPECTED.items():
        if what in text:
            assert re.search(shown, said.out), f"{what} did not show {shown}:\n{said.out[-3000:]}"
    if "/api/v1/query?" in text:
        # With jq each answer is spread over lines; every query must have found series.
        answers = [a for a in _documents(said.out) if "data" in a]
        assert answers
        assert all(answer["data"]["result"] for answer in answers), said.out


# Part of a command -> what its standard output must show.
_EXPECTED = {
    "./train_initial_models.sh\n": "Modelos em Production: 5/5",
    "--dry-run": "dry run: nothing was trained",
    "hive-ml models list": GUIDE_MODELS[0],
    "Production versions:": r"Production versions: \['?\d+'?\]",
    "| grep drift": r"serving\.drift_(checked|unknown)",
    "| grep serving.": r"serving\.model_swapped",
    "/api/v1/feedback/health": '"status"',
    "pytest tests/e2e": r"collected \d+ items(.*\n)*.*test_ml_pipeline_e2e",
    "hive-ml retraining status": "policy: score > 0.2",
}


def _documents(text: str) -> Iterator[dict[str, Any]]:
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            document, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            at = text.find("{", at + 1)
            continue
        yield document
        at = text.find("{", end)


def _prints_versions(out: str) -> None:
    assert re.fullmatch(
        r"anomaly-detector-isolation_forest: v\d+\nscheduling-predictor-xgboost: v\d+\n", out
    ), out  # fmt: skip


def _query(platform: Platform, block: PageBlock) -> None:
    """Each expression is answered with series; a rate needs two scrapes, a rule an evaluation."""
    with httpx.Client(timeout=20) as client:
        prometheus = Prometheus(platform.url("prometheus"), client)
        for expression in filter(None, block.commands.split("\n")):
            assert selected(expression)
            assert _found(prometheus, expression), expression


def _found(prometheus: Prometheus, expression: str) -> bool:
    until = time.monotonic() + 60
    while not (found := prometheus.instant(expression)) and time.monotonic() < until:
        time.sleep(0.5)
    return bool(found)


def _manifest(block: PageBlock) -> None:
    document = yaml.safe_load(block.text)
    if "kind" in document:
        kubernetes_validate.validate(document, "1.33", strict=True)
        template = next(yaml.safe_load_all((ROOT / "k8s/secrets/ml-training-secrets.example.yaml").read_text()))
        assert document.items() <= {**template, "stringData": document["stringData"]}.items()
        assert document["stringData"].items() <= template["stringData"].items()
        return
    file = re.search(r"# (k8s/\S+)", block.text)
    assert file, "YAML names its file in its first line, or is a whole manifest"
    assert document.items() <= yaml.safe_load((ROOT / file[1]).read_text())["spec"].items()


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_no_block_escapes(page: Path) -> None:
    assert len(list(blocks_of(page))) == fences_of(page)


def test_every_correction_is_needed_and_listed() -> None:
    original, listed = ORIGINAL.read_text(), (ROOT / "docs" / "compatibility.md").read_text().replace("\\|", "|")
    for one in CORRECTIONS:
        assert one.original in original
        assert one.original.strip() in listed, one.original
        assert one.working.strip() in listed, one.working


def test_our_guide_has_the_originals_sections_and_commands() -> None:
    """Whoever knows the original finds each of its commands in ours, in both languages."""
    bare = [re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL) for page in GUIDES]
    headings = [re.findall(r"^#+ ", text, re.MULTILINE) for text in bare]
    assert headings[0] == headings[1] == headings[2]
    ours = [{b.commands for b in blocks_of(page)} for page in GUIDES[1:]]
    for block in map(working, blocks_of(ORIGINAL)):
        if block.language == "bash":
            shell = block.text.partition(PYTHON_BEGINS)[0]
            commands = PageBlock(block.page, block.number, "bash", shell).commands
            assert all(commands in page for page in ours), commands


def test_the_list_of_blocks_is_up_to_date() -> None:
    """`python -m tests.guide.page` writes it."""
    assert PAGE.read_text(encoding="utf-8") == guide_page()
