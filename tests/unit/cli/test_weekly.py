"""The weekly training without Kubernetes: the CronJob's schedule and arguments, never two at once, ended by a signal."""

import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from neural_hive_ml.cli.train import train_command
from neural_hive_ml.cli.weekly import SCHEDULE, TRAINING, keep_training, next_training_ms
from neural_hive_ml.clock import HOUR_MS, WEEK_MS, iso, parse_instant

K8S = Path(__file__).resolve().parents[3] / "k8s"


@given(st.integers(min_value=0, max_value=4_102_444_800_000))
def test_the_next_training_is_the_first_sunday_two_o_clock_ahead(now_ms: int) -> None:
    due = datetime.fromtimestamp(next_training_ms(now_ms) / 1000, UTC)
    assert (due.isoweekday(), due.hour, due.minute, due.second, due.microsecond) == (7, 2, 0, 0, 0)
    assert 0 < next_training_ms(now_ms) - now_ms <= WEEK_MS


def test_it_is_what_the_cronjob_does() -> None:
    job = yaml.safe_load((K8S / "jobs" / "ml-training-cronjob.yaml").read_text())
    assert (job["spec"]["schedule"], job["spec"]["timeZone"]) == (SCHEDULE, "Etc/UTC")
    _script, *arguments = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    config = next(
        d
        for d in yaml.safe_load_all((K8S / "base" / "settings.yaml").read_text())
        if d["metadata"]["name"] == "ml-training-config"
    )
    window = next(p for p in train_command.params if p.name == "training_window_days").default
    assert config["data"]["training_window_days"] == str(window)
    assert tuple(a for a in arguments if not a.startswith("--training-window-days")) == TRAINING


class Hours:
    """A clock that only waiting (and working) moves."""

    def __init__(self, start: str) -> None:
        self.at_ms = parse_instant(start)

    def now_ms(self) -> int:
        return self.at_ms


def test_it_trains_at_each_moment_and_leaves_out_what_passes_meanwhile() -> None:
    clock = Hours("2026-11-25T12:00Z")
    trained: list[str] = []
    said: list[str] = []

    def wait(seconds: float) -> bool:
        assert 0 < seconds <= 60
        clock.at_ms += 8 * HOUR_MS if seconds == 60 else round(seconds * 1000)  # asleep: far longer than asked for
        return len(trained) == 3

    def train() -> None:
        trained.append(iso(clock.at_ms))
        clock.at_ms += 8 * 24 * HOUR_MS if len(trained) == 2 else HOUR_MS

    keep_training(clock, wait, train, said.append)
    # Asleep at two o'clock: trained on waking up, once; the second took longer than a week.
    assert trained == ["2026-11-29T04:00:00.000Z", "2026-12-06T05:00:00.000Z", "2026-12-20T05:00:00.000Z"]
    assert said[0] == "next training: 2026-11-29T02:00:00.000Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HIVE_DATA_DIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "neural_hive_ml", "retraining", "weekly"],
        env=environment, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        said = next(line for line in lines if line.startswith("next"))
        assert re.fullmatch(r"next training: \d{4}-\d\d-\d\dT02:00:00.000Z\n", said)
        process.send_signal(number)
        assert process.wait(20) == 0
        assert "ended" in process.stderr.read()
