"""A person's data goes everywhere: a search of our own through every store finds it before and nothing after."""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.support.served import publish
from tests.support.trained import anomaly_candidate, duration_candidate, generated_tickets

from neural_hive_ml import conventions
from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.feedback.desk import VerdictDesk
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.serving.statistics_shelf import FolderShelf
from neural_hive_ml.serving.statistics_source import LiveStatistics
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.tickets.quarantine import Quarantine, quarantined
from neural_hive_ml.upkeep.person import Person

OWNER = "team-00"


def readable(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Everything below a folder, compressed files as what they hold."""
    for path in folder.rglob("*"):
        if path.is_file():
            name = str(path.relative_to(folder))
            yield name, path.read_bytes()
            if path.suffix == ".parquet":
                table = pq.ParquetFile(path, read_dictionary=["metadata", "parameters", "description"]).read()
                yield name, repr(table.to_pylist()).encode()
                for column in (table["metadata"], table["parameters"]):
                    yield name, repr([chunk.dictionary.to_pylist() for chunk in column.chunks]).encode()
            if path.suffix == ".npz":
                with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
                    yield name, b"".join(archive.read(part) for part in archive.namelist())


def found(folder: Path, *names: str) -> set[str]:
    wanted = [name.encode() for name in names]
    return {place.split("/")[0] for place, content in readable(folder) if any(name in content for name in wanted)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder in use: segments with dead rows, waiting tickets, all kinds of records, models, statistics."""
    publish(tmp_path, [anomaly_candidate(), duration_candidate()])
    many = [replace(t, ticket_id=f"{t.ticket_id}-{k}") for k in range(2) for t in generated_tickets()]
    with closing(EmbeddedTicketStore(tmp_path / "tickets")) as tickets:
        tickets.upsert(many)
        tickets.upsert([replace(t, retry_count=3) for t in many[:40]])
        tickets.upsert(generated_tickets()[:30])
        mine = [t.ticket_id for t in tickets.tickets(TicketWindow()) if t.owner == OWNER]
    with closing(EmbeddedStateStore(tmp_path / "state.db")) as state:
        for collection in (conventions.PREDICTIONS, conventions.SHADOW_PREDICTIONS, conventions.OUTCOMES):
            state.insert(collection, [Record(f"{i}", i, {"ticket_id": t.ticket_id, "explanation": f"{t.owner} is slow"})
                                      for i, t in enumerate(many[:200])])  # fmt: skip
        desk = VerdictDesk(state, Ledger(state, HeadFile(tmp_path / "ledger")), 0.5)
        desk.take("anomaly", author="rui", at_ms=1, ticket_id=mine[0], note=f"{OWNER} again")
        desk.take("normal", author=OWNER, at_ms=2, ticket_id="somebody-else", note="as I said")
        desk.take("normal", author="rui", at_ms=3, ticket_id="somebody-else", note="fine")
        bad = encode_ticket(replace(many[0], metadata={"owner": OWNER})).replace(b'"COMPLETED"', b'"DONE"')
        Quarantine(state).add([quarantined(bad, reason="status", field="status", source="f:1", at_ms=1),
                               quarantined(b"{}", reason="empty", field="", source="f:2", at_ms=1)])  # fmt: skip
    statistics = Statistics.restore(anomaly_candidate().model.statistics)
    FolderShelf(tmp_path / "statistics").put(1, LiveStatistics(statistics).snapshot())
    return tmp_path


def test_nothing_is_left_and_nobody_else_is_touched(folder: Path, monkeypatch: pytest.MonkeyPatch,
                                                    capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    with closing(EmbeddedTicketStore(folder / "tickets")) as tickets:
        before = list(tickets.tickets(TicketWindow()))
    mine = [t.ticket_id for t in before if t.owner == OWNER]
    assert found(folder, OWNER, *mine) >= {"tickets", "state.db"}
    assert found(folder, OWNER) & {"published", "artifacts", "statistics"} == set(), (
        "models know owners by digest only"
    )
    monkeypatch.setenv("HIVE_DATA_DIR", str(folder))
    assert run(hive_ml, ["data", "purge", "--owner", OWNER, "--dry-run", "--json"]) == 0
    would = json.loads(capsys.readouterr().out)
    assert run(hive_ml, ["data", "purge", "--owner", OWNER, "--yes", "--wait", "0", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["left"] == []
    for name in ("tickets", "records", "verdicts", "verdicts_unnamed"):
        assert said[name] == would[name]
    assert (said["tickets"], said["verdicts"], said["verdicts_unnamed"]) == (len(mine), 1, 1)
    assert said["records"][conventions.QUARANTINE] == 1
    assert said["records"][conventions.PREDICTIONS] > 20
    assert found(folder, OWNER, *mine) == set()
    with closing(EmbeddedTicketStore(folder / "tickets")) as tickets:
        assert list(tickets.tickets(TicketWindow())) == [t for t in before if t.owner != OWNER]
    with closing(EmbeddedStateStore(folder / "state.db")) as state:
        ledger = Ledger(state, HeadFile(folder / "ledger"))
        assert ledger.verify().intact
        last = ledger.last()
        assert last is not None
        assert (last.kind, last.payload["tickets"]) == ("erasure", len(mine))
        labels = [r.document for r in state.find(conventions.VERDICTS)]
        assert [(v["verdict"], v["note"]) for v in labels] == [("normal", ""), ("normal", "fine")]
        kept = state.count(conventions.PREDICTIONS)
        assert kept == 200 - said["records"][conventions.PREDICTIONS] > 0
    assert run(hive_ml, ["data", "purge", "--owner", OWNER, "--yes", "--wait", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tickets"] == 0


def test_what_is_left_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "notes.txt").write_text(f"ask {OWNER} why")
    monkeypatch.setenv("HIVE_DATA_DIR", str(folder))
    assert run(hive_ml, ["data", "purge", "--owner", OWNER, "--yes", "--wait", "0", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["left"] == ["notes.txt"]


def test_a_name_is_a_word_and_no_part_of_one() -> None:
    ana = Person("ana", frozenset({"t-1"}))
    assert ana.in_text("ask ana, please")
    assert not ana.in_text("banana")
    assert ana.in_document({"a": [{"b": ("x", "t-1")}]})
    assert ana.in_document({"ana": 1})
    assert not ana.in_document({"ticket_id": "t-11", "score": 1.0})
    assert ana.in_message("t-1", b"")
    assert ana.in_message("k", b'{"metadata": {"owner": "ana"}}')
    assert ana.in_message("k", b"not json, ana")
