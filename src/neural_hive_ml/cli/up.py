"""`hive-ml up`: the whole system on one machine, from one command; one Ctrl-C ends all of it."""

import shutil
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.table import Table

from neural_hive_ml.bootstrap import describe
from neural_hive_ml.bootstrap_http import open_keyring
from neural_hive_ml.cli.processes import Part, Running
from neural_hive_ml.cli.serve import SERVICES
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK, PORTS
from neural_hive_ml.errors import UsageError
from neural_hive_ml.settings import Settings, checkout_root, load_settings
from neural_hive_ml.slo.alertmanager import alertmanager_config
from neural_hive_ml.slo.prometheus_config import prometheus_arguments, prometheus_config

_HOST = "127.0.0.1"
# MLflow lays out its tables at its first start.
_READY_SECONDS = 90.0


@click.command("up")
@click.option("--without", multiple=True, metavar="PART", help="Leave a part out; may be repeated.")
@click.option("--port-offset", type=click.IntRange(0, 50_000), default=0, help="Added to every port.")
def up_command(without: tuple[str, ...], port_offset: int) -> int:
    """Run MLflow's page, the services, the console, the drift job, the weekly training, upkeep (rollouts, retention,
    backups) and, where installed, Prometheus and Alertmanager.

    All listen on loopback only. Logs are in the data folder. Ctrl-C (or SIGTERM) ends everything; the exit code is
    1 when some part ended by itself.

    \b
    Example:
      hive-ml up
      hive-ml up --without drift-job --port-offset 10000
    """
    settings = load_settings()
    folder = settings.data_dir / "up"
    folder.mkdir(parents=True, exist_ok=True)
    parts = [p for p in parts_of(settings, folder, port_offset) if p.name not in without]
    unknown = set(without) - {p.name for p in parts_of(settings, folder, port_offset)}
    if unknown:
        raise UsageError(f"--without {', '.join(sorted(unknown))}: no such part", remedy="see hive-ml up --help")
    _check_ports(parts)
    console = Console(highlight=False)
    console.print(describe(settings), soft_wrap=True)
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    running = Running(folder)
    try:
        faults = _start(parts, running, console, stop)
        keyed = open_keyring(settings).protects
        console.print("authentication: " + ("API keys or tokens" if keyed else "none, open on loopback only"))
        console.print("Ctrl-C ends all of it")
        return _watch(running, console, stop) or (EXIT_FAILURE if faults else EXIT_OK)
    finally:
        killed = running.stop()
        console.print("ended" + (f"; had to kill {', '.join(killed)}" if killed else ""))


def parts_of(settings: Settings, folder: Path, offset: int) -> list[Part]:
    """Lay out the processes, in the order in which they start."""
    ports = {name: port + offset for name, port in PORTS.items()}
    us = (sys.executable, "-m", "neural_hive_ml")
    # Every child sees the settings that were shown, and the same data folder.
    environment = {"HIVE_DATA_DIR": str(settings.data_dir), "HIVE_HOST": _HOST, "HIVE_METRICS_PORT": "0"}
    found = shutil.which("prometheus")
    if found:
        environment["PROMETHEUS_URL"] = f"http://{_HOST}:{ports['prometheus']}"
    parts = []
    uri = settings.text("MLFLOW_TRACKING_URI")
    if uri.startswith("sqlite:"):
        url = f"http://{_HOST}:{ports['mlflow']}"
        command: tuple[str, ...] = (
            sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", _HOST, "--port",
            str(ports["mlflow"]), "--workers", "1",
        )  # fmt: skip
        parts.append(Part("mlflow", command, url, f"{url}/health"))
    for name in SERVICES:
        url = f"http://{_HOST}:{ports[name]}"
        command = (*us, "serve", name, "--host", _HOST, "--port", str(ports[name]))
        parts.append(Part(name, command, url, f"{url}/health/liveness", environment))
    url = f"http://{_HOST}:{ports['console']}"
    command = (*us, "console", "--host", _HOST, "--port", str(ports["console"]))
    parts.append(Part("console", command, url, url, environment))
    parts.append(Part("drift-job", (*us, "retraining", "run"), environment=environment))
    parts.append(Part("training-job", (*us, "retraining", "weekly"), environment=environment))
    parts.append(Part("upkeep", (*us, "upkeep", "loop"), environment=environment))
    alerting = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if alerting:
        parts.append(_alertmanager(alerting, folder, ports))
    if found:
        parts.append(_prometheus(found, folder, ports, alerting=bool(alerting)))
    return parts


def _prometheus(program: str, folder: Path, ports: dict[str, int], *, alerting: bool) -> Part:
    config, root = folder / "prometheus.yml", checkout_root()
    text = prometheus_config(
        {name: f"{_HOST}:{ports[name]}" for name in SERVICES},
        rule_files=[str(root / "prometheus-rules" / "*.yaml")] if root else [],
        alertmanager=f"{_HOST}:{ports['alertmanager']}" if alerting else "",
    )
    config.write_text(text, encoding="utf-8")
    address = f"{_HOST}:{ports['prometheus']}"
    command = (program, *prometheus_arguments(str(config), str(folder / "prometheus"), address))
    return Part("prometheus", command, f"http://{address}", f"http://{address}/-/ready")


def _alertmanager(program: str, folder: Path, ports: dict[str, int]) -> Part:
    """Alerts go to Slack and the pager once their secrets are in the folder, and to its own page in any case."""
    config, secrets = folder / "alertmanager.yml", folder / "alertmanager-secrets"
    text = "route: {receiver: page}\nreceivers: [{name: page}]\n"
    if (secrets / "slack_api_url").is_file():
        text = alertmanager_config(str(secrets))
    config.write_text(text, encoding="utf-8")
    address = f"{_HOST}:{ports['alertmanager']}"
    command = (
        program, f"--config.file={config}", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}", "--cluster.listen-address=",
    )  # fmt: skip
    return Part("alertmanager", command, f"http://{address}", f"http://{address}/-/ready")


def _check_ports(parts: list[Part]) -> None:
    for part in parts:
        if not part.url:
            continue
        port = int(part.url.rsplit(":", 1)[1])
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                raise UsageError(
                    f"port {port} of {part.name} is taken",
                    remedy=f"end what listens there, or --port-offset, or --without {part.name}",
                ) from None


def _start(parts: list[Part], running: Running, console: Console, stop: threading.Event) -> int:
    """Start all at once, then wait for each; return how many are not ready."""
    for part in parts:
        running.start(part)
    table = Table(title="hive-ml up")
    for heading in ("part", "state", "address"):
        table.add_column(heading, overflow="fold")
    faults = 0
    for part in parts:
        if stop.is_set():
            break
        fault = running.wait_ready(part, _READY_SECONDS)
        faults += bool(fault)
        table.add_row(part.name, fault or "runs", part.url or f"log: {running.logs / part.name}.log")
    console.print(table)
    return faults


def _watch(running: Running, console: Console, stop: threading.Event) -> int:
    told: set[str] = set()
    while not stop.wait(1.0):
        for name, code in running.ended().items():
            if name not in told:
                told.add(name)
                console.print(f"[red]{name} ended with exit code {code}[/red]: {running.last_words(name)}")
        if len(told) == len(running.processes):
            break
    return EXIT_FAILURE if told else EXIT_OK
