"""Other people's tickets that name a person: they stay, what names the person is left out of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import msgspec

from neural_hive_ml.errors import InvalidTicket
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.upkeep.person import ERASED, Person

Json = dict[str, Any]
# What says which ticket it is, and may not change.
_IDENTITY = frozenset({"_id", "ticket_id"})
# Text that a ticket must have: never null.
_TEXTS = frozenset({"plan_id", "intent_id", "decision_id", "task_id", "description"})


@runtime_checkable
class DocumentStore(Protocol):
    """A store of documents that need not be tickets, with fields of others in them (MongoDB)."""

    def documents(self, wanted: Callable[[bytes], bool]) -> Iterator[Json]:
        """Yield the stored documents whose bytes are wanted, readable as tickets or not, their `_id` included."""
        ...

    def delete_documents(self, keys: Sequence[Any]) -> int:
        """Delete documents by `_id`; return how many went."""
        ...

    def change_document(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Set what differs, unless somebody changed these fields meanwhile; tell whether it was done."""
        ...


@dataclass(frozen=True, slots=True)
class Mentions:
    """Others' tickets that were changed, or would be; ids of theirs that still name the person; documents of the person
    that no reader takes for a ticket, deleted, or to be."""

    changed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    unreadable: int = 0


def leave_out(person: Person, tickets: TicketStore, *, dry_run: bool) -> Mentions:
    """Leave a person out of others' tickets; reads the whole store, O(bytes). Raises `StoreUnavailable`."""
    if isinstance(tickets, DocumentStore):
        return _of_documents(person, tickets, dry_run=dry_run)
    changed, left = [], []
    for ticket in tickets.tickets(TicketWindow()):
        if not person.may_be_in(encode_ticket(ticket)) or _is_theirs(person, msgspec.to_builtins(ticket)):
            continue
        document = msgspec.to_builtins(ticket)
        if not person.in_document(_without_identity(document)):
            continue
        try:
            changed.append(decode_ticket(_left_out(person, document)))
        except InvalidTicket:  # what names the person is something that a ticket must have
            left.append(ticket.ticket_id)
    if not dry_run:
        tickets.upsert(changed)
    return Mentions(tuple(ticket.ticket_id for ticket in changed), tuple(left))


def _of_documents(person: Person, store: DocumentStore, *, dry_run: bool) -> Mentions:
    changed, left, unreadable = [], [], []
    for document in store.documents(person.may_be_in):
        if _is_theirs(person, document):
            if document.get("ticket_id") not in person.ticket_ids:
                unreadable.append(document["_id"])
        elif person.in_document(_without_identity(document)):
            which = str(document.get("ticket_id", document["_id"]))
            if dry_run or store.change_document(document, _left_out(person, document)):
                changed.append(which)
            else:
                left.append(which)
    if unreadable and not dry_run:
        store.delete_documents(unreadable)
    return Mentions(tuple(changed), tuple(left), len(unreadable))


def _is_theirs(person: Person, document: Mapping[str, Any]) -> bool:
    metadata = document.get("metadata")
    owner = metadata.get("owner") if isinstance(metadata, Mapping) else None
    return person.owner in (owner, document.get("owner")) or document.get("ticket_id") in person.ticket_ids


def _without_identity(document: Mapping[str, Any]) -> Json:
    return {name: value for name, value in document.items() if name not in _IDENTITY}


def _left_out(person: Person, document: Mapping[str, Any]) -> Json:
    after = {name: value if name in _IDENTITY else person.left_out(value) for name, value in document.items()}
    for name in ("metadata", "parameters"):  # texts by name: what named the person is a text still
        if isinstance(after.get(name), Mapping):
            before = document[name]
            after[name] = {
                k: ERASED if v is None and before.get(k) is not None else v for k, v in after[name].items()
            }
    return {k: ERASED if v is None and k in _TEXTS and document[k] is not None else v for k, v in after.items()}
