"""Tickets in this process: for tests and for runs that leave nothing behind."""

from collections.abc import Iterable, Iterator
from itertools import islice

from neural_hive_ml.tickets.columns import TicketColumns, columns_of
from neural_hive_ml.tickets.port import StoreExtent, TicketWindow, UpsertSummary
from neural_hive_ml.tickets.ticket import Ticket


class MemoryTicketStore:
    """See `tickets.port.TicketStore`; gone with its process."""

    def __init__(self) -> None:
        self._held: dict[str, Ticket] = {}

    def describe(self) -> str:
        return "tickets in memory"

    def upsert(self, tickets: Iterable[Ticket]) -> UpsertSummary:
        stored = updated = unchanged = 0
        for ticket in tickets:
            before = self._held.get(ticket.ticket_id)
            self._held[ticket.ticket_id] = ticket
            stored += before is None
            unchanged += before == ticket
            updated += before is not None and before != ticket
        return UpsertSummary(stored, updated, unchanged)

    def get(self, ticket_id: str) -> Ticket | None:
        return self._held.get(ticket_id)

    def tickets(self, window: TicketWindow) -> Iterator[Ticket]:
        since = -(2**62) if window.since_ms is None else window.since_ms
        until = 2**62 if window.until_ms is None else window.until_ms
        chosen = [t for t in self._held.values() if since <= t.created_at < until]
        yield from sorted(chosen, key=lambda t: (t.created_at, t.ticket_id))

    def blocks(self, window: TicketWindow, block_rows: int = 100_000) -> Iterator[TicketColumns]:
        iterator = self.tickets(window)
        while block := list(islice(iterator, block_rows)):
            yield columns_of(block)

    def erase(self, ids: Iterable[str]) -> int:
        return sum(self._held.pop(ticket_id, None) is not None for ticket_id in ids)

    def prune(self, before_ms: int) -> int:
        return self.erase([t.ticket_id for t in self._held.values() if t.created_at < before_ms])

    def extent(self) -> StoreExtent:
        if not self._held:
            return StoreExtent(0, None, None, None)
        created = [t.created_at for t in self._held.values()]
        events = [max(t.created_at, t.started_at or 0, t.completed_at or 0) for t in self._held.values()]
        return StoreExtent(len(created), min(created), max(created), max(events))

    def close(self) -> None:
        self._held = {}
