"""What `hive-ml train` tells scripts: 0 judged, 2 usage, 3 not enough data, 4 unreachable, 1 the rest.

Real tickets in a real store, a real MLflow on sqlite.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from tests.support.ports import closed_port
from tests.support.tickets import flights

from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.cli.exits import exit_code_of
from neural_hive_ml.cli.training_report import exit_code
from neural_hive_ml.errors import (
    ArtifactRefused,
    Conflict,
    InvalidTicket,
    NotEnoughData,
    NotFound,
    RegistryUnavailable,
    StoreUnavailable,
    TrainingFailed,
    UsageError,
)
from neural_hive_ml.flow import ModelResult, Status
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.training.request import TrainingRequest

Typed = Callable[..., tuple[int, str, str]]
VARIABLES = ("MLFLOW_TRACKING_URI", "MONGODB_URI", "CLICKHOUSE_HOST", "REDIS_URL", "HIVE_PROFILE", "HIVE_VERIFY_KEYS",
             "HIVE_SIGNING_KEY", "FLOOR_PROFILE", "CALENDAR_TIMEZONE", "ALLOW_SYNTHETIC_FALLBACK")  # fmt: skip
SCHEDULING = ("--model-type", "scheduling", "--min-samples", "500", "--floor-profile", "relative")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Path:
    """A data folder with a registry and no ticket."""
    folder = tmp_path_factory.mktemp("empty")
    shutil.copy(mlflow_database, folder / "mlflow.db")
    return folder


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Path:
    """A data folder with a registry and 3,000 flights: four days, too short for load, enough for durations."""
    folder = tmp_path_factory.mktemp("filled")
    shutil.copy(mlflow_database, folder / "mlflow.db")
    (folder / "tickets.jsonl").write_bytes(b"\n".join(encode_ticket(t) for t in flights(3_000)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIVE_DATA_DIR", str(folder))
        assert run(hive_ml, ["tickets", "import", str(folder / "tickets.jsonl")]) == 0
    return folder


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Typed]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    # Logs to stderr, as the console script has them: stdout is the command's answer.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))

    def type_in(folder: Path, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("HIVE_DATA_DIR", str(folder))
        code = run(hive_ml, ["train", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    yield type_in
    structlog.reset_defaults()


def test_0_every_asked_for_model_was_trained_and_judged(typed: Typed, filled: Path) -> None:
    """A rejected model is an answer, not a failure; so is a second one that does not beat the first."""
    code, out, err = typed(filled, *SCHEDULING, "--json")
    (model,) = json.loads(out)["models"]
    assert (code, json.loads(out)["exit_code"], model["status"], model["version"]) == (0, 0, "judged", 1)
    assert not model["promoted"]
    assert "as of the newest ticket" in err
    code, out, _ = typed(filled, *SCHEDULING, "--promote-if-better", "--allow-below-floor", "--json")
    (model,) = json.loads(out)["models"]
    assert (code, model["promoted"], model["verdict"], model["version"]) == (0, True, "PROMOTE", 2)
    code, out, _ = typed(filled, *SCHEDULING, "--promote-if-better", "--allow-below-floor")
    assert code == 0
    assert "scheduling-predictor-xgboost: REJECT" in out, "the same model again is no better than the champion"


def test_3_too_little_for_one_model_does_not_stop_the_others(typed: Typed, filled: Path) -> None:
    code, out, _ = typed(filled, "--min-samples", "500", "--json")
    status = {m["model"]: m["status"] for m in json.loads(out)["models"]}
    assert code == 3
    assert status == {
        "anomaly-detector-isolation_forest": "judged",
        "load-predictor-60m": "not_enough_data",
        "load-predictor-360m": "not_enough_data",
        "load-predictor-1440m": "not_enough_data",
        "scheduling-predictor-xgboost": "judged",
    }


def test_1_a_champion_that_is_damaged_fails_its_model_and_no_other(
    typed: Typed, filled: Path, tmp_path: Path, mlflow_database: Path
) -> None:
    """What a candidate is to beat cannot be read: that model fails, and the families after it are trained."""
    shutil.copytree(filled / "tickets", tmp_path / "tickets")
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    detector = "anomaly-detector-isolation_forest"
    assert typed(tmp_path, "--model-type", "anomaly", "--min-samples", "500")[0] == 0
    assert run(hive_ml, ["models", "promote", f"{detector}/1", "--reason", "it is to be damaged"]) == 0
    (packed,) = (tmp_path / "mlartifacts").rglob("data/artifact/golden/rows.npy")
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) // 2])
    code, out, err = typed(tmp_path, "--min-samples", "500", "--json")
    models = {m["model"]: m for m in json.loads(out[out.index("{") :])["models"]}
    broken = models.pop(detector)
    assert (code, broken["status"], broken["version"]) == (1, "failed", None)
    assert "golden/rows.npy" in broken["error"]
    assert f"anomaly: failed: {broken['error']}" in " ".join(err.split())
    assert models["scheduling-predictor-xgboost"]["status"] == "judged"
    assert {m["status"] for name, m in models.items() if name.startswith("load")} == {"not_enough_data"}


@pytest.mark.parametrize(
    "arguments", [(), ("--as-of", "newest"), ("--as-of", "2013-06-01"), ("--model-type", "load")]
)
def test_3_an_empty_store(typed: Typed, empty: Path, arguments: tuple[str, ...]) -> None:
    code, _, err = typed(empty, *arguments)
    assert code == 3
    assert "ticket" in err


def test_3_fewer_than_asked_for(typed: Typed, filled: Path) -> None:
    code, out, _ = typed(filled, "--model-type", "anomaly", "--min-samples", "5000")
    assert (code, "3,000 tickets in the window, 5,000 needed" in " ".join(out.split())) == (3, True)


def test_4_a_registry_that_does_not_answer(typed: Typed, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", closed_port())
    code, out, _ = typed(filled, *SCHEDULING, "--json")
    (model,) = json.loads(out)["models"]
    assert (code, model["status"], model["version"]) == (4, "unreachable", None)
    assert "127.0.0.1" in model["error"]


def test_4_a_ticket_store_that_does_not_answer(
    typed: Typed, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = closed_port().removeprefix("http://")
    monkeypatch.setenv("MONGODB_URI", f"mongodb://user:hunter2@{host}")
    monkeypatch.setenv("STORE_TIMEOUT_SECONDS", "0.5")
    code, out, err = typed(filled, *SCHEDULING)
    assert code == 4
    assert "hunter2" not in out + err


USAGE: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "an unknown option": (("--fast",), {}),
    "an unknown family": (("--model-type", "weather"), {}),
    "no number": (("--training-window-days", "many"), {}),
    "a window of nothing": (("--training-window-days", "0"), {}),
    "no sample at all": (("--min-samples", "0"), {}),
    "no moment": (("--as-of", "yesterday"), {}),
    "no budget": (("--hyperparameter-tuning", "--tuning-budget", "much"), {}),
    "a negative budget": (("--hyperparameter-tuning", "--tuning-budget", "-3s"), {}),
    "a budget without end": (("--hyperparameter-tuning", "--tuning-budget", "infs"), {}),
    "trials without end": (("--hyperparameter-tuning", "--tuning-budget", "inf"), {}),
    "half a trial": (("--hyperparameter-tuning", "--tuning-budget", "0.5"), {}),
    "a budget that is no number": (("--hyperparameter-tuning", "--tuning-budget", "nan"), {}),
    "another family's algorithm": (("--model-type", "anomaly", "--model-algorithm", "prophet"), {}),
    "no floor profile": (("--floor-profile", "strict"), {}),
    "no data source": (("--data-source", "excel"), {}),
    "a data source that is not set": (("--data-source", "mongodb"), {}),
    "an unknown profile": ((), {"HIVE_PROFILE": "production"}),
    "a floor profile that does not exist": ((), {"FLOOR_PROFILE": "strict"}),
    "neither true nor false": ((), {"ALLOW_SYNTHETIC_FALLBACK": "perhaps"}),
    "a time zone that does not exist": ((), {"CALENDAR_TIMEZONE": "America/Sao_Paolo"}),
    "an argument too many": (("anomaly",), {}),
}


@pytest.mark.parametrize("case", USAGE)
def test_2_bad_usage(typed: Typed, filled: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, variables = USAGE[case]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code, out, err = typed(filled, *arguments)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err


def test_3_an_algorithm_without_what_it_learns_from(typed: Typed, filled: Path) -> None:
    # Verdicts are what it learns from, and there are none.
    code, out, _ = typed(filled, "--model-type", "anomaly", "--model-algorithm", "learned", "--json")
    (model,) = json.loads(out)["models"]
    assert (code, model["status"]) == (3, "not_enough_data")
    assert "verdicts" in model["error"]


COMMANDS = {
    "judged": (0, "filled", SCHEDULING, {}),
    "usage": (2, "empty", ("--as-of", "yesterday"), {}),
    "no tickets": (3, "empty", (), {}),
    "no registry": (4, "filled", SCHEDULING, {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_the_process_ends_with_the_code(case: str, request: pytest.FixtureRequest) -> None:
    """The same through a real process, as a cron job sees it."""
    code, folder, arguments, variables = COMMANDS[case]
    plain = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    environment = {**plain, "HIVE_DATA_DIR": str(request.getfixturevalue(folder)), **variables}
    done = subprocess.run(
        [sys.executable, "-m", "neural_hive_ml", "train", *arguments],
        check=False, capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (NotEnoughData("x", have=1, need=2), 3),
        (StoreUnavailable("x"), 4),
        (RegistryUnavailable("x"), 4),
        (TrainingFailed("x"), 1),
        (NotFound("x"), 1),
        (ArtifactRefused("x"), 1),
        (Conflict("x"), 1),
        (InvalidTicket("x"), 1),
        (ValueError("a bug"), None),
    ],
)
def test_each_error_has_its_code(error: Exception, code: int | None) -> None:
    assert exit_code_of(error) == code


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ((), 0),
        (("judged", "judged"), 0),
        (("judged", "not_enough_data"), 3),
        (("not_enough_data", "failed"), 1),
        (("failed", "unreachable", "not_enough_data"), 4),
    ],
)
def test_the_gravest_answer_wins(statuses: tuple[Status, ...], code: int) -> None:
    assert exit_code([ModelResult(TrainingRequest("anomaly", 0), status) for status in statuses]) == code
