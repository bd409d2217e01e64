"""Backups from and into MongoDB: empty databases only, nothing left behind as files, a ledger without holes."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.support.tickets import START_MS, ticket
from tests.support.trained import anomaly_candidate, duration_candidate

from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.conventions import CHAMPION, LEDGER, PREDICTIONS
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.files import write_artifact
from neural_hive_ml.registry.published import PublishedFolder
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.state.mongo import MongoStateStore
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.mongo import MongoTicketStore
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.upkeep import backup
from neural_hive_ml.upkeep.backup import back_up, copy_state

mongo = [pytest.mark.services, pytest.mark.xdist_group("mongo")]
TICKETS = [ticket(f"t-{i}", START_MS + i) for i in range(30)]


def new_database() -> str:
    return f"test_{uuid4().hex[:12]}"


def filled(state: StateStore, tickets: TicketStore, heads: Path) -> None:
    tickets.upsert(TICKETS)
    state.insert(PREDICTIONS, [Record(f"p-{i}", i, {"ticket_id": f"t-{i}", "score": i / 7}) for i in range(2_500)])
    ledger = Ledger(state, HeadFile(heads))
    for i in range(9):
        ledger.append("run", "load", {"number": i}, at_ms=i, actor="test")


@pytest.mark.parametrize("source", [pytest.param("mongo", marks=mongo), pytest.param("embedded", marks=mongo)])
def test_restored_into_an_empty_database_and_into_no_other(
    source: str,
    mongo_uri: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, after, target = tmp_path / "before", tmp_path / "after", tmp_path / "backup"
    monkeypatch.setenv("HIVE_DATA_DIR", str(before))
    first, second = new_database(), new_database()
    if source == "mongo":
        monkeypatch.setenv("MONGODB_URI", mongo_uri)
        monkeypatch.setenv("MONGODB_DATABASE", first)
        with (
            closing(MongoStateStore(mongo_uri, first)) as state,
            closing(MongoTicketStore(mongo_uri, first)) as tickets,
        ):
            filled(state, tickets, before / "ledger")
    else:
        with (
            closing(EmbeddedStateStore(before / "state.db")) as embedded,
            closing(EmbeddedTicketStore(before / "tickets")) as files,
        ):
            filled(embedded, files, before / "ledger")
    assert run(hive_ml, ["backup", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["tickets"] == len(TICKETS)
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    monkeypatch.setenv("MONGODB_DATABASE", second)
    monkeypatch.setenv("HIVE_DATA_DIR", str(after))
    assert run(hive_ml, ["restore", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ledger_intact"] is True
    assert {path.name for path in after.iterdir()} == {"ledger"}, "what is in MongoDB is not left as files too"
    with (
        closing(MongoStateStore(mongo_uri, second)) as state,
        closing(MongoTicketStore(mongo_uri, second)) as tickets,
    ):
        assert list(tickets.tickets(TicketWindow())) == TICKETS
        assert state.count(PREDICTIONS) == 2_500
        assert state.get(PREDICTIONS, "p-3") == Record("p-3", 3, {"ticket_id": "t-3", "score": 3 / 7})
        # Life goes on there; an older backup must not undo it.
        newer = ticket("t-0", START_MS, retry_count=7)
        tickets.upsert([newer])
        monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path / "third"))
        assert run(hive_ml, ["restore", str(target)]) == 2
        assert "MONGODB_DATABASE" in capsys.readouterr().err
        assert tickets.get("t-0") == newer
        tickets.erase([t.ticket_id for t in TICKETS])
        assert run(hive_ml, ["restore", str(target)]) == 2, "records alone are reason enough"
        assert tickets.extent().tickets == 0
    assert not (tmp_path / "third").exists()


class Busy(MemoryStateStore):
    """A store to which somebody appends back-dated decisions while it is read page by page."""

    def find(self, collection: str, **asked: Any) -> Sequence[Record]:
        found = super().find(collection, **asked)
        if (
            collection == LEDGER
            and asked.get("limit")
            and not any(asked.get(k) for k in ("after", "where", "newest_first"))
        ):
            ledger = Ledger(self)
            ledger.append("human_verdict", "import", {}, at_ms=5, actor="rui")
            ledger.append("run", "load", {}, at_ms=9_999_999, actor="test")
        return found


def test_a_back_dated_decision_behind_the_cursor_leaves_no_hole(tmp_path: Path) -> None:
    state = Busy()
    heads = HeadFile(tmp_path / "ledger")
    for i in range(2_100):
        Ledger(state, heads if i == 2_099 else None).append("run", "load", {"n": i}, at_ms=1_000 + i, actor="test")
    copy_state(state, tmp_path / "state.db")
    with closing(EmbeddedStateStore(tmp_path / "state.db")) as copy:
        verified = Ledger(copy, heads).verify()
    assert verified.faults == ()
    assert verified.events >= 2_100


def test_a_promotion_meanwhile_leaves_no_pointer_without_its_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [anomaly_candidate().model, duration_candidate().model]
    artifacts = [tmp_path / f"artifact-{i}" for i in range(2)]
    for model, artifact in zip(made, artifacts, strict=True):
        write_artifact(model, artifact)
    published = PublishedFolder(tmp_path / "data" / "published")
    published.publish("m", CHAMPION, 1, artifacts[0])
    copy, copied = backup._copy_file, []

    def copying(source: Path, target: Path) -> None:
        copy(source, target)
        copied.append(source)
        if len(copied) == 4:  # somebody promotes and prunes in the middle of it
            published.publish("m", CHAMPION, 2, artifacts[1])
            published.prune()

    monkeypatch.setattr(backup, "_copy_file", copying)
    back_up(tmp_path / "data", tmp_path / "backup", made_at_ms=1)
    assert len(copied) > 4
    kept = PublishedFolder(tmp_path / "backup" / "published")
    assert kept.pointer("m", CHAMPION).exists()
    assert kept.broken() == []


def test_an_artifact_that_is_spoilt_is_told_and_backed_up_as_it_is(tmp_path: Path) -> None:
    write_artifact(anomaly_candidate().model, tmp_path / "artifact")
    published = PublishedFolder(tmp_path / "data" / "published")
    published.publish("m", CHAMPION, 1, tmp_path / "artifact")
    [seal] = published.folder.glob("artifacts/*/policy.json")
    seal.write_bytes(b"{}")
    said: list[str] = []
    back_up(tmp_path / "data", tmp_path / "backup", made_at_ms=1, say=said.append)
    assert "m names an artifact that is not whole (next: hive-ml models promote m)" in said
