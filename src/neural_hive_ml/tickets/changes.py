"""What a store of record can say about its changes: natively where it has indexes for it, by a scan elsewhere."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.tickets.ticket import Ticket


class DayFigures(NamedTuple):
    """What the tickets created on a UTC day add up to; equal figures mean, for all practical purposes, equal tickets.

    `spans_ms` sums completed_at - created_at where there is an end.
    """

    tickets: int = 0
    completed: int = 0
    retries: int = 0
    durations_ms: int = 0
    spans_ms: int = 0


@runtime_checkable
class ChangeSource(Protocol):
    """A store that finds changed tickets by itself."""

    def changed(self, since_ms: int) -> Iterator[Ticket]:
        """Yield the tickets that were created, started or ended at or after a moment; in any order."""
        ...

    def of(self, ids: Iterable[str]) -> Iterator[Ticket]:
        """Yield the tickets of these ids that are there; in any order."""
        ...

    def day_figures(self) -> Mapping[int, DayFigures]:
        """Return the figures of each UTC day (days since 1970) on which a ticket was created."""
        ...


def changes_of(store: TicketStore) -> ChangeSource:
    """Return the store itself where it finds changes, else a scan over it."""
    return store if isinstance(store, ChangeSource) else _Scan(store)


@dataclass(frozen=True, slots=True)
class _Scan:
    store: TicketStore

    def changed(self, since_ms: int) -> Iterator[Ticket]:
        return (
            t
            for t in self.store.tickets(TicketWindow())
            if max(t.created_at, t.started_at or 0, t.completed_at or 0) >= since_ms
        )

    def of(self, ids: Iterable[str]) -> Iterator[Ticket]:
        return (ticket for ticket in map(self.store.get, ids) if ticket is not None)

    def day_figures(self) -> Mapping[int, DayFigures]:
        sums: defaultdict[int, DayFigures] = defaultdict(DayFigures)
        for t in self.store.tickets(TicketWindow()):
            day = t.created_at // DAY_MS
            sums[day] = DayFigures(
                sums[day].tickets + 1,
                sums[day].completed + (t.status == "COMPLETED"),
                sums[day].retries + t.retry_count,
                sums[day].durations_ms + (t.actual_duration_ms or 0),
                sums[day].spans_ms + (t.completed_at - t.created_at if t.completed_at is not None else 0),
            )
        return sums
