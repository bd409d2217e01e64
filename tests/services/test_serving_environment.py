"""The services run on requirements-serving.lock alone: what the image holds, and nothing that trains."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.otlp_receiver import running_collector
from tests.support.ports import free_port
from tests.support.trained import anomaly_candidate, generated_tickets

from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.registry.promotion import promote
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.tickets.encode import encode_ticket

pytestmark = [
    pytest.mark.services,
    pytest.mark.slow,
    # The first test waits for two installations too.
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("serving-environment"),
]
ROOT = Path(__file__).resolve().parents[2]
# The targets of the images: guard-agents ready within 2 s, under 250 MB (twice the time for a busy test machine).
READY_SECONDS = 4.0
MOST_RSS_KB = 250_000


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the serving lock and the package without its dependencies."""
    folder = tmp_path_factory.mktemp("serving") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "-q",
        "--retries",
        "10",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements-serving.lock")], check=True)
    # From a copy, as the image builds it: a build leaves files beside its sources.
    copy = folder.parent / "source"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    subprocess.run([*pip, "--no-deps", str(copy)], check=True)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Path:
    """A data folder in which a detector is in Production."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "mlflow.db").write_bytes(mlflow_database.read_bytes())
    registry = MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder)
    candidate = anomaly_candidate()
    version = registry.register(candidate.model, candidate.evaluation, Verdict(Outcome.PROMOTE, ("test",)), {})
    promote(registry, MemoryStateStore(), version, actor="test", reason="test", at_ms=1)
    return folder


Started = tuple["subprocess.Popen[bytes]", str, float]


@pytest.fixture(scope="module")
def service(environment: Path, data: Path) -> Iterator[Started]:
    """guard-agents from that environment: process, address, seconds until it was ready.

    Started again for two minutes, since a neighbour's work is in the seconds too.
    """
    give_up = time.monotonic() + 120
    while True:
        process, address, seconds = started(environment, data)
        if seconds < READY_SECONDS or time.monotonic() > give_up:
            break
        process.kill()
        process.wait()
        time.sleep(5)
    try:
        yield process, address, seconds
    finally:
        process.kill()
        process.wait()


def started(environment: Path, data: Path, **more: str) -> Started:
    port = free_port()
    kept = {"PATH": "/usr/bin:/bin", "HOME": str(data), "HIVE_DATA_DIR": str(data), **more}
    began = time.monotonic()
    process = subprocess.Popen(
        [str(environment / "bin" / "hive-ml"), "serve", "guard-agents", "--port", str(port)],
        env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=data,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    while time.monotonic() - began < 30:
        try:
            if httpx.get(f"{address}/health/readiness").status_code == 200:
                break
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    return process, address, time.monotonic() - began


def test_it_is_ready_soon_and_small(service: Started) -> None:
    process, address, seconds = service
    assert seconds < READY_SECONDS
    answer = httpx.post(
        f"{address}/api/v1/tickets/score", content=encode_ticket(generated_tickets()[900]), timeout=60
    )
    assert answer.status_code == 200
    assert answer.json()["degraded"] is False
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    assert int(found.group(1)) < MOST_RSS_KB


def test_nothing_that_trains_is_installed(environment: Path) -> None:
    site = next((environment / "lib").glob("python3*/site-packages"))
    for name in ("sklearn", "pandas", "mlflow", "xgboost", "prophet", "evidently", "scipy", "matplotlib"):
        assert not (site / name).exists()


def test_a_signal_ends_it_with_exit_code_0(service: Started) -> None:
    process, _, _ = service
    process.terminate()
    assert process.wait(15) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_collector_s_address_is_all_that_spans_need(environment: Path, data: Path) -> None:
    with running_collector() as collector:
        process, address, _ = started(environment, data, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        try:
            assert httpx.get(f"{address}/health", timeout=60).status_code == 200
            process.terminate()
            assert process.wait(15) == 0
        finally:
            process.kill()
            process.wait()
    assert "GET /health" in {span.name for span in collector.spans}
