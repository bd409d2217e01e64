"""A serving process holds NumPy and packed arrays: no trainer, no data frames, no registry client."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "sklearn", "pandas", "prophet", "evidently", "mlflow", "matplotlib", "optuna", "xgboost", "scipy", "pyarrow", "skops",
    "opentelemetry",
    "neural_hive_ml.training", "neural_hive_ml.flow", "neural_hive_ml.retraining",
)  # fmt: skip
_TELL = "import json, sys; print(json.dumps(sorted(sys.modules)))"
# As `hive-ml serve SERVICE` starts, up to the socket: the app is wired, asked once, and not served.
_START = """
import neural_hive_ml.serving.run as run

def ask(app, *_):
    from starlette.testclient import TestClient
    with TestClient(app) as client:
        assert client.get("/health/liveness").status_code == 200
        assert client.get("/health/readiness").status_code == 503
        assert client.get("/metrics").status_code == 200

run.run_app = ask
from neural_hive_ml.cli.app import hive_ml, run as type_in
assert type_in(hive_ml, ["serve", "SERVICE", "--port", "0"]) == 0
"""


def modules_after(program: str, folder: Path) -> set[str]:
    environment = {"HIVE_DATA_DIR": str(folder), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    command = [sys.executable, "-c", f"{program}\n{_TELL}"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment, cwd=folder, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


_SCORERS = """
import neural_hive_ml.serving.slot
from neural_hive_ml.scoring import anomaly, duration, load, load_scorer
"""
PROGRAMS = {
    "guard-agents": "import neural_hive_ml.serving.guard_agents.app",
    "orchestrator-dynamic": "import neural_hive_ml.serving.orchestrator.app",
    "the scorers": _SCORERS,
    "hive-ml serve guard-agents": _START.replace("SERVICE", "guard-agents"),
    "hive-ml serve orchestrator-dynamic": _START.replace("SERVICE", "orchestrator-dynamic"),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_serving_process_holds_no_trainer(program: str, tmp_path: Path) -> None:
    held = modules_after(program, tmp_path)
    assert "numpy" in held
    assert "neural_hive_ml.scoring.anomaly" in held
    assert [name for name in HEAVY if name in held] == []


def test_the_check_would_see_a_trainer(tmp_path: Path) -> None:
    assert "neural_hive_ml.training" in modules_after("import neural_hive_ml.training.split", tmp_path)
