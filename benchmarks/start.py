"""guard-agents from a cold start to ready on its last known good model, MLflow a black hole; a ticket to its verdict.

    python -m benchmarks.start [--rounds N] [--json FILE]

Ready is the first 200 of /health/readiness. One more start has its data folder mounted read-only, where mounting is
allowed: nothing is compiled at a start, so there is no compile cache to miss.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from tests.services.test_ticket_stream import later_tickets
from tests.support.mlflow_server import black_hole, free_port
from tests.support.served import publish
from tests.support.trained import anomaly_candidate

from benchmarks.http_load import resident_mib
from neural_hive_ml.bootstrap import guard_agents
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.encode import encode_ticket

BAR_S, BAR_US = 2.0, 300.0


def start(folder: Path, registry: str, prefix: tuple[str, ...] = ()) -> tuple[float, float]:
    """Start the service; return the seconds until it was ready and its resident set then, MiB."""
    port = free_port()
    command = [*prefix, sys.executable, "-m", "neural_hive_ml", "serve", "guard-agents", "--port", str(port)]
    environment = {"HIVE_DATA_DIR": str(folder), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    if registry:
        environment["MLFLOW_TRACKING_URI"] = registry
    began = time.perf_counter()
    with (folder.parent / "start.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        while not _ready(port):
            if process.poll() is not None or time.perf_counter() - began > 60:
                raise RuntimeError((folder.parent / "start.log").read_text()[-2000:])
            time.sleep(0.01)
        return time.perf_counter() - began, resident_mib(process.pid)
    finally:
        process.kill()
        process.wait(10)


def prime(folder: Path) -> None:
    """Let a service confirm what is published as its last known good model."""
    service = guard_agents(load_settings({"HIVE_DATA_DIR": str(folder)}))
    service.refresh()


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/readiness", timeout=2):
            return True
    except OSError:
        return False


def read_only(folder: Path) -> tuple[str, ...] | None:
    """Return the command prefix that mounts a folder read-only for one process, None where that is not allowed."""
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", script, str(folder))
    if shutil.which("unshare") is None:
        return None
    tried = subprocess.run([*prefix, "sh", "-c", f"! touch {folder}/x"], capture_output=True, check=False)
    return prefix if tried.returncode == 0 else None


def verdicts(folder: Path, rounds: int) -> dict[str, float]:
    """Return how long a ticket takes to its verdict inside the process, features included, microseconds."""
    service = guard_agents(load_settings({"HIVE_DATA_DIR": str(folder)}))
    service.refresh()
    documents = [json.loads(encode_ticket(ticket)) for ticket in later_tickets()]
    spent = []
    for turn in range(rounds + 1):
        for document in documents:
            began = time.perf_counter_ns()
            service.scoring.score(decode_ticket(document))
            if turn:
                spent.append((time.perf_counter_ns() - began) / 1e3)
    p50, p95, p99 = np.quantile(spent, (0.5, 0.95, 0.99)).tolist()
    return {"count": len(spent), "p50_us": p50, "p95_us": p95, "p99_us": p99}


def main(arguments: list[str]) -> int:
    """Print the times."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    with TemporaryDirectory() as name, black_hole() as hole:
        folder = Path(name) / "data"
        folder.mkdir()
        publish(folder, [anomaly_candidate()])
        prime(folder)
        times = [start(folder, hole) for _ in range(asked.rounds)]
        prefix = read_only(folder)
        frozen = start(folder, hole, prefix) if prefix is not None else None
        spent = verdicts(folder, 20)
    seconds = [s for s, _ in times]
    told: dict[str, Any] = {
        "ready_s": {"least": min(seconds), "median": median(seconds), "most": max(seconds)},
        "resident_mib": max(mib for _, mib in times),
        "read_only_ready_s": frozen[0] if frozen else None,
        "verdict": spent,
    }
    ready = told["ready_s"]
    console = Console(width=120)
    console.print(
        f"speed.start.ready: {ready['median']:.2f} s (least {ready['least']:.2f}, most {ready['most']:.2f}, "
        f"bar {BAR_S:.0f}), {told['resident_mib']:.0f} MiB"
    )
    shown = f"{frozen[0]:.2f} s" if frozen else "not run: mounting is not allowed here"
    console.print(f"speed.start.read_only: {shown}")
    console.print(
        f"speed.verdict: {spent['count']:,} tickets, P50 {spent['p50_us']:.0f} us, P95 {spent['p95_us']:.0f} us, "
        f"P99 {spent['p99_us']:.0f} us (bar {BAR_US:.0f})"
    )
    if asked.json is not None:
        asked.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
