"""A person's data removed from every store: tickets, predictions, outcomes, verdicts, quarantine, and what else names them.

The ledger holds digests only and keeps them. Statistics remember owners by digest. One round reads everything; a round that
finds nothing any more is the proof that nothing is left.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import chain

from neural_hive_ml.conventions import VERDICTS
from neural_hive_ml.ledger.event import personal
from neural_hive_ml.state.pages import pages
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.tickets.changes import changes_of
from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.upkeep.collections import SEARCHED
from neural_hive_ml.upkeep.erased import erased_before
from neural_hive_ml.upkeep.mentions import leave_out
from neural_hive_ml.upkeep.person import Person


@dataclass(frozen=True, slots=True)
class Erased:
    """What went, by place.

    Kept without the person in them: `verdicts_unnamed`, those the person gave on others' tickets (labels, without name and
    note), and `tickets_unnamed`, others' tickets. `unreadable` are documents of the person that are no tickets.
    `still_named` are others' tickets that name the person and could not be changed.
    """

    tickets: int = 0
    unreadable: int = 0
    tickets_unnamed: int = 0
    records: dict[str, int] = field(default_factory=dict)
    verdicts: int = 0
    verdicts_unnamed: int = 0
    still_named: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many records and documents went or were changed."""
        counts = (self.tickets, self.unreadable, self.tickets_unnamed, self.verdicts, self.verdicts_unnamed)
        return sum(counts) + sum(self.records.values())

    def __add__(self, later: "Erased") -> "Erased":
        sums = {
            one.name: getattr(self, one.name) + getattr(later, one.name)
            for one in fields(self)
            if one.name not in {"records", "still_named"}
        }
        names = {*self.records, *later.records}
        records = {name: self.records.get(name, 0) + later.records.get(name, 0) for name in sorted(names)}
        return Erased(**sums, records=records, still_named=later.still_named)


def find_person(tickets: TicketStore, state: StateStore, owner: str) -> Person:
    """Return the person with the ids of all of their tickets, reading the whole store, and those erased before."""
    ids: set[str] = set()
    for block in tickets.blocks(TicketWindow()):
        ids.update(block.ticket_id[block.owner == owner].tolist())
    return Person(owner, frozenset(ids), erased_before(state, owner))


def erase(
    person: Person, tickets: TicketStore, state: StateStore, *, dry_run: bool
) -> tuple[Erased, tuple[str, ...]]:
    """Erase a person from operational state and the tickets of record, once; return what went, and the others' tickets that
    were changed. Safe to run again.

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
    # Changed first: then no file holds a superseded row of theirs when the person's own go.
    mentions = leave_out(person, tickets, dry_run=dry_run)
    gone = len(person.ticket_ids)
    if not dry_run:
        state.delete(VERDICTS, on_theirs)
        for record in by_them:
            unnamed = {**record.document, "author": personal(person.owner), "note": ""}
            if unnamed.get("key_id") == person.owner:
                unnamed["key_id"] = unnamed["author"]
            state.put(VERDICTS, replace(record, document=unnamed))
        gone = tickets.erase(person.ticket_ids)
    done = Erased(
        gone, mentions.unreadable, len(mentions.changed), records, len(on_theirs), len(by_them), mentions.left
    )
    return done, mentions.changed


def erase_copy(
    person: Person, copy: ClickHouseTicketStore, tickets: TicketStore, changed: tuple[str, ...], *, dry_run: bool
) -> int:
    """Erase a person from ClickHouse, whether the original is still there or not; return how many tickets were concerned.

    Others' tickets that name the person are copied anew from the store of record. No sync may run meanwhile.
    Raises `StoreUnavailable`.
    """
    named = copy.naming(person.owner, person.ticket_ids) | set(changed)
    if not dry_run and named:
        copy.erase(named)
        copy.upsert(changes_of(tickets).of(named - set(person.ticket_ids)))
    return len(named)


def _about(person: Person, record: Record) -> bool:
    return person.in_text(record.key) or person.in_document(record.document)


def _verdicts(person: Person, state: StateStore) -> tuple[list[str], list[Record]]:
    """Return the keys of verdicts on the person's tickets or that name them, and the verdicts that the person gave."""
    on_theirs, by_them = [], []
    for record in _all(state, VERDICTS):
        if person.in_document({"ticket_id": record.document.get("ticket_id")}):
            on_theirs.append(record.key)
        elif record.document.get("author") == person.owner:
            by_them.append(record)
        elif person.in_document(record.document):
            on_theirs.append(record.key)
    return on_theirs, by_them


def _all(state: StateStore, collection: str) -> Iterator[Record]:
    return chain.from_iterable(pages(state, collection))
