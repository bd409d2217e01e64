"""`hive-ml models` as people type it, over a real MLflow registry on sqlite."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.registry import duration_model, evaluation, verdict

from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.conventions import CHAMPION
from neural_hive_ml.evaluation.card import card_files
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.figure import Figure
from neural_hive_ml.evaluation.verdict import Metric
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.registry.sign import Signer, key_id
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.training.request import Candidate

NAME = "scheduling-predictor-xgboost"
Typed = Callable[..., tuple[int, str, str]]


def candidate(model: PackedModel, error: float) -> Candidate:
    truth = np.linspace(1000.0, 9000.0, 400)
    cases = HoldoutCases("scheduling", "same", truth, truth + error, np.arange(400) // 10)
    figure = Figure("Predicted against actual", "scatter", {"actual": truth, "predicted": cases.predicted})
    mae = Metric("mae", abs(error), 400, abs(error) * 0.9, abs(error) * 1.1, "ms", higher_is_better=False)
    measured = evaluation(model.name)
    measured = replace(measured, primary="mae", metrics=(mae, *measured.metrics))
    return Candidate(model, measured, cases, (figure,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Path:
    folder = tmp_path_factory.mktemp("data")
    shutil.copy(mlflow_database, folder / "mlflow.db")
    registry = MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder)
    for seed, error in ((1, 500.0), (2, 400.0)):
        made = candidate(duration_model(seed=seed), error)
        registry.register(made.model, made.evaluation, verdict(), card_files(made, verdict()))
    return folder


@pytest.fixture
def typed(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    for name in ("MLFLOW_TRACKING_URI", "MONGODB_URI", "HIVE_PROFILE", "HIVE_VERIFY_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HIVE_DATA_DIR", str(folder))
    monkeypatch.setenv("COLUMNS", "200")

    def type_in(*arguments: str) -> tuple[int, str, str]:
        code = run(hive_ml, ["models", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_in


def test_the_champion_s_life(typed: Typed, folder: Path) -> None:
    assert typed("production")[0] == 5
    code, out, _ = typed("promote", f"{NAME}/1", "--reason", "first", "--actor", "ana")
    assert (code, out) == (0, f"{NAME}: version 1 is the champion, was None\n")
    typed("promote", f"{NAME}/2", "--reason", "better", "--actor", "ana")
    code, out, _ = typed("rollback", NAME, "--pin", "--reason", "slow on Mondays", "--json", "--actor", "bea")
    assert code == 0
    assert json.loads(out)["version"] == 1
    code, _, err = typed("promote", f"{NAME}/2", "--reason", "again")
    assert (code, "pinned to version 1 by bea: slow on Mondays" in err, "unpin" in err) == (1, True, True)
    assert typed("unpin", NAME, "--reason", "mended")[0] == 0
    assert typed("promote", f"{NAME}/2", "--reason", "again")[0] == 0
    assert typed("challenge", f"{NAME}/1", "--reason", "shadow")[0] == 0

    rows = {v["version"]: v for v in json.loads(typed("list", "--json", "--all")[1])}
    assert rows[2]["aliases"] == ["champion"]
    assert rows[2]["stage"] == "Production"
    assert rows[1]["aliases"] == ["challenger", "previous"]
    registry = MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder)
    champion = registry.resolve(NAME, CHAMPION)
    assert champion is not None
    assert champion.version == 2


def test_every_move_is_in_the_ledger_with_its_reason(typed: Typed, folder: Path) -> None:
    typed("promote", f"{NAME}/1", "--reason", "for the ledger", "--actor", "ana")
    state = EmbeddedStateStore(folder / "state.db")
    events = Ledger(state).about(NAME)
    state.close()

    assert (events[-1].actor, events[-1].payload["reason"], events[-1].payload["version"]) == (
        "ana",
        "for the ledger",
        1,
    )


def test_lists_follow_the_filter(typed: Typed) -> None:
    assert NAME in typed("list", "--filter", "name LIKE 'scheduling%'")[1]
    code, out, _ = typed("list", "--filter", "name LIKE 'anomaly%'")
    assert (code, "nothing is registered" in out) == (0, True)
    assert typed("list", "--filter", "stage = 'Production'")[0] == 2


def test_production_counts_and_names_the_next_step(typed: Typed) -> None:
    code, out, _ = typed("production")
    lines = out.splitlines()

    assert code == 5
    assert lines[0].startswith("Modelos em Production: ")
    assert lines[0].endswith("/5")
    assert any("--model-type anomaly --promote-if-better" in line for line in lines[1:])
    assert json.loads(typed("production", "--json")[1])["exit_code"] == 5


def test_show_prints_the_card_and_writes_the_page(typed: Typed, tmp_path: Path) -> None:
    code, out, _ = typed("show", f"{NAME}/1", "--html", str(tmp_path / "card.html"))

    assert code == 0
    for words in ("Figures", "Floors", "Limits", "hive-ml train", "PROMOTE"):
        assert words in out
    page = (tmp_path / "card.html").read_text()
    assert "data:image/svg+xml;base64," in page
    document = json.loads(typed("show", f"{NAME}/1", "--json")[1])
    assert document["judgement"]["evaluation"]["primary"] == "mae"


def test_compare_is_paired_on_the_same_cases(typed: Typed) -> None:
    code, out, _ = typed("compare", f"{NAME}/1", f"{NAME}/2")
    assert code == 0
    assert "On the same 400 cases version 2 is 20.0% better than version 1 in mae" in out

    paired = json.loads(typed("compare", f"{NAME}/2", f"{NAME}/1", "--json")[1])["paired"]
    assert paired["gain"] == pytest.approx(-0.25)
    assert paired["low"] <= paired["gain"] <= paired["high"]


def test_verify_says_what_was_checked(typed: Typed) -> None:
    code, out, _ = typed("verify", f"{NAME}/2")

    assert code == 0
    assert "golden rows reproduced" in out


def test_unsigned_versions_do_not_go_live_where_keys_are_set(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:

    key = Ed25519PrivateKey.generate()
    monkeypatch.setenv("HIVE_VERIFY_KEYS", Signer(key_id(key.public_key()), key).public_pem())

    for arguments in (("verify", f"{NAME}/2"), ("promote", f"{NAME}/2", "--reason", "x")):
        code, _, err = typed(*arguments)
        assert (code, "not signed" in err) == (1, True)


def test_prune_keeps_what_is_needed(typed: Typed) -> None:
    # Whatever tests came before: one version is the champion and the other the one before it.
    for version in (1, 2):
        typed("promote", f"{NAME}/{version}", "--reason", "both are needed")
    code, out, _ = typed("prune", "--keep", "1", "--days", "0", "--dry-run", "--json")

    assert code == 0
    assert json.loads(out) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "nobody"), 1, "not in the registry"),
        (("show", f"{NAME}/99"), 1, "not in the registry"),
        (("show", "a b"), 2, "names no model"),
        (("rollback", "nobody", "--reason", "x"), 1, "no previous champion"),
        (("promote", NAME), 2, "--reason"),
    ],
)
def test_mistakes_say_what_to_do(typed: Typed, arguments: tuple[str, ...], code: int, words: str) -> None:
    got, _, err = typed(*arguments)

    assert (got, words in err) == (code, True)
