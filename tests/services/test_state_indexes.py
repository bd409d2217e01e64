"""What MongoDB's state is looked up by has an index: made at the first write, seen when missing, made on demand."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.conventions import LEDGER, PREDICTIONS, THREATS, VERDICTS
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.mongo import INDEXES, MongoStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.upkeep.collections import CARE

LOOKUPS = ((PREDICTIONS, "ticket_id"), (PREDICTIONS, "review"), (VERDICTS, "ticket_id"), (LEDGER, "subject"))
RECORDS = 300


@pytest.fixture
def database() -> str:
    return f"test_{uuid4().hex[:12]}"


@pytest.fixture
def state(mongo_uri: str, database: str) -> Iterator[MongoStateStore]:
    with closing(MongoStateStore(mongo_uri, database, 10.0)) as store:
        yield store


def filled(state: MongoStateStore | EmbeddedStateStore) -> None:
    for collection in dict(LOOKUPS):
        fields = [field for held, field in LOOKUPS if held == collection]
        state.insert(collection, [Record(f"{i}", i, dict.fromkeys(fields, f"x{i // 3}")) for i in range(RECORDS)])
    state.put(THREATS, Record("t", 1, {}))


def test_every_collection_has_its_indexes() -> None:
    assert {*INDEXES, "leases"} == set(CARE)


@pytest.mark.services
@pytest.mark.xdist_group("mongo")
def test_a_look_at_one_ticket_or_subject_reads_what_is_about_it(state: MongoStateStore) -> None:
    filled(state)
    for collection, field in LOOKUPS:
        asked = state._mongo.database[collection].find({field: {"$eq": "x7"}}, sort=[("_at_ms", -1), ("_id", -1)])
        stats: dict[str, Any] = asked.explain()["executionStats"]
        assert (stats["nReturned"], stats["totalDocsExamined"]) == (3, 3)
        assert [r.key for r in state.find(collection, where={field: "x7"})] == ["21", "22", "23"]


@pytest.mark.services
@pytest.mark.xdist_group("mongo")
def test_missing_indexes_are_seen_and_made(
    state: MongoStateStore,
    mongo_uri: str,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(state.missing_indexes()) == [], "nothing is there yet"
    filled(state)
    assert list(state.missing_indexes()) == []
    # As a release before this one left them.
    state._mongo.database[PREDICTIONS].drop_index("by_ticket_id")
    state._mongo.database[LEDGER].drop_index("by_subject")
    assert list(state.missing_indexes()) == [f"{PREDICTIONS}.by_ticket_id", f"{LEDGER}.by_subject"]
    for name in ("HIVE_PROFILE", "CLICKHOUSE_HOST", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    monkeypatch.setenv("MONGODB_DATABASE", database)
    assert run(hive_ml, ["tickets", "index", "--check"]) == 1
    assert f"{LEDGER}.by_subject" in capsys.readouterr().out
    assert run(hive_ml, ["tickets", "index"]) == 0
    assert list(state.missing_indexes()) == []
    assert run(hive_ml, ["tickets", "index", "--check"]) == 0


def test_the_embedded_store_looks_by_an_index_too(tmp_path: Path) -> None:
    with closing(EmbeddedStateStore(tmp_path / "state.db")) as state:
        filled(state)
        steps: list[int] = []
        state._db.set_progress_handler(lambda: steps.append(1) or 0, 100)
        for collection, field in LOOKUPS:
            assert [r.key for r in state.find(collection, where={field: "x7"})] == ["21", "22", "23"]
        # A scan of 300 records takes thousands of the machine's steps, hundreds of a JSON document's.
        assert len(steps) <= 3 * len(LOOKUPS)
