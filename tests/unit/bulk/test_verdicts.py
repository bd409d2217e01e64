"""Verdicts out and in again: to the letter, once, in the ledger, whatever the file's form."""

from pathlib import Path

import pytest

from neural_hive_ml.bulk.verdicts import read_verdicts, take_verdicts, write_verdicts
from neural_hive_ml.errors import UsageError
from neural_hive_ml.feedback.desk import VerdictDesk
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.state.memory import MemoryStateStore


def desk(folder: Path) -> VerdictDesk:
    state = MemoryStateStore()
    return VerdictDesk(state, Ledger(state, HeadFile(folder)), 0.8)


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_what_was_given_comes_back_and_a_second_import_changes_nothing(tmp_path: Path, ending: str) -> None:
    first = desk(tmp_path / "a")
    first.take("anomaly", author="ana", at_ms=1_000, ticket_id="t,1", note='it said "no",\nthen stopped')
    first.take("normal", author="ana", at_ms=2_000, ticket_id="t,1")
    first.take("unsure", author="rui", at_ms=3_000, ticket_id="t2", note="\u00e7\U0001f41d")
    file = tmp_path / f"v.{ending}"
    with file.open("w", encoding="utf-8", newline="") as out:
        assert write_verdicts(first.between(), out, as_csv=ending == "csv") == 3
    second = desk(tmp_path / "b")
    done = take_verdicts(read_verdicts(file), second)
    assert (done.read, done.new, done.known, done.refused) == (3, 3, 0, ())
    assert list(second.between()) == list(first.between())
    again = take_verdicts(read_verdicts(file), second)
    assert (again.new, again.known) == (0, 3)
    verified = second.ledger.verify()
    assert (verified.events, verified.faults) == (3, ())


def test_lines_that_are_no_verdicts_are_told_and_the_others_taken(tmp_path: Path) -> None:
    file = tmp_path / "v.jsonl"
    file.write_text(
        '{"ticket_id": "t1", "verdict": "anomaly", "author": "ana", "at": "2026-01-01T00:00:00Z"}\n'
        '{"ticket_id": "t1", "verdict": "perhaps", "author": "ana", "at": "2026-01-01T00:00:00Z"}\n'
        '{"ticket_id": "", "verdict": "normal", "author": "ana", "at": "2026-01-01T00:00:00Z"}\n'
        '{"ticket_id": "t2", "verdict": "normal", "author": "ana", "at": "yesterday"}\n'
        "[1]\n"
    )
    done = take_verdicts(read_verdicts(file), desk(tmp_path / "a"))
    assert (done.read, done.new, len(done.refused)) == (5, 1, 4)
    assert all(f"{file}:{number}: " in line for number, line in zip((2, 3, 4, 5), done.refused, strict=True))
    (tmp_path / "v.xlsx").touch()
    with pytest.raises(UsageError, match="unknown ending"):
        list(read_verdicts(tmp_path / "v.xlsx"))
