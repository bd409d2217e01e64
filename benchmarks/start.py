"""guard-agents from a cold start to ready on its last known good model, MLflow a black hole; a ticket to its verdict.

    python -m benchmarks.start [--rounds N] [--json FILE]

Ready is the first 200 of /health/readiness. One more start has its data folder mounted read-only, where mounting is
allowed: nothing is compiled at a start, so there is no compile cache to miss.
"""

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from tests.services.test_ticket_stream import as_known, later_tickets
from tests.support.ports import black_hole, free_port
from tests.support.served import publish
from tests.support.trained import anomaly_candidate

from benchmarks.http_load import resident_mib
from neural_hive_ml.bootstrap_guard_agents import guard_agents
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.lifecycle import events_of
from neural_hive_ml.tickets.ticket import Ticket

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


@dataclass(frozen=True, slots=True)
class Spent:
    """Microseconds a ticket: by the clock, and of the processor (without the time that other processes had it)."""

    id: str
    count: int
    p50_us: float
    p95_us: float
    p99_us: float
    cpu_p50_us: float
    cpu_p99_us: float


def verdicts(folder: Path, rounds: int) -> tuple[Spent, ...]:
    """Measure a document's way to its verdict inside the process, features included, the garbage collector on.

    Each ticket is asked at its three stages; every tenth took thirty times as long as it did, so that flagged ones, which
    are explained, are many enough to be told apart.
    """
    service = guard_agents(load_settings({"HIVE_DATA_DIR": str(folder)}))
    service.refresh()
    documents = [(json.loads(encode_ticket(ticket)), at_ms) for ticket, at_ms in _asked()]
    gc.freeze()  # as a service does once its model is there
    spent: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for turn in range(rounds + 1):
        for document, at_ms in documents:
            cpu, began = time.thread_time_ns(), time.perf_counter_ns()
            answer = service.scoring.score(decode_ticket(document), at_ms=at_ms)
            took = time.perf_counter_ns() - began, time.thread_time_ns() - cpu
            if turn:
                spent[answer.is_anomaly].append(took)
    gc.unfreeze()
    return _spent("speed.verdict", spent[True] + spent[False]), _spent("speed.verdict.flagged", spent[True])


def _asked() -> list[tuple[Ticket, int | None]]:
    """Return documents and when they are looked at, None for the time of their event: running ones half-way."""
    asked: list[tuple[Ticket, int | None]] = []
    for number, drawn in enumerate(later_tickets()):
        if drawn.started_at is None or drawn.completed_at is None:
            continue
        took = (30 if number % 10 == 0 else 1) * (drawn.completed_at - drawn.started_at)
        ticket = replace(drawn, completed_at=drawn.started_at + took, actual_duration_ms=took)
        half = drawn.started_at + took // 2
        asked += [(as_known(event), half if event.kind == "started" else None) for event in events_of(ticket)]
    return asked


def _spent(bench: str, took: list[tuple[int, int]]) -> Spent:
    wall, cpu = np.array(took, dtype=float).T / 1e3
    p50, p95, p99 = np.quantile(wall, (0.5, 0.95, 0.99)).tolist()
    cpu_p50, cpu_p99 = np.quantile(cpu, (0.5, 0.99)).tolist()
    return Spent(bench, len(took), p50, p95, p99, cpu_p50, cpu_p99)


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
        "verdict": [asdict(one) for one in spent],
        "load_average": os.getloadavg()[0],
    }
    ready = told["ready_s"]
    console = Console(width=120)
    console.print(
        f"speed.start.ready: {ready['median']:.2f} s (least {ready['least']:.2f}, most {ready['most']:.2f}, "
        f"bar {BAR_S:.0f}), {told['resident_mib']:.0f} MiB"
    )
    shown = f"{frozen[0]:.2f} s" if frozen else "not run: mounting is not allowed here"
    console.print(f"speed.start.read_only: {shown}")
    for one in spent:
        console.print(
            f"{one.id}: {one.count:,} tickets, P50 {one.p50_us:.0f} us, P95 {one.p95_us:.0f} us, P99 {one.p99_us:.0f} us "
            f"(bar {BAR_US:.0f}); of the processor P50 {one.cpu_p50_us:.0f} us, P99 {one.cpu_p99_us:.0f} us; load average "
            f"{os.getloadavg()[0]:.1f}"
        )
    if asked.json is not None:
        asked.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
