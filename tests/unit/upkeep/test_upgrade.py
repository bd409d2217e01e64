"""A data folder of an earlier release: brought forward, nothing lost, the same answers; one of a later release: refused."""

import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.tickets import flights

from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.conventions import PREDICTIONS, VERDICTS, scheduling_model_name
from neural_hive_ml.features.spec import FEATURE_SET_VERSION
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.cache import LastKnownGood
from neural_hive_ml.registry.published import FilePointerSource
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.serving.orchestrator.duration import DurationPrediction
from neural_hive_ml.serving.slot import ModelSlot
from neural_hive_ml.serving.statistics_shelf import FolderShelf
from neural_hive_ml.serving.statistics_source import LiveStatistics
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.upkeep.archive import unpack
from neural_hive_ml.upkeep.schema import STORES

FIXTURE = Path(__file__).parents[2] / "fixtures" / "release-0.1.0.tar.gz"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with tarfile.open(FIXTURE) as tar:
        unpack(tar, tmp_path / "data")
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_migrate_says_what_it_would_do_and_does_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "state.db").read_bytes()
    assert run(hive_ml, ["migrate", "--check", "--json"]) == 1
    found = {one["store"]: one for one in json.loads(capsys.readouterr().out)}
    assert (found["state"]["held"], found["state"]["pending"]) == (1, True)
    assert (folder / "state.db").read_bytes() == before, "looking changes nothing"
    assert run(hive_ml, ["migrate"]) == 0
    assert run(hive_ml, ["migrate", "--check"]) == 0


def test_nothing_is_lost_and_the_answers_are_the_same(folder: Path) -> None:
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    assert run(hive_ml, ["migrate"]) == 0
    with closing(EmbeddedTicketStore(folder / "tickets")) as store:
        held = {t.ticket_id: t for t in store.tickets(TicketWindow())}
    assert len(held) == expected["tickets"]
    assert sum(t.retry_count for t in held.values()) == 5
    with closing(EmbeddedStateStore(folder / "state.db")) as state:
        assert state.count(PREDICTIONS) == expected["tickets"]
        first = flights(1)[0].ticket_id
        assert [r.document["note"] for r in state.find(VERDICTS, where={"ticket_id": first})] == ["late"]
        ledger = Ledger(state, HeadFile(folder / "ledger"))
        assert ledger.verify().intact
        assert ledger.verify().events == 2
        indexes = {
            "ticket_id": "records_by_ticket",
            "subject": "records_by_subject",
            "review": "records_by_review",
        }
        for field, index in indexes.items():
            query = (
                f"SELECT 1 FROM records WHERE collection = 'c' AND json_extract(document, '$.\"{field}\"') = 't'"
            )
            with closing(sqlite3.connect(folder / "state.db")) as db:
                plan = db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
            assert index in str(plan), "lookups go by the new index"
        assert state.acquire("job", "you", now_ms=10, ttl_ms=1).token == 2, "tokens go on growing"
    name = scheduling_model_name()
    slot = ModelSlot(name, FilePointerSource(folder), LastKnownGood(folder / "last-known-good"), SystemClock())
    outcome = slot.refresh()
    model_set = json.loads(next((folder / "published" / "artifacts").glob("*/manifest.json")).read_text())[
        "feature_set_version"
    ]
    if model_set != FEATURE_SET_VERSION:
        assert outcome.kind == "feature_set", "another definition of features refuses the model and says so"
        return
    loaded = slot.current
    assert loaded is not None, outcome
    assert isinstance(loaded.artifact.scorer, DurationScorer)
    statistics = LiveStatistics(Statistics.restore(loaded.artifact.model.statistics))
    service = DurationPrediction(slot, statistics)
    for ticket_id, wanted in expected["answers"].items():
        answer = service.predict(next(t for t in flights(10) if t.ticket_id == ticket_id))
        np.testing.assert_allclose([answer.p10_ms, answer.p50_ms, answer.p90_ms], wanted, rtol=1e-12)
    shelved = FolderShelf(folder / "statistics").newest()
    assert shelved is not None
    restored = Statistics.restore(shelved.arrays)
    assert restored.sequence == statistics.current.sequence
    owner = flights(1)[0].owner
    assert owner
    assert restored.look(1, owner) > 0, "owners that were kept by name are found by digest"
    assert not any(owner in key for key in restored.slots[1])


def test_a_store_of_a_newer_release_is_refused_and_left_alone(folder: Path) -> None:
    path, known = STORES["tickets"]
    with closing(sqlite3.connect(folder / path)) as db:
        db.execute(f"PRAGMA user_version={known + 1}")
        before = list(db.iterdump())
    assert run(hive_ml, ["migrate"]) == 4
    assert run(hive_ml, ["tickets", "count"]) == 4
    with closing(sqlite3.connect(folder / path)) as db:
        assert list(db.iterdump()) == before
        assert db.execute("PRAGMA user_version").fetchone() == (known + 1,)
