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


def order_of(event: LifecycleEvent) -> tuple[int, int, str]:
    """Sort key of the order in which statistics learn events, for training and serving alike.

    At one moment come starts, then ends of tickets created earlier, then creations, then starts and ends of tickets created
    at that very moment; ties by ticket id. So a ticket is created before it starts and starts before it ends, and a
    creation sees what was over when it came. Rank 2 is left for a look at a running ticket.
    """
    if event.kind == "created":
        rank = 3
    else:
        rank = (0 if event.kind == "started" else 1) + (0 if event.at_ms > event.ticket.created_at else 4)
    return event.at_ms, rank, event.ticket.ticket_id
