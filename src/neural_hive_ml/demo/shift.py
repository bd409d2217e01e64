"""A change of the world, on purpose: the demo's stream after this moment runs slower than it used to."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from neural_hive_ml.tickets.ticket import Ticket


def slow_down(tickets: Iterable[Ticket], factor: float) -> Iterator[Ticket]:
    """Yield the tickets with their run time stretched by `factor` (> 0) and marked `demo_shift` in metadata.

    The estimate stays as published, as it does when the world changes and nobody tells the planner.
    """
    for ticket in tickets:
        metadata = {**ticket.metadata, "demo_shift": f"{factor:g}"}
        if ticket.actual_duration_ms is None or ticket.started_at is None or ticket.completed_at is None:
            yield replace(ticket, metadata=metadata)
            continue
        duration_ms = round(ticket.actual_duration_ms * factor)
        yield replace(
            ticket,
            actual_duration_ms=duration_ms,
            completed_at=ticket.started_at + duration_ms,
            metadata=metadata,
        )
