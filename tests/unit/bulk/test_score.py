"""Bulk answers are the services' own, and a job that was killed goes on to the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.support.served import publish
from tests.support.trained import anomaly_candidate, duration_candidate, generated_tickets

from neural_hive_ml.bootstrap_bulk import serving_judges
from neural_hive_ml.bulk.engine import DaskCluster, Here
from neural_hive_ml.bulk.judge import Judge
from neural_hive_ml.bulk.score import FileSource, Progress, Scored, WindowSource, score
from neural_hive_ml.clock import FixedClock
from neural_hive_ml.errors import UsageError
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import STAGES, batch_rows
from neural_hive_ml.features.row import feature_row, stage_of
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.serving.guard_agents.scoring import TicketScoring
from neural_hive_ml.serving.orchestrator.duration import DurationPrediction
from neural_hive_ml.serving.statistics_source import LiveStatistics
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.ticket import Ticket

NOW_MS = 1_800_000_000_000


def mixed() -> list[Ticket]:
    """Tickets at all three stages, and some that make the detector speak."""
    tickets = []
    for i, drawn in enumerate(generated_tickets()[-300:]):
        changes: dict[str, Any] = {}
        if i % 3 < 2:
            changes = {"status": "RUNNING", "completed_at": None, "actual_duration_ms": None}
        if i % 3 == 0:
            changes |= {"status": "PENDING", "started_at": None}
        if i % 7 == 0:
            changes |= {"retry_count": 9, "sla": replace(drawn.sla, timeout_ms=1)}
        tickets.append(replace(drawn, **changes))
    return tickets


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bulk")
    publish(made, [anomaly_candidate(), duration_candidate()])
    (made / "in.jsonl").write_bytes(b"".join(encode_ticket(t) + b"\n" for t in mixed()))
    return made


@pytest.fixture(scope="module")
def judges(folder: Path) -> tuple[Judge, ...]:
    return serving_judges(load_settings({"HIVE_DATA_DIR": str(folder)}))


def test_rows_of_a_batch_are_bit_for_bit_those_of_one_ticket() -> None:
    tickets = mixed()
    binding = FeatureBinding(("items",))
    statistics = Statistics.restore(anomaly_candidate().model.statistics)
    stages = [stage_of(t) for t in tickets]
    moments = [t.completed_at or NOW_MS if s == "ended" else NOW_MS for t, s in zip(tickets, stages, strict=True)]
    codes = np.array([STAGES[s] for s in stages], dtype=np.int8)
    rows = batch_rows(columns_of(tickets), codes, np.array(moments), statistics, binding)
    one = [feature_row(t, s, m, statistics, binding) for t, s, m in zip(tickets, stages, moments, strict=True)]
    assert rows.tobytes() == np.array(one).tobytes()
    created = batch_rows(
        columns_of(tickets), np.zeros(len(tickets), np.int8), np.array(moments), statistics, binding
    )
    one = [feature_row(t, "created", m, statistics, binding) for t, m in zip(tickets, moments, strict=True)]
    assert created.tobytes() == np.array(one).tobytes()


def test_answers_are_those_of_the_services(folder: Path, judges: tuple[Judge, ...], tmp_path: Path) -> None:
    done = score(FileSource(str(folder / "in.jsonl")), judges, tmp_path / "out.parquet", Here(),
                 choice="shown", now_ms=NOW_MS, rows=70)  # fmt: skip
    table = pq.read_table(tmp_path / "out.parquet")
    assert done.rows == len(table) == 300
    detector, predictor = judges
    verdicts = TicketScoring(_slot(detector), LiveStatistics(detector.statistics), FixedClock(NOW_MS))
    durations = DurationPrediction(_slot(predictor), LiveStatistics(predictor.statistics))
    flagged = 0
    for row, t in zip(table.to_pylist(), mixed(), strict=True):
        said, ahead = verdicts.score(t), durations.predict(t)
        assert row["ticket_id"] == t.ticket_id
        for name in ("anomaly_score", "threshold", "is_anomaly", "anomaly_type", "severity", "confidence", "explanation",
                     "stage"):  # fmt: skip
            assert row[name] == getattr(said, name), name
        assert (row["p10_ms"], row["p50_ms"], row["p90_ms"]) == (ahead.p10_ms, ahead.p50_ms, ahead.p90_ms)
        flagged += row["is_anomaly"]
    assert 0 < flagged < 300, "both kinds of answers were compared"


class _slot:  # noqa: N801 - stands where a ModelSlot does: it holds a loaded model
    def __init__(self, judge: Judge) -> None:
        self.name = judge.name
        self.current = _Loaded(judge)


class _Loaded:
    def __init__(self, judge: Judge) -> None:
        self.artifact = self
        self.model = self
        self.published = judge
        self.algorithm = "isolation_forest"
        self.scorer = judge.scorer


def test_what_is_no_ticket_or_has_no_end_keeps_its_row_and_says_why(
    judges: tuple[Judge, ...], tmp_path: Path
) -> None:
    endless = replace(mixed()[2], status="REJECTED", completed_at=None)
    lines = [b"{}", encode_ticket(mixed()[0]), b"not json", encode_ticket(endless)]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    score(
        FileSource(str(tmp_path / "in.jsonl")),
        judges,
        tmp_path / "out.parquet",
        Here(),
        choice="shown",
        now_ms=NOW_MS,
    )
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["row"] for row in rows] == [0, 1, 2, 3]
    assert [row["error"] is None for row in rows] == [False, True, False, False]
    assert [row["anomaly_score"] is None for row in rows] == [True, False, True, True]
    assert rows[0]["ticket_id"] is None
    assert rows[3]["ticket_id"] == endless.ticket_id


def test_a_window_of_the_store_gives_what_its_file_gives(
    folder: Path, judges: tuple[Judge, ...], tmp_path: Path
) -> None:
    store = EmbeddedTicketStore(tmp_path / "tickets")
    tickets = sorted(mixed(), key=lambda t: (t.created_at, t.ticket_id))
    store.upsert(tickets)
    source = WindowSource(store, tickets[0].created_at, tickets[-1].created_at + 1)
    score(source, judges, tmp_path / "window.parquet", Here(), choice="shown", now_ms=NOW_MS, rows=64)
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(map(encode_ticket, tickets)))
    score(FileSource(str(tmp_path / "in.jsonl")), judges, tmp_path / "file.parquet", Here(), choice="shown",
          now_ms=NOW_MS)  # fmt: skip
    window, file = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("window", "file"))
    assert window.equals(file.drop_columns(["row"]))
    store.close()


@pytest.mark.parametrize("stopped_after", [1, 2, 4])
def test_a_window_that_was_cut_off_ends_with_the_same_bytes(
    judges: tuple[Judge, ...], tmp_path: Path, stopped_after: int
) -> None:
    store = EmbeddedTicketStore(tmp_path / "tickets")
    # Several of one millisecond, so that blocks begin in the middle of them.
    store.upsert(replace(t, created_at=t.created_at // 10_000_000 * 10_000_000) for t in mixed())
    source = WindowSource(store, 0, NOW_MS)
    seen = 0

    def stop(*_: int) -> None:
        nonlocal seen
        seen += 1
        if seen == stopped_after:
            raise KeyboardInterrupt

    def run(name: str, progress: Progress) -> Scored:
        return score(source, judges, tmp_path / name, Here(), choice="created", now_ms=NOW_MS, rows=64,
                     progress=progress)  # fmt: skip

    run("whole.parquet", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        run("cut.parquet", stop)
    done = run("cut.parquet", lambda *_: None)
    store.close()
    assert (done.rows, done.resumed) == (300, 64 * stopped_after)
    assert (tmp_path / "cut.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    groups = pq.read_metadata(tmp_path / "cut.parquet")
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [64, 64, 64, 64, 44]


def test_kill_9_in_the_middle_and_the_same_command_ends_with_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "neural_hive_ml", "score", str(folder / "in.jsonl"), "--as-of", str(NOW_MS),
               "--block-rows", "3", "--json", "--out"]  # fmt: skip
    environment = {**os.environ, "HIVE_DATA_DIR": str(folder)}
    subprocess.run([*command, str(tmp_path / "whole.parquet")], env=environment, check=True, capture_output=True)
    killed = subprocess.Popen([*command, str(tmp_path / "cut.parquet")], env=environment)
    parts = tmp_path / "cut.parquet.parts"
    until = time.monotonic() + 60
    while len(list(parts.glob("[0-9]*.parquet"))) < 5 and time.monotonic() < until:
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert parts.exists()
    assert not (tmp_path / "cut.parquet").exists()
    done = subprocess.run(
        [*command, str(tmp_path / "cut.parquet")], env=environment, check=True, capture_output=True
    )
    said = json.loads(done.stdout)
    assert said["rows"] == 300
    assert said["resumed"] >= 15
    assert (tmp_path / "cut.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert not parts.exists()


def test_going_on_with_other_options_is_refused(folder: Path, judges: tuple[Judge, ...], tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    source = FileSource(str(folder / "in.jsonl"))
    source_stops = FileSource(str(folder / "in.jsonl"))

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(source_stops, judges, out, Here(), choice="shown", now_ms=NOW_MS, rows=50, progress=stop)
    with pytest.raises(UsageError, match="other tickets, models or options"):
        score(source, judges, out, Here(), choice="created", now_ms=NOW_MS, rows=50)
    done = score(source, judges, out, Here(), choice="shown", now_ms=NOW_MS, rows=50)
    assert (done.rows, done.resumed) == (300, 50)
    with pytest.raises(UsageError, match="there already"):
        score(source, judges, out, Here(), choice="shown", now_ms=NOW_MS, rows=50)


def test_dask_gives_the_same_bytes(folder: Path, judges: tuple[Judge, ...], tmp_path: Path) -> None:
    import distributed

    source = FileSource(str(folder / "in.jsonl"))
    score(source, judges, tmp_path / "here.parquet", Here(), choice="shown", now_ms=NOW_MS, rows=40)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        score(source, judges, tmp_path / "dask.parquet", DaskCluster(cluster.scheduler_address), choice="shown",
              now_ms=NOW_MS, rows=40)  # fmt: skip
    assert (tmp_path / "dask.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()
    metadata = pq.read_metadata(tmp_path / "dask.parquet").metadata
    assert set(msgspec.json.decode(metadata[b"models"])) == {f"{j.name}/{j.version}" for j in judges}
