"""The guide's platform, alive: MongoDB (or its stand-in), MLflow's server, ClickHouse's engine, three services, Prometheus.

Hosts of the guide are mapped to where these listen: in addresses that a block exports by their text, for curl by
its own `--connect-to`. `kubectl` is `tests.guide.kubectl`. Everything else is what an operator has in PATH.
"""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from neural_hive_ml.bootstrap import open_registry, open_state
from neural_hive_ml.clock import HOUR_MS, WEEK_MS
from neural_hive_ml.conventions import GUIDE_MODELS, LOAD_HORIZONS_MINUTES, MODEL_QUALITY, PORTS
from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.registry.promotion import promote
from neural_hive_ml.settings import load_settings
from neural_hive_ml.slo.rules import rule_files
from neural_hive_ml.slo.spec import load_objectives
from neural_hive_ml.state.mongo import MongoStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.anomaly import train_anomaly
from neural_hive_ml.training.duration import train_duration
from neural_hive_ml.training.load import train_load
from tests.guide.blocks import ROOT
from tests.support.clickhouse_server import running_clickhouse_process
from tests.support.mlflow_server import running_mlflow
from tests.support.ports import free_port
from tests.support.prometheus_server import running_prometheus
from tests.support.servers import running_mongo
from tests.support.trained import request

TRAINING = ROOT / "ml_pipelines" / "training"
SERVICES = ("guard-agents", "orchestrator-dynamic", "approval-service")
CARRIER = "WN"
# A search long enough to prove that the flag works: its default is half a minute a model. And a history of a quarter.
SMALLER = (
    'set -- "${@/#5000/1250}"; case " $* " in *" --hyperparameter-tuning "*) set -- "$@" --tuning-budget 1;; esac'
)
BLOCK_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Said:
    """How a block ended."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Platform:
    """A running platform; `hosts` is the guide's host:port -> ours."""

    folder: Path
    environment: dict[str, str]
    hosts: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    told: dict[str, Said] = field(default_factory=dict)

    def url(self, host: str) -> str:
        """Return the base URL of one of the guide's hosts."""
        return f"http://{self.hosts[f'{host}:{PORTS[host]}']}"

    def bash(self, text: str) -> Said:
        """Run a block as an operator types it, once; the first failing command ends it."""
        if text not in self.told:
            written = text
            for theirs, ours in self.addresses.items():
                written = written.replace(theirs, ours)
            at_root = "cd ml_pipelines" in text or "tests/" in text or "make " in text
            self.told[text] = self._run(["bash", "-eo", "pipefail", "-c", written], ROOT if at_root else TRAINING)
        return self.told[text]

    def python(self, text: str) -> Said:
        """Run a Python block in a process of its own, once."""
        if text not in self.told:
            self.told[text] = self._run([sys.executable, "-W", "ignore", "-c", text], ROOT)
        return self.told[text]

    def _run(self, command: list[str], cwd: Path) -> Said:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=BLOCK_SECONDS,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)


def recent_flights(now_ms: int) -> Iterator[Ticket]:
    """A carrier's last six weeks of 2013, moved by whole weeks so that they ended within the last week."""
    newest = 16_070 * 86_400_000
    moved = (now_ms - newest) // WEEK_MS * WEEK_MS
    for ticket in sample_tickets(newest - 6 * WEEK_MS, newest):
        if ticket.owner != CARRIER or (ticket.completed_at or ticket.created_at) > newest:
            continue
        yield replace(
            ticket,
            created_at=ticket.created_at + moved,
            started_at=None if ticket.started_at is None else ticket.started_at + moved,
            completed_at=None if ticket.completed_at is None else ticket.completed_at + moved,
            sla=replace(ticket.sla, deadline=ticket.sla.deadline + moved),
        )


@contextmanager
def running_platform(folder: Path, database: Path) -> Iterator[Platform]:
    """Start the stores, import tickets, publish small models of them, start the rest; all ends with the block."""
    with ExitStack() as stack:
        mongo = stack.enter_context(running_mongo(folder / "mongo"))
        mlflow = stack.enter_context(running_mlflow(folder / "mlflow", database))
        clickhouse = stack.enter_context(running_clickhouse_process(folder / "clickhouse"))
        platform = Platform(folder, _environment(folder, mongo, mlflow, clickhouse.address.port))
        platform.addresses = {
            "mongodb://user:pass@mongodb:27017": mongo,
            "http://mlflow:5000": mlflow,
            'CLICKHOUSE_HOST="clickhouse"': 'CLICKHOUSE_HOST="127.0.0.1"',
        }
        ports = {name: free_port() for name in (*SERVICES, "prometheus")}
        platform.hosts = {f"{name}:{PORTS[name]}": f"127.0.0.1:{port}" for name, port in ports.items()}
        platform.hosts["mlflow:5000"] = mlflow.removeprefix("http://")
        _write_shims(platform)
        now_ms = int(time.time() * 1000)
        tickets = list(recent_flights(now_ms))
        _import(platform, tickets)
        _publish(platform, tickets, now_ms)
        checked = platform.bash("hive-ml drift check")
        assert checked.code == 0, checked.err[-2000:]
        _write_quality(mongo, now_ms)
        for name in SERVICES:
            stack.enter_context(_service(platform, name, ports[name]))
        targets = {name: f"127.0.0.1:{ports[name]}" for name in SERVICES}
        rules = {
            name: re.sub(r"interval: \w+", "interval: 2s", text)
            for name, text in rule_files(load_objectives()).items()
        }
        url = stack.enter_context(running_prometheus(folder / "prometheus", rules, targets))
        platform.hosts[f"prometheus:{PORTS['prometheus']}"] = url.removeprefix("http://")
        platform.environment["PROMETHEUS_URL"] = url
        _write_shims(platform)
        stack.enter_context(_traffic(platform, tickets[-300:]))
        yield platform


def _environment(folder: Path, mongo: str, mlflow: str, clickhouse_port: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HIVE_DATA_DIR": str(folder / "data"),
        "GUIDE_LOGS": str(folder),
        "MONGODB_URI": mongo,
        "MLFLOW_TRACKING_URI": mlflow,
        "CLICKHOUSE_PORT": str(clickhouse_port),
        "FLOOR_PROFILE": "relative",
        "HIVE_LOG_FORMAT": "json",
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _write_shims(platform: Platform) -> None:
    folder = platform.folder / "bin"
    folder.mkdir(exist_ok=True)
    mapped = " ".join(f"--connect-to {theirs}:{ours}" for theirs, ours in platform.hosts.items())
    shims = {
        "kubectl": f'exec "{sys.executable}" "{ROOT}/tests/guide/kubectl.py" "$@"',
        "curl": f'exec /usr/bin/curl --fail {mapped} "$@"',
        "pytest": f'exec "{sys.executable}" -m pytest --collect-only -q "$@"',
        "python": f'{SMALLER}\nexec "{sys.executable}" "$@"',
    }
    for name, text in shims.items():
        (folder / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (folder / name).chmod(0o755)


def _import(platform: Platform, tickets: list[Ticket]) -> None:
    file = platform.folder / "tickets.jsonl"
    file.write_bytes(b"".join(encode_ticket(ticket) + b"\n" for ticket in tickets))
    said = platform.bash(f"hive-ml tickets import {file}")
    assert said.code == 0, said.err[-2000:]


def _publish(platform: Platform, tickets: list[Ticket], now_ms: int) -> None:
    """Five small models in Production: six weeks of one carrier hold too few anomalies to be promoted on evidence."""
    settings = load_settings(platform.environment)
    registry, state = open_registry(settings), open_state(settings)
    columns = columns_of(tickets)
    made = [
        train_anomaly(columns, request("anomaly", columns)),
        train_duration(columns, request("scheduling", columns)),
    ]
    for minutes in LOAD_HORIZONS_MINUTES:
        changes = {"algorithm": "seasonal_mean", "horizon_minutes": minutes}
        made.append(train_load(columns, request("load", columns, **changes)))
    for one in made:
        version = registry.register(one.model, one.evaluation, Verdict(Outcome.PROMOTE, ("for the guide",)), {})
        promote(registry, state, version, actor="test", reason="for the guide", at_ms=now_ms)
    state.close()


def _write_quality(mongo: str, now_ms: int) -> None:
    """What the quality job would have found once verdicts have matured, which takes days."""
    state = MongoStateStore(mongo, "neural_hive", 5.0)
    measured = {"f1": 0.81, "precision": 0.86, "recall": 0.77}
    document = {"model_name": GUIDE_MODELS[0], "enough": True, "labels": 431, "overdue": 0, "metrics": measured}
    state.put(MODEL_QUALITY, Record("guide", now_ms - HOUR_MS, document))
    state.close()


@contextmanager
def _service(platform: Platform, name: str, port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "neural_hive_ml", "serve", name, "--port", str(port)]
    with (platform.folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=platform.environment, stdout=log, stderr=log)
        try:
            until = time.monotonic() + 90
            while not _ready(f"http://127.0.0.1:{port}/health/readiness"):
                assert process.poll() is None, f"{name} ended"
                assert time.monotonic() < until, f"{name} is not ready"
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(15)


def _ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def _traffic(platform: Platform, tickets: list[Ticket]) -> Iterator[None]:
    """Traffic until the block ends: usual tickets, and each second a stuck one that a person judges."""
    _wait_for(lambda: _scraped(platform), "Prometheus scrapes no service")
    stop, rounds = threading.Event(), iter(range(1_000_000))
    slow = [t for t in tickets if t.actual_duration_ms and t.started_at]

    def go_on() -> None:
        with httpx.Client(timeout=30) as http:
            while not stop.wait(1.0):
                number = next(rounds)
                try:
                    _one_round(platform, http, slow[number % len(slow)], tickets[:20], number)
                except httpx.HTTPError:
                    continue  # a machine under load: the next round comes

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


def _scraped(platform: Platform) -> bool:
    said = httpx.get(f"{platform.url('prometheus')}/api/v1/query", params={"query": "sum(up)"}, timeout=20).json()
    return [found["value"][1] for found in said["data"]["result"]] == [str(len(SERVICES))]


def _wait_for(true: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until, otherwise
        time.sleep(0.5)


def _one_round(platform: Platform, http: httpx.Client, ticket: Ticket, usual: list[Ticket], number: int) -> None:
    assert ticket.started_at is not None
    long = (ticket.actual_duration_ms or 0) * 40
    stuck = replace(
        ticket, ticket_id=f"stuck-{number}", actual_duration_ms=long, completed_at=ticket.started_at + long
    )
    body = b'{"tickets":[' + b",".join(map(encode_ticket, [*usual, stuck])) + b"]}"
    http.post(f"{platform.url('guard-agents')}/api/v1/tickets/score/batch", content=body).raise_for_status()
    # The log is written in batches beside the answers: the one before is there by now.
    verdict = {"ticket_id": f"stuck-{max(number - 3, 0)}", "verdict": "anomaly", "author": "operator"}
    http.post(f"{platform.url('approval-service')}/api/v1/feedback", json=verdict)
