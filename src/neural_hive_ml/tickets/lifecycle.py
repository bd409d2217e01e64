"""The three moments of a ticket's life that statistics learn from: created, started, ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from neural_hive_ml.tickets.ticket import Ticket

LifecycleKind = Literal["created", "started", "ended"]


@dataclass(frozen=True, slots=True)
class LifecycleEvent:
    """Something that happened to a ticket at `at_ms`; (ticket_id, kind) identifies it for ever."""

    ticket: Ticket
    kind: LifecycleKind
    at_ms: int


def events_of(ticket: Ticket) -> Iterator[LifecycleEvent]:
    """Yield the events that a ticket's document proves, in time order."""
    yield LifecycleEvent(ticket, "created", ticket.created_at)
    if ticket.started_at is not None:
        yield LifecycleEvent(ticket, "started", ticket.started_at)
    if ticket.ended and ticket.completed_at is not None:
        yield LifecycleEvent(ticket, "ended", ticket.completed_at)
