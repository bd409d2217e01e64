"""The ledger: every change to the past shows, and writers at once lose nothing."""

import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from neural_hive_ml.conventions import LEDGER_CHECKS
from neural_hive_ml.ledger.anchor import Head, HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.ledger.checks import Checked, keep, last_checked
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record

NOW = 1_700_000_000_000


def ledger_of(folder: Path) -> Ledger:
    return Ledger(EmbeddedStateStore(folder / "state.db"), HeadFile(folder / "heads"))


def written(folder: Path, count: int = 6) -> Ledger:
    ledger = ledger_of(folder)
    for i in range(count):
        ledger.append("decision", "retraining", {"action": "wait", "number": i}, at_ms=NOW + i, actor="policy")
    return ledger


def change(folder: Path, sql: str, *values: object) -> None:
    """Reach into the store as somebody with its password would."""
    with sqlite3.connect(folder / "state.db") as db:
        assert db.execute(sql, values).rowcount > 0


def key(sequence: int) -> str:
    return f"decisions:{sequence:012d}"


def event_hash(ledger: Ledger, sequence: int) -> str:
    return next(event.hash for event in ledger.events() if event.sequence == sequence)


def test_an_untouched_chain_is_intact(tmp_path: Path) -> None:
    found = written(tmp_path).verify()
    assert (found.intact, found.events, found.anchored) == (True, 6, 6)


@pytest.mark.parametrize(
    ("path", "value"), [("$.payload.number", 99), ("$.actor", "somebody"), ("$.at_ms", 1), ("$.subject", "other")]
)
def test_a_changed_field_shows(tmp_path: Path, path: str, value: object) -> None:
    ledger = written(tmp_path)
    change(tmp_path, "UPDATE records SET document = json_set(document, ?, ?) WHERE key = ?", path, value, key(3))
    found = ledger.verify()
    assert not found.intact
    assert "event 3" in found.faults[0]


def test_a_removed_event_shows(tmp_path: Path) -> None:
    ledger = written(tmp_path)
    change(tmp_path, "DELETE FROM records WHERE key = ?", key(3))
    assert "event 3 is missing" in ledger.verify().faults[0]


def test_two_events_that_changed_places_show(tmp_path: Path) -> None:
    ledger = written(tmp_path)
    with sqlite3.connect(tmp_path / "state.db") as db:
        three, four = (
            db.execute("SELECT document FROM records WHERE key = ?", (key(n),)).fetchone()[0] for n in (3, 4)
        )
    for n, document in ((3, four), (4, three)):
        change(tmp_path, "UPDATE records SET document = ? WHERE key = ?", document, key(n))
    assert not ledger.verify().intact


def test_a_chain_cut_short_shows_by_the_head_outside_of_the_store(tmp_path: Path) -> None:
    ledger = written(tmp_path)
    for n in (5, 6):
        change(tmp_path, "DELETE FROM records WHERE key = ?", key(n))
    change(tmp_path, "DELETE FROM records WHERE key = 'decisions:head'")
    found = ledger.verify()
    assert "cut off after event 4: the head file knows event 6" in found.faults[0]
    # Without the anchor a shortened chain looks whole: that is what it is for, and verify says that it is missing.
    assert Ledger(ledger.state).verify().standing == "unanchored"


@pytest.mark.parametrize("appended", [1, 3])
def test_a_chain_cut_short_shows_after_it_grew_again(tmp_path: Path, appended: int) -> None:
    ledger, heard = written(tmp_path), []
    last = ledger.last()
    assert last is not None
    for n in (5, 6):
        change(tmp_path, "DELETE FROM records WHERE key = ?", key(n))
    change(tmp_path, "DELETE FROM records WHERE key = 'decisions:head'")
    grown = replace(ledger, tell=lambda head, fault: heard.append((head.sequence, fault)))
    for i in range(appended):
        grown.append("decision", "retraining", {"number": 100 + i}, at_ms=NOW + 100 + i, actor="policy")
    # The decisions are there, the anchor stayed as the proof, and each append said so.
    assert [n for n, _ in heard] == [5 + i for i in range(appended)]
    assert all("the head file knows" in fault for _, fault in heard)
    assert ledger.heads is not None
    held = ledger.heads.read("decisions")
    assert held is not None
    assert (held.sequence, held.hash) == (6, last.hash)
    assert ledger.verify().standing == "broken"
    # A head of a log says the same where the folder with the file is lost.
    assert not Ledger(ledger.state).verify(known=[held]).intact
    assert Ledger(ledger.state).verify(known=[Head("decisions", 4, event_hash(ledger, 4))]).standing == "intact"


def test_what_a_restore_left_is_accepted_by_a_decision(tmp_path: Path) -> None:
    ledger = written(tmp_path)
    change(tmp_path, "DELETE FROM records WHERE key = ?", key(6))
    change(tmp_path, "DELETE FROM records WHERE key = 'decisions:head'")
    accepted = ledger.accept(at_ms=NOW + 50, actor="ana", reason="restored the backup of Monday")
    assert (accepted.payload["anchored"], accepted.payload["accepted"]) == (6, 5)
    ledger.append("decision", "retraining", {"number": 7}, at_ms=NOW + 60, actor="policy")
    found = ledger.verify()
    assert (found.standing, found.events, found.anchored) == ("intact", 7, 7)


def test_a_chain_written_anew_shows_by_the_head_too(tmp_path: Path) -> None:
    ledger = written(tmp_path)
    ledger.state.close()
    (tmp_path / "state.db").unlink()
    for extra in ("-wal", "-shm"):
        (tmp_path / f"state.db{extra}").unlink(missing_ok=True)
    forged = Ledger(EmbeddedStateStore(tmp_path / "state.db"))
    for i in range(6):
        forged.append("decision", "retraining", {"action": "retrain", "number": i}, at_ms=NOW + i, actor="policy")
    assert "history was rewritten" in ledger_of(tmp_path).verify().faults[0]


def _append(folder: str, who: int, count: int) -> None:
    ledger = ledger_of(Path(folder))
    for i in range(count):
        ledger.append("run", f"writer-{who}", {"number": i}, at_ms=NOW + i, actor=str(who))


def test_writers_in_processes_and_threads_lose_nothing(tmp_path: Path) -> None:
    ledger_of(tmp_path).state.close()
    processes = [get_context("fork").Process(target=_append, args=(str(tmp_path), who, 15)) for who in range(2)]
    for process in processes:
        process.start()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda who: _append(str(tmp_path), who, 15), (2, 3)))
    for process in processes:
        process.join()
        assert process.exitcode == 0
    ledger = ledger_of(tmp_path)
    found = ledger.verify()
    assert (found.intact, found.events) == (True, 60)
    for who in range(4):
        numbers = [e.payload["number"] for e in ledger.events() if e.actor == str(who)]
        assert numbers == list(range(15))


class Overtaken(EmbeddedStateStore):
    """A store in which another writer acts right after a key was first read."""

    def __init__(self, path: Path, key_: str, act: Callable[[], object]) -> None:
        super().__init__(path)
        self.key, self.acts = key_, [act]

    def get(self, collection: str, key_: str) -> Record | None:
        found = super().get(collection, key_)
        if key_ == self.key and self.acts:
            self.acts.pop()()
        return found


def test_a_decision_that_comes_in_during_a_verification_is_no_cut(tmp_path: Path) -> None:
    other = written(tmp_path)
    state = Overtaken(
        tmp_path / "state.db",
        key(7),  # that there is none ends the walk
        lambda: other.append("decision", "retraining", {"number": 7}, at_ms=NOW + 50, actor="policy"),
    )
    found = Ledger(state, HeadFile(tmp_path / "heads")).verify()
    assert (found.standing, found.events, found.anchored) == ("intact", 6, 6)


def test_a_writer_that_is_overtaken_hears_of_no_cut(tmp_path: Path) -> None:
    other, heard = written(tmp_path), []

    def overtake() -> None:
        other.append("decision", "retraining", {"number": 8}, at_ms=NOW + 50, actor="policy")

    class Slow(HeadFile):
        """The other writer anchors event 8 before this one has anchored its event 7."""

        def read(self, chain: str) -> Head | None:
            if acts:
                acts.pop()()
            return super().read(chain)

    acts = [overtake]
    ledger = Ledger(
        EmbeddedStateStore(tmp_path / "state.db"),
        Slow(tmp_path / "heads"),
        lambda head, fault: heard.append((head.sequence, fault)),
    )
    ledger.append("decision", "retraining", {"number": 7}, at_ms=NOW + 40, actor="policy")
    assert heard == [(7, "")]
    assert ledger.verify().anchored == 8


def test_what_was_found_is_on_record_and_anchors_what_others_appended(tmp_path: Path) -> None:
    ledger = written(tmp_path)
    # A service whose folder is not the jobs' appends.
    heads = HeadFile(tmp_path / "of-a-service")
    elsewhere = Ledger(ledger.state, heads)
    elsewhere.append("human_verdict", "d:1", {"verdict": "normal"}, at_ms=NOW + 20, actor="d:ana")
    assert ledger.heads is not None
    assert ledger.heads.read("decisions") != heads.read("decisions")
    assert last_checked(ledger.state) is None
    keep(ledger, ledger.verify(), at_ms=NOW + 30)
    assert ledger.heads.read("decisions") == heads.read("decisions")
    assert last_checked(ledger.state) == Checked(NOW + 30, "intact", 7, ())
    # From now on cutting that decision shows; the anchor stays as the proof.
    change(tmp_path, "DELETE FROM records WHERE key IN (?, 'decisions:head')", key(7))
    keep(ledger, ledger.verify(), at_ms=NOW + 40)
    broken = last_checked(ledger.state)
    assert broken is not None
    [whole] = ledger.state.find(LEDGER_CHECKS, where={"standing": "intact"})
    assert (broken.standing, broken.events, whole.at_ms) == ("broken", 6, NOW + 30)
    assert "cut off after event 6" in broken.faults[0]
    assert ledger.heads.read("decisions") == heads.read("decisions")


def test_what_is_reported_again_after_a_crash_is_there_once(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path)
    for _ in range(3):
        ledger.append("alias", "model", {"version": 2}, at_ms=NOW, actor="policy", once="promote:2")
    assert ledger.verify().events == 1
    assert json.loads((tmp_path / "heads" / "ledger-decisions.head.json").read_text())["sequence"] == 1
