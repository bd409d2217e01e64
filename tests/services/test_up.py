"""`hive-ml up`: everything runs, says where, and one signal ends all of it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from neural_hive_ml.conventions import PORTS

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("up")]
OFFSET = 21_000


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
    return [int(a) for a, b in re.findall(r"(\d+)\s+(\d+)", listed) if int(b) == pid]


def soon(pattern: str, read: Callable[[], str]) -> None:
    """Wait for what is to be read within a minute."""
    until = time.monotonic() + 60
    while not re.search(pattern, read()):
        assert time.monotonic() < until, f"no {pattern} in {read()}"
        time.sleep(0.2)


def test_everything_comes_up_and_goes_with_one_signal(tmp_path: Path, mlflow_database: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(mlflow_database.read_bytes())
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
    log = tmp_path / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "neural_hive_ml", "up", "--port-offset", str(OFFSET)],
            env={**kept, "HIVE_DATA_DIR": str(tmp_path)}, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        until = time.monotonic() + 120
        while "Ctrl-C ends all of it" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        said = log.read_text()
        assert "none, open on loopback only" in said
        for name, path in (
            ("mlflow", "/health"),
            ("guard-agents", "/health/liveness"),
            ("orchestrator-dynamic", "/health/liveness"),
            ("approval-service", "/"),
            ("console", "/"),
            ("prometheus", "/-/ready"),
            ("alertmanager", "/-/ready"),
        ):
            assert httpx.get(f"http://127.0.0.1:{PORTS[name] + OFFSET}{path}", timeout=60).status_code == 200, name
        rules = httpx.get(f"http://127.0.0.1:{PORTS['prometheus'] + OFFSET}/api/v1/rules", timeout=60).json()
        assert rules["data"]["groups"]
        # Prometheus looks for Alertmanager in its own time, and the jobs say when they are ready in their logs alone.
        known = f"http://127.0.0.1:{PORTS['prometheus'] + OFFSET}/api/v1/alertmanagers"
        soon(
            rf":{PORTS['alertmanager'] + OFFSET}/",
            lambda: str(httpx.get(known, timeout=60).json()["data"]["activeAlertmanagers"]),
        )
        soon(r"next training: \d{4}-\d\d-\d\dT02:00:00.000Z", (tmp_path / "up" / "training-job.log").read_text)
        soon("rollout-check", (tmp_path / "up" / "upkeep.log").read_text)
        children = children_of(process.pid)
        assert len(children) >= 10
        # A second one says which port is taken, and touches nothing.
        again = subprocess.run(
            [sys.executable, "-m", "neural_hive_ml", "up", "--port-offset", str(OFFSET)],
            env={**kept, "HIVE_DATA_DIR": str(tmp_path)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert again.returncode == 2
        assert "is taken" in again.stderr
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    assert code == 0, log.read_text()
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
