"""Servers to compare with, each with the same forest over the same rows: `mlflow models serve`, MLServer."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

MLSERVER = Path(__file__).parents[1] / ".tools" / "peers" / "bin"


@contextmanager
def running(
    command: list[str], ready: str, folder: Path, **environment: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server until the block ends; wait for its address `ready`."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, "OMP_NUM_THREADS": "1", **environment}, stdout=log, stderr=log, cwd=folder
        )
        try:
            give_up = time.monotonic() + 180
            while not _answers(ready):
                if process.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(
                        f"{command[0]} did not start: {(folder / 'server.log').read_text()[-2000:]}"
                    )
                time.sleep(0.2)
            yield process
        finally:
            process.terminate()
            process.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


@contextmanager
def mlflow_serving(forest: Any, folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Yield the address of /invocations of `mlflow models serve`, one worker."""
    import mlflow.sklearn

    trusted = ["sklearn.tree._tree.Tree", "numpy.dtype"]
    mlflow.sklearn.save_model(forest, str(folder / "model"), pip_requirements=[], skops_trusted_types=trusted)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        str(folder / "model"),
        "--env-manager",
        "local",
    ]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with running(command, f"http://127.0.0.1:{port}/ping", folder) as process:
        yield f"http://127.0.0.1:{port}/invocations", process


@contextmanager
def mlserver_serving(rows: Any, folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Yield the inference address of MLServer, one process, the model in it; fitted there, by its own scikit-learn."""
    import numpy as np

    np.save(folder / "rows.npy", rows)
    fit = (
        "import joblib, numpy; from sklearn.ensemble import IsolationForest; "
        "x = numpy.load('rows.npy'); "
        "joblib.dump(IsolationForest(n_estimators=100, max_samples=256, random_state=0, n_jobs=1).fit(x), 'm.joblib')"
    )
    subprocess.run([str(MLSERVER / "python"), "-c", fit], cwd=folder, check=True)
    port, grpc, metrics = free_port(), free_port(), free_port()
    settings = {"debug": False, "host": "127.0.0.1", "http_port": port, "grpc_port": grpc, "metrics_port": metrics}
    (folder / "settings.json").write_text(json.dumps({**settings, "parallel_workers": 0}))
    model = {
        "name": "forest",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./m.joblib"},
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
    path = f"{MLSERVER}:{os.environ['PATH']}"
    with running(
        [str(MLSERVER / "mlserver"), "start", str(folder)],
        f"http://127.0.0.1:{port}/v2/models/forest/ready",
        folder,
        PATH=path,
    ) as process:
        yield f"http://127.0.0.1:{port}/v2/models/forest/infer", process
