"""A person's data removed from every store: tickets, predictions, outcomes, verdicts, quarantine, and what else names them.

The ledger holds digests only and keeps them; it records that the erasure took place. Statistics remember owners by digest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from neural_hive_ml.conventions import VERDICTS
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.ledger.event import personal
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.upkeep.collections import SEARCHED
from neural_hive_ml.upkeep.person import Person

_PAGE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Erased:
    """What went, by place; `verdicts_unnamed` are those the person gave on others' tickets: kept as labels, without name
    and note."""

    tickets: int
    records: dict[str, int]
    verdicts: int
    verdicts_unnamed: int


def find_person(tickets: TicketStore, owner: str) -> Person:
    """Return the person with the ids of all of their tickets; reads the whole store."""
    ids: list[str] = []
    for block in tickets.blocks(TicketWindow()):
        ids += block.ticket_id[block.owner == owner].tolist()
    return Person(owner, frozenset(ids))


def erase(
    person: Person,
    tickets: TicketStore,
    state: StateStore,
    ledger: Ledger,
    *,
    at_ms: int,
    actor: str,
    dry_run: bool,
) -> Erased:
    """Erase a person from tickets and operational state, then from the stores' own files. Safe to run again.

    Raises
    ------
    StoreUnavailable
        When a store does not answer; what went is gone, run it again for the rest.
    """
    records = {}
    for collection in SEARCHED:
        mine = [record.key for record in _all(state, collection) if _about(person, record)]
        records[collection] = len(mine) if dry_run else state.delete(collection, mine)
    on_theirs, by_them = _verdicts(person, state)
    if dry_run:
        return Erased(len(person.ticket_ids), records, len(on_theirs), len(by_them))
    state.delete(VERDICTS, on_theirs)
    for record in by_them:
        unnamed = {**record.document, "author": personal(person.owner), "note": ""}
        state.put(VERDICTS, replace(record, document=unnamed))
    gone = tickets.erase(person.ticket_ids)
    payload = {"tickets": gone, "records": sum(records.values()), "verdicts": len(on_theirs) + len(by_them)}
    ledger.append("erasure", personal(person.owner), payload, at_ms=at_ms, actor=personal(actor))
    state.forget()
    return Erased(gone, records, len(on_theirs), len(by_them))


def _about(person: Person, record: Record) -> bool:
    return person.in_text(record.key) or person.in_document(record.document)


def _verdicts(person: Person, state: StateStore) -> tuple[list[str], list[Record]]:
    """Return the keys of verdicts on the person's tickets or that name them, and the verdicts that the person gave."""
    on_theirs, by_them = [], []
    for record in _all(state, VERDICTS):
        if str(record.document.get("ticket_id")) in person.ticket_ids:
            on_theirs.append(record.key)
        elif record.document.get("author") == person.owner:
            by_them.append(record)
        elif person.in_document(record.document):
            on_theirs.append(record.key)
    return on_theirs, by_them


def _all(state: StateStore, collection: str) -> Iterator[Record]:
    after: tuple[int, str] | None = None
    while page := state.find(collection, limit=_PAGE, after=after):
        yield from page
        after = page[-1].at_ms, page[-1].key
