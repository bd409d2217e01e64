"""A real Prometheus: with rules, with a past, and gone when the block ends."""

import re
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import httpx

from neural_hive_ml.slo.prometheus import Prometheus
from neural_hive_ml.slo.prometheus_config import prometheus_arguments, prometheus_config
from neural_hive_ml.slo.rules import rule_files
from neural_hive_ml.slo.spec import load_objectives
from tests.support.demo_metrics import exposition
from tests.support.mlflow_server import free_port
from tests.support.servers import running


def with_past(folder: Path, exposition: Iterable[str]) -> None:
    """Write a past (OpenMetrics text) as blocks into a data folder; the server must not run yet."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder.parent / "past.om"
    with file.open("w") as out:
        out.writelines(exposition)
    command = [
        "promtool",
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        "--max-block-duration=200h",
        "--quiet",
        str(file),
        str(folder),
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr[-2000:]
    file.unlink()


@contextmanager
def running_prometheus(
    folder: Path,
    rules: dict[str, str],
    targets: dict[str, str] | None = None,
    alertmanager: str = "",
    scrape_interval: str = "1s",
) -> Iterator[str]:
    """Run Prometheus on `folder`/data with these rule files (name -> text), and yield its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, text in rules.items():
        file = folder / Path(name).name
        file.write_text(text)
        files.append(str(file))
    config = folder / "prometheus.yml"
    config.write_text(
        prometheus_config(
            targets or {}, rule_files=files, alertmanager=alertmanager, scrape_interval=scrape_interval
        )
    )
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = which("prometheus") or "/usr/bin/prometheus"

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    command = [program, *prometheus_arguments(str(config), str(folder / "data"), f"127.0.0.1:{port}")]
    with running(command, ready, folder / "prometheus.log"):
        yield url


@contextmanager
def running_demo(folder: Path) -> Iterator[str]:
    """Run Prometheus with a week of data, ended just now, and all our rules; yield its URL when these have recorded.

    Windows stay as they are; only the rules are evaluated every second instead of every five minutes.
    """
    with_past(folder / "data", exposition(int(time.time())))
    rules = {
        name: re.sub(r"interval: \w+", "interval: 1s", text)
        for name, text in rule_files(load_objectives()).items()
    }
    with running_prometheus(folder, rules) as url, httpx.Client(timeout=20) as client:
        server = Prometheus(url, client)
        give_up = time.monotonic() + 30
        while not (
            server.instant("neural_hive:slo:ml_error_budget_remaining:availability") and server.instant("ALERTS")
        ):
            assert time.monotonic() < give_up, "the rules recorded nothing"
            time.sleep(0.5)
        yield url
