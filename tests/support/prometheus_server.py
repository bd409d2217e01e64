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
from neural_hive_ml.slo.rules import RULES_FILE, rule_files
from neural_hive_ml.slo.spec import load_objectives
from tests.support.demo_metrics import exposition
from tests.support.ports import free_port
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


def with_recorded_past(folder: Path, end: int) -> None:
    """Let promtool record a day before `end` into folder/data, a pass for each level of rules on rules. Minutes."""
    rules = folder / "past-rules.yaml"
    rules.write_text(rule_files(load_objectives())[RULES_FILE])
    new = folder / "new"
    for _ in range(4):
        with running_prometheus(folder, {}) as url:
            command = [
                "promtool", "tsdb", "create-blocks-from", "rules", f"--start={end - 86_400}", f"--end={end}",
                "--eval-interval=5m", f"--url={url}", f"--output-dir={new}", str(rules),
            ]  # fmt: skip
            subprocess.run(command, capture_output=True, check=True)
        for block in new.iterdir():
            block.rename(folder / "data" / block.name)


@contextmanager
def running_demo(folder: Path, *, recorded: bool = False) -> Iterator[str]:
    """Run Prometheus with a week of data, ended just now, and all our rules; yield its URL when these have recorded.

    With `recorded` the rules have a past of a day too, as pictures in documents want it.

    Windows stay as they are; only the rules are evaluated every second instead of every five minutes.
    """
    end = int(time.time())
    # What is recorded afterwards takes minutes; the data must reach up to the moment when the server starts.
    with_past(folder / "data", exposition(end + (240 if recorded else 0)))
    if recorded:
        with_recorded_past(folder, end)
        time.sleep(max(0.0, end + 241 - time.time()))
    rules = {
        name: re.sub(r"interval: \w+", "interval: 1s", text)
        for name, text in rule_files(load_objectives()).items()
    }
    with running_prometheus(folder, rules) as url, httpx.Client(timeout=20) as client:
        server = Prometheus(url, client)
        give_up = time.monotonic() + 45
        # As the console asks: at the last whole quarter of a minute.
        recorded_series = ("neural_hive:slo:ml_error_budget_remaining:availability", "ALERTS")
        while not all(server.instant(series, time.time() // 15 * 15) for series in recorded_series):
            assert time.monotonic() < give_up, "the rules recorded nothing"
            time.sleep(0.5)
        yield url
