"""Human verdicts in and out of files: JSON lines, or CSV as a spreadsheet writes it."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from neural_hive_ml.clock import iso, parse_instant
from neural_hive_ml.errors import UsageError
from neural_hive_ml.feedback.desk import VerdictDesk
from neural_hive_ml.feedback.verdict import ANSWERS, Answer, Verdict

FIELDS: Final = ("ticket_id", "verdict", "author", "at", "note")
_LONGEST_NOTE: Final = 2_000


@dataclass(frozen=True, slots=True)
class GivenVerdict:
    """One verdict of a file; `place` is ``file:line``."""

    ticket_id: str
    verdict: Answer
    author: str
    at_ms: int
    note: str
    place: str


@dataclass(frozen=True, slots=True)
class FeedbackSummary:
    """`read` = `new` + `known` + the number of `refused` lines, each with its place and reason."""

    read: int
    new: int
    known: int
    refused: tuple[str, ...]


def write_verdicts(verdicts: Iterable[Verdict], out: IO[str], *, as_csv: bool) -> int:
    """Write verdicts, oldest first as given; return how many."""
    count = 0
    table = csv.DictWriter(out, FIELDS) if as_csv else None
    if table is not None:
        table.writeheader()
    for one in verdicts:
        row = {
            "ticket_id": one.ticket_id,
            "verdict": one.verdict,
            "author": one.author,
            "at": iso(one.at_ms),
            "note": one.note,
        }
        if table is not None:
            table.writerow(row)
        else:
            told = {**row, "prediction_id": one.prediction_id, "model_name": one.model_name,
                    "model_version": one.model_version, "review": one.review}  # fmt: skip
            out.write(msgspec.json.encode(told).decode() + "\n")
        count += 1
    return count


def read_verdicts(path: Path) -> Iterator[GivenVerdict | str]:
    """Yield the verdicts of a ``.jsonl`` or ``.csv`` file, or of a line that is none the reason.

    Raises
    ------
    UsageError
        For another ending, or a file that cannot be read.
    """
    if path.suffix not in {".jsonl", ".csv"}:
        raise UsageError(f"{path}: unknown ending", remedy="give .jsonl or .csv")
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            if path.suffix == ".csv":
                for number, row in enumerate(csv.DictReader(lines), start=2):
                    yield _given(row, f"{path}:{number}")
                return
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        document = msgspec.json.decode(line, type=dict[str, Any])
                    except msgspec.DecodeError as error:
                        yield f"{path}:{number}: no JSON object: {error}"
                        continue
                    yield _given(document, f"{path}:{number}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}", remedy="check the file; it must be UTF-8") from error


def take_verdicts(given: Iterable[GivenVerdict | str], desk: VerdictDesk) -> FeedbackSummary:
    """Store verdicts in the order in which they were given; one that is on record, to the moment, is left as it is."""
    refused: list[str] = []
    found: list[GivenVerdict] = []
    read = 0
    for one in given:
        read += 1
        if isinstance(one, str):
            refused.append(one)
        else:
            found.append(one)
    new = known = 0
    # An author's verdicts are numbered as they come in, so they must come in as they were given.
    for verdict in sorted(found, key=lambda v: (v.at_ms, v.place)):
        same = (verdict.verdict, verdict.author, verdict.at_ms, verdict.note)
        held = desk.of_ticket(verdict.ticket_id)
        if any((h.verdict, h.author, h.at_ms, h.note) == same for h in held):
            known += 1
            continue
        taken = desk.take(
            verdict.verdict,
            author=verdict.author,
            at_ms=verdict.at_ms,
            ticket_id=verdict.ticket_id,
            note=verdict.note,
        )
        new, known = new + taken.new, known + (not taken.new)
    return FeedbackSummary(read, new, known, tuple(refused))


def _given(row: Mapping[str, Any], place: str) -> GivenVerdict | str:
    ticket_id, verdict, author = (str(row.get(name) or "").strip() for name in ("ticket_id", "verdict", "author"))
    note, at = str(row.get("note") or ""), str(row.get("at") or "").strip()
    if not ticket_id or not author:
        return f"{place}: ticket_id and author are needed"
    if verdict not in ANSWERS:
        return f"{place}: verdict {verdict!r} is none of {', '.join(ANSWERS)}"
    if len(note) > _LONGEST_NOTE:
        return f"{place}: the note is longer than {_LONGEST_NOTE:,} characters"
    try:
        at_ms = parse_instant(at)
    except ValueError:
        return f"{place}: at {at!r} is no moment (ISO 8601 or epoch milliseconds)"
    return GivenVerdict(ticket_id, verdict, author, at_ms, note, place)
