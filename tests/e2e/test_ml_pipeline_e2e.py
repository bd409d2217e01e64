"""The guide's checklist as one run: train, verify in MLflow, restart guard-agents, send a test event, verify the
detection, check the metrics. Real processes, real HTTP, the commands as the guide types them.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.support.ports import free_port

from neural_hive_ml.clock import parse_instant
from neural_hive_ml.conventions import GUIDE_MODELS
from neural_hive_ml.demo.service import GuardAgentsClient, guard_agents_running
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.tickets.ticket import Ticket

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("e2e")]

ROOT = Path(__file__).resolve().parents[2]
TRAINING = ROOT / "ml_pipelines" / "training"
UNTIL = "2013-10-01"
DAYS = 42


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An embedded system with nothing in it."""
    kept = {k: v for k, v in os.environ.items() if k in {"HOME", "LANG", "TMPDIR"}}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {
        **kept,
        "PATH": path,
        "HIVE_DATA_DIR": str(tmp_path_factory.mktemp("hive")),
        "FLOOR_PROFILE": "relative",
        "OMP_NUM_THREADS": "1",
    }


def run(environment: dict[str, str], *command: str, cwd: Path = TRAINING, code: int = 0) -> str:
    """Run a command and return its standard output; another exit code than `code` fails with all it said."""
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == code, (
        f"{command} gave {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    return done.stdout


@pytest.fixture(scope="module")
def trained(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Tickets in, five models trained by the guide's command."""
    file = tmp_path_factory.mktemp("tickets") / "history.jsonl"
    until_ms = parse_instant(UNTIL)
    with file.open("wb") as out:
        for ticket in sample_tickets(until_ms - DAYS * 86_400_000, until_ms):
            out.write(encode_ticket(ticket) + b"\n")
        out.write(b'{"ticket_id": "cut off here\n')
    told = json.loads(run(environment, "hive-ml", "tickets", "import", str(file), "--json"))
    assert told["quarantined"] == 1
    assert told["read"] == told["stored"] + 1
    answer = run(
        environment, "python", "train_predictive_models.py", "--model-type", "all", "--promote-if-better",
        "--allow-below-floor", "--training-window-days", str(DAYS), "--as-of", UNTIL, "--json",
    )  # fmt: skip
    results = {m["model"]: m for m in json.loads(answer)["models"]}
    assert set(results) == set(GUIDE_MODELS)
    assert all(m["status"] == "judged" and m["promoted"] for m in results.values()), answer
    return environment


@pytest.fixture(scope="module")
def service(trained: dict[str, str]) -> Iterator[GuardAgentsClient]:
    """guard-agents, started, ended and started again."""
    settings = load_settings(trained)
    with guard_agents_running(settings) as first:
        pid = first.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with guard_agents_running(settings) as again:
        yield again


def test_the_guides_snippet_prints_production_versions(trained: dict[str, str]) -> None:
    snippet = """
from mlflow.tracking import MlflowClient
client = MlflowClient()
for model in ['anomaly-detector-isolation_forest', 'scheduling-predictor-xgboost']:
    versions = client.get_latest_versions(model, stages=['Production'])
    print(f"{model}: v{versions[0].version if versions else 'N/A'}")
"""
    # As a person would: eval "$(hive-ml env)" first.
    shown = run(trained, "bash", "-c", 'eval "$(hive-ml env)"; python -W ignore -c "$0"', snippet, cwd=ROOT)
    assert shown.splitlines() == ["anomaly-detector-isolation_forest: v1", "scheduling-predictor-xgboost: v1"]


def test_models_list_takes_the_filter_of_the_guide(trained: dict[str, str]) -> None:
    shown = run(trained, "hive-ml", "models", "list", "--filter", "name LIKE 'anomaly%'", "--json")
    assert {m["name"] for m in json.loads(shown)} == {"anomaly-detector-isolation_forest"}


def test_the_initial_training_script_validates_and_counts(trained: dict[str, str]) -> None:
    shown = run(trained, "./train_initial_models.sh", "--dry-run")
    assert "5/5 models in" in " ".join(shown.split()).replace("│ ", "")


def one_flight() -> Ticket:
    """A completed ticket of the day after the training."""
    since = parse_instant(UNTIL)
    return next(
        t for t in sample_tickets(since, since + 86_400_000) if t.status == "COMPLETED" and t.actual_duration_ms
    )


def test_a_stuck_ticket_is_detected_and_a_usual_one_is_not(service: GuardAgentsClient) -> None:
    usual = one_flight()
    assert usual.actual_duration_ms is not None
    assert usual.started_at is not None
    slow = usual.actual_duration_ms * 40
    stuck = replace(usual, ticket_id="stuck", actual_duration_ms=slow, completed_at=usual.started_at + slow)
    answers = service.score([usual, stuck])
    assert [a["is_anomaly"] for a in answers] == [False, True]
    assert all(0 <= a["anomaly_score"] <= 1 for a in answers)
    found = answers[1]
    assert found["anomaly_type"] in {"duration_outlier", "timeout_risk"}
    assert "median" in found["explanation"]
    assert found["severity"] in {"high", "critical"}
    assert (found["model_name"], found["model_version"]) == ("anomaly-detector-isolation_forest", 1)
    single = service.http.post("/api/v1/tickets/score", content=encode_ticket(stuck))
    assert single.json()["anomaly_score"] == found["anomaly_score"]


def test_the_guides_metrics_are_there(service: GuardAgentsClient) -> None:
    service.score([one_flight()])
    text = service.metrics()
    counted = re.search(
        r'^anomaly_detection_total\{(?=[^}]*model_type="isolation_forest")(?=[^}]*is_anomaly="false")[^}]*\} (\S+)',
        text,
        re.MULTILINE,
    )
    assert counted
    assert float(counted.group(1)) >= 1
    for family in ("anomaly_detection_latency_seconds", "model_drift_score", "ml_retraining_events_total"):
        assert f"# HELP {family} " in text


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"task_type": "PAINT"}, 422, "task_type"),
        ({"completed_at": 1, "actual_duration_ms": None}, 422, "completed_at"),
        ({"parameters": {"blob": "x" * 5_000_000}}, 413, "bytes"),
    ],
    ids=["wrong enum", "ended before created", "5 MB of parameters"],
)
def test_bad_tickets_get_a_clear_answer(
    service: GuardAgentsClient, change: dict[str, object], status: int, says: str
) -> None:
    document = {**json.loads(encode_ticket(one_flight())), **change}
    answer = service.http.post("/api/v1/tickets/score", json=document)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert says in problem["detail"] + problem.get("field", "")
    assert problem["remedy"]


def test_liveness_does_not_ask_for_a_model(service: GuardAgentsClient) -> None:
    assert service.http.get("/health/liveness").status_code == 200
    ready = service.http.get("/health/readiness")
    assert ready.status_code == 200
    assert ready.json()["model"]["golden_rows"] > 0


def test_the_drift_job_checks_once_and_says_what_it_would_do(trained: dict[str, str]) -> None:
    shown = run(
        trained, "python", "drift_triggered_retraining.py", "--check-once", "--dry-run", "--as-of", UNTIL, "--json"
    )
    told = json.loads(shown)
    assert {c["model"] for c in told["checked"]} == set(GUIDE_MODELS)
    assert all(c["status"] in {"ok", "drift", "insufficient_data"} for c in told["checked"])


def test_the_guides_evidently_monitor_renews_the_reference(trained: dict[str, str]) -> None:
    snippet = (
        "from neural_hive_specialists.drift_monitoring.evidently_monitor import EvidentlyMonitor, config\n"
        "monitor = EvidentlyMonitor(config)\n"
        "monitor.update_reference_data()\n"
    )
    run(trained, "python", "-W", "ignore", "-c", snippet)
    shown = run(trained, "hive-ml", "ledger", "list", "--json")
    assert "reference" in {event["kind"] for event in json.loads(shown)}


def test_an_unready_service_says_why_and_keeps_trying(environment: dict[str, str], tmp_path: Path) -> None:
    empty = {**environment, "HIVE_DATA_DIR": str(tmp_path)}
    port = str(free_port())
    command = [sys.executable, "-m", "neural_hive_ml", "serve", "guard-agents", "--port", port]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=empty, stdout=log, stderr=log)
        try:
            answer = _until_it_answers(f"http://127.0.0.1:{port}/health/readiness")
        finally:
            process.terminate()
            process.wait(10)
    assert answer.status_code == 503
    assert "no version in Production" in answer.json()["failure"]
    said = (tmp_path / "log").read_text()
    assert "Failed to load model from MLflow" in said
    assert "train_predictive_models.py" in said


def _until_it_answers(url: str) -> httpx.Response:
    transport = httpx.HTTPTransport(retries=0)
    with httpx.Client(transport=transport, timeout=5.0) as http:
        for _ in range(200):
            try:
                answer = http.get(url)
                if answer.json().get("failure"):
                    return answer
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise AssertionError(f"{url} never answered")
