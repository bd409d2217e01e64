"""The runbooks: one for each alert, whole, and every command, query, name and link in them exists."""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
from tests.support.pages import SCRIPTS, accepted, blocks, commands, links
from tests.support.promql import selected

from neural_hive_ml.cli.generated import filled
from neural_hive_ml.conventions import PORTS
from neural_hive_ml.errors import UsageError
from neural_hive_ml.observability.catalogue import selectable_names
from neural_hive_ml.settings_table import TABLE
from neural_hive_ml.slo.render import RUNBOOKS
from neural_hive_ml.slo.rules import alerts, recordings
from neural_hive_ml.slo.spec import load_objectives

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docs" / "runbooks"
ALERTS = [alert.name for alert in alerts(load_objectives())]
PAGES = {path.stem: path for path in FOLDER.glob("*.md") if path.stem != "index"}
DOCUMENTS = [
    *PAGES.values(),
    FOLDER / "index.md",
    *(ROOT / "docs" / "slos").glob("*.md"),
    ROOT / "docs" / "metrics.md",
]
HEADINGS = ["What it means", "What to look at", "What to do", "How to know it is over"]
KNOWN = selectable_names() | {rule.record for rule in recordings(load_objectives())} | {"up", "ALERTS"}
NAMESPACES = {"neural-hive-orchestration", "neural-hive-ml", "mlflow"}
LABELS = {
    "guard-agents",
    "orchestrator-dynamic",
    "approval-service",
    "mlflow-server",
    "drift-retraining",
    "ml-model-training",
    "ledger-verify",
}
SHELL = {
    "kubectl",
    "curl",
    "hive-ml",
    "python",
    "./train_initial_models.sh",
    "redis-cli",
    "timedatectl",
    "chronyc",
    "cp",
}


def parts(page: str) -> dict[str, str]:
    found = re.split(r"^## (.*)$", page, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def test_every_alert_has_its_runbook_and_every_runbook_its_alert():
    assert set(PAGES) == set(ALERTS)
    for alert in alerts(load_objectives()):
        assert f"{RUNBOOKS}/{alert.name}/".endswith(f"/runbooks/{alert.name}/")


@pytest.mark.parametrize("name", ALERTS)
def test_a_runbook_says_what_it_means_what_to_look_at_what_to_do_and_when_it_is_over(name: str):
    page = PAGES[name].read_text()
    assert page.startswith(f"# {name}\n")
    assert list(parts(page)) == HEADINGS
    for heading, text in parts(page).items():
        words, shown = re.sub(r"```.*?```", "", text, flags=re.DOTALL).split(), list(blocks(text))
        assert len(words) + 3 * len(shown) >= 15, f"{heading}: {len(words)} words help nobody"
    assert list(blocks(parts(page)["What to look at"])), "nothing to look at"
    assert re.search(r"^1\. ", parts(page)["What to do"], re.MULTILINE), "nothing to do"


def test_no_two_runbooks_are_one_text_under_two_names():
    for heading in HEADINGS:
        said = Counter(parts(path.read_text())[heading].strip() for path in PAGES.values())
        assert max(said.values()) == 1, f"{heading}: {said.most_common(1)}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_queries_parse_and_select_what_exists(path: Path):
    for block in blocks(path.read_text()):
        if block.language == "promql":
            assert selected(block.text) <= KNOWN, block.text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_commands_are_ones_that_exist(path: Path, tmp_path: Path):
    for block in blocks(
        path.read_text().replace("/tmp/objectives.yaml", str(ROOT / "src/neural_hive_ml/slo/objectives.yaml"))
    ):
        assert block.language in {"bash", "promql"}, block
        for words in commands(block) if block.language == "bash" else ():
            assert words[0] in SHELL, words
            match words[0]:
                case "hive-ml" | "python":
                    accepted(words)
                case "./train_initial_models.sh":
                    assert (ROOT / "ml_pipelines" / "training" / words[0]).exists()
                    assert set(words[1:]) <= {"--dry-run", "--skip-validation"}
                case "kubectl":
                    kubectl(words)
                case "curl":
                    url = urlsplit(next(word for word in words if word.startswith("http")))
                    assert url.hostname in PORTS
                    assert url.port == PORTS[url.hostname], words


def kubectl(words: list[str]) -> None:
    assert words[1] in {"get", "logs", "top", "scale", "rollout", "patch", "create", "describe"}, words
    if "-n" in words:
        assert words[words.index("-n") + 1] in NAMESPACES, words
    else:
        assert "-A" in words, f"{words} looks into the default namespace"
    if "-l" in words:
        assert words[words.index("-l") + 1].removeprefix("app=") in LABELS, words


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path):
    for target in links(path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PAGES.values(), ids=lambda path: path.stem)
def test_names_in_the_text_exist(path: Path):
    page = path.read_text()
    settings = {setting.name for setting in TABLE}
    for name in re.findall(r"\b[A-Z]+_[A-Z_]+\b", page):
        assert name in settings | {"SERVICE_JOBS"}, name
    for name in re.findall(r"`(neural_hive[\w:]+|model_drift_score|ml_retraining_events_total)`", page):
        assert name in KNOWN, name
    sources = "".join(source.read_text() for source in (ROOT / "src").rglob("*.py"))
    for event in re.findall(r"`(\w+\.records_\w+|serving\.\w+|retraining\.\w+)`", page):
        assert f'"{event}"' in sources, event
    for script in re.findall(r"\b(\w+\.(?:py|sh))\b", page):
        assert script in {*SCRIPTS, "train_initial_models.sh"}
    for manifest in re.findall(r"`(k8s/[\w/.-]+)`", page):
        assert manifest in {"k8s/jobs/drift-retraining-cronjob.yaml", "k8s/jobs/ml-training-cronjob.yaml"}


def test_commands_named_in_an_alert_exist():
    from neural_hive_ml.cli.app import COMMANDS, hive_ml

    for alert in alerts(load_objectives()):
        for words in re.findall(r"hive-ml ((?:[a-z]+ ?)+)", f"{alert.action}. {alert.description}"):
            command, rest = hive_ml, words.split()
            assert rest[0] in COMMANDS, (alert.name, words)
            while rest and isinstance(command, click.Group):
                found = command.get_command(click.Context(command), rest.pop(0))
                assert found is not None, (alert.name, words)
                command = found


def test_a_wrong_command_would_be_seen():
    """The checks above can fail: otherwise their yes would mean nothing."""
    for wrong in (
        "hive-ml models undo x",
        "hive-ml models rollback anomaly-detector-isolation_forest",
        "hive-ml slo status --for x",
    ):
        with pytest.raises(click.ClickException):
            accepted(wrong.split())
    with pytest.raises(ValueError, match="unclosed"):
        selected("sum(rate(x[5m])")


def test_a_page_without_its_place_is_refused_by_name(tmp_path: Path):
    (tmp_path / "a.md").write_text("# A\n\n<!-- generated: facts -->\nold\n<!-- end of generated -->\nkept\n")
    page = filled({("a.md", "facts"): "new"}, tmp_path)["a.md"]
    assert page == "# A\n\n<!-- generated: facts -->\nnew\n<!-- end of generated -->\nkept\n"
    with pytest.raises(UsageError, match=r"a\.md has not one place for 'other'"):
        filled({("a.md", "other"): "new"}, tmp_path)
    with pytest.raises(UsageError, match=r"b\.md is missing"):
        filled({("b.md", "facts"): "new"}, tmp_path)
