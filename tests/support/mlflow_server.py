"""A real `mlflow server` process."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port

START_SECONDS = 90


def laid_out(file: Path) -> Path:
    """Make a sqlite file with MLflow's tables."""
    from neural_hive_ml.registry.mlflow_client import open_client

    open_client(f"sqlite:///{file}")
    return file


@contextmanager
def running_mlflow(folder: Path, database: Path | None = None, seconds: float = START_SECONDS) -> Iterator[str]:
    """Run a server on sqlite (a copy of `database`) with its artifact proxy, and yield its URI."""
    folder.mkdir(parents=True, exist_ok=True)
    if database is not None:
        shutil.copy(database, folder / "mlflow.db")
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    # Job execution starts nine more processes (2 GB); nothing here uses them.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        wait_for_mlflow(process, f"http://127.0.0.1:{port}/health", folder / "server.log", seconds)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=20)
        log.close()


@contextmanager
def shared_mlflow(folder: Path, database: Path) -> Iterator[str]:
    """Yield the URI of a server that tests share: that of MLFLOW_TEST_URI, else one of our own."""
    given = os.environ.get("MLFLOW_TEST_URI")
    if given:
        yield given
        return
    with running_mlflow(folder, database) as uri:
        yield uri


def wait_for_mlflow(
    process: "subprocess.Popen[bytes]", address: str, log: Path, seconds: float = START_SECONDS
) -> None:
    """Return once a server answers; raise with the end of its log when it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"mlflow server ended with {process.returncode}: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"mlflow server did not answer in {seconds:g} s: {log.read_text()[-2000:]}")
