"""Upkeep by the clock: every job at its moments, none twice, what needs a setting only with it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_hive_ml.cli.app import COMMANDS, hive_ml, run
from neural_hive_ml.cli.upkeep import keep_up
from neural_hive_ml.clock import DAY_MS, MINUTE_MS, iso, parse_instant
from neural_hive_ml.conventions import PREDICTIONS
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.upkeep.backup import keep_newest, nightly_name
from neural_hive_ml.upkeep.schedule import JOBS, Job


@given(st.sampled_from(list(JOBS.values())), st.integers(0, 4_102_444_800_000))
def test_the_next_moment_is_the_first_that_cron_names(job: Job, now_ms: int) -> None:
    due_ms = job.next_ms(now_ms)
    assert 0 < due_ms - now_ms <= job.period_ms
    due = datetime.fromtimestamp(due_ms / 1000, UTC)
    minute, hour = job.cron.split()[:2]
    assert due.minute % int(minute[2:]) == 0 if minute.startswith("*/") else due.minute == int(minute)
    assert hour in {"*", str(due.hour)}
    assert due.second == due.microsecond == 0


def test_every_job_is_a_command_that_there_is() -> None:
    for job in JOBS.values():
        assert job.arguments[0] in COMMANDS
        assert run(hive_ml, [*job.arguments, "--help"]) == 0


class Hours:
    """A clock that only waiting and working move."""

    def __init__(self, start: str) -> None:
        self.at_ms = parse_instant(start)

    def now_ms(self) -> int:
        return self.at_ms


def test_a_day_of_it() -> None:
    clock, done = Hours("2026-11-25T12:00:30Z"), []
    end_ms = clock.at_ms + DAY_MS

    def wait(seconds: float) -> bool:
        assert 0 <= seconds <= 60
        clock.at_ms += round(seconds * 1000)
        return clock.at_ms >= end_ms

    def work(job: Job) -> None:
        done.append((job.name, iso(clock.at_ms)[11:16]))
        # The night's reconciliation takes an hour and three quarters.
        clock.at_ms += 105 * MINUTE_MS if job.name == "tickets-reconcile" else 1_000

    keep_up(list(JOBS.values()), clock, wait, work)
    times = {name: [at for one, at in done if one == name] for name in JOBS}
    assert times["backup"] == ["01:30"]
    assert times["tickets-reconcile"] == ["02:35"]
    assert times["data-prune"] == ["12:00", "04:20"], "at the start, and once what it waited for has ended"
    assert times["tickets-sync"][:3] == ["12:00", "12:05", "13:05"]
    assert times["rollout-check"][:3] == ["12:00", "12:15", "12:30"]
    assert not [at for at in times["rollout-check"] if "02:36" <= at < "04:20"]
    assert len(times["rollout-check"]) == 1 + 96 - 6


def test_one_job_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path / "data"))
    with closing(EmbeddedStateStore(tmp_path / "data" / "state.db")) as state:
        state.insert(PREDICTIONS, [Record("old", 1, {})])
    assert run(hive_ml, ["upkeep", "run", "tickets-sync"]) == 0
    assert "nothing to do, CLICKHOUSE_HOST is not set" in capfd.readouterr().out
    assert run(hive_ml, ["upkeep", "run", "data-prune"]) == 0
    with closing(EmbeddedStateStore(tmp_path / "data" / "state.db")) as state:
        assert state.count(PREDICTIONS) == 0
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path / "backups"))
    assert run(hive_ml, ["upkeep", "run", "backup"]) == 0
    [made] = (tmp_path / "backups").iterdir()
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path / "elsewhere"))
    assert run(hive_ml, ["restore", str(made)]) == 0
    # Names have seconds: in the same folder the next backup of the same second would be refused before it begins.
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path / "other backups"))
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100")
    assert run(hive_ml, ["upkeep", "run", "backup"]) == 4, "the job's own exit code"


def test_the_newest_backups_stay_and_nothing_else_is_touched(tmp_path: Path) -> None:
    names = [nightly_name(day * DAY_MS) for day in range(20_000, 20_010)]
    for name in (*names, "hive-2026-06-01.tar.gz", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in keep_newest(tmp_path, 3)] == names[:7]
    assert {path.name for path in tmp_path.iterdir()} == {*names[7:], "hive-2026-06-01.tar.gz", "notes.txt"}
    assert len(keep_newest(tmp_path, 0)) == 2, "the newest stays in any case"


def test_heads_that_lie_elsewhere_are_backed_up_and_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LEDGER_ANCHOR_DIR", str(tmp_path / "anchor"))
    assert run(hive_ml, ["retraining", "pause", "--until", "2999-01-01"]) == 0
    assert (tmp_path / "anchor" / "ledger-decisions.head.json").exists()
    assert run(hive_ml, ["backup", str(tmp_path / "backup")]) == 0
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path / "new"))
    monkeypatch.setenv("LEDGER_ANCHOR_DIR", str(tmp_path / "new-anchor"))
    assert run(hive_ml, ["restore", str(tmp_path / "backup")]) == 0
    assert run(hive_ml, ["ledger", "verify"]) == 0, "anchored, not only whole"
    assert "intact" in capsys.readouterr().out


def test_the_loop_begins_at_once_and_ends_with_a_signal(tmp_path: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "neural_hive_ml", "upkeep", "loop"],
            env={**kept, "HIVE_DATA_DIR": str(tmp_path / "data")}, stdout=out, stderr=out,
        )  # fmt: skip
    until = time.monotonic() + 60
    while "data-prune" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0, log.read_text()
    assert "ended" in log.read_text()
