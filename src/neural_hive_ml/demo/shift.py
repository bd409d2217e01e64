"""A change of the world, on purpose: after this moment the demo's stream runs slower and is retried more."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from zlib import crc32

from neural_hive_ml.tickets.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Shift:
    """`factor` (> 0) stretches run times; a share `retried` of the tickets has one retry or two."""

    factor: float
    retried: float

    @property
    def words(self) -> str:
        """Say it in a few words."""
        return f"{self.factor:g} times as long, {self.retried:.0%} of them retried"


def shifted(tickets: Iterable[Ticket], shift: Shift) -> Iterator[Ticket]:
    """Yield the tickets as they would have run after the change, marked `demo_shift` in metadata.

    The estimate stays as published, as it does when the world changes and nobody tells the planner. Which tickets
    are retried follows from their ids: the same at each run.
    """
    for ticket in tickets:
        draw = crc32(ticket.ticket_id.encode()) / 2**32
        retries = ticket.retry_count + (0 if draw >= shift.retried else 1 if draw >= shift.retried / 3 else 2)
        metadata = {**ticket.metadata, "demo_shift": f"{shift.factor:g}"}
        slower = replace(ticket, retry_count=retries, metadata=metadata)
        if ticket.actual_duration_ms is not None and ticket.started_at is not None:
            duration_ms = round(ticket.actual_duration_ms * shift.factor)
            slower = replace(slower, actual_duration_ms=duration_ms, completed_at=ticket.started_at + duration_ms)
        yield slower
