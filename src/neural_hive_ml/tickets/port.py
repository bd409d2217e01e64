"""What a ticket store must do; the adapters are `embedded`, `mongo`, `clickhouse`, `memory`.

One contract suite (`tests/contracts/test_ticket_store.py`) runs over every adapter.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.tickets.ticket import Ticket


@dataclass(frozen=True, slots=True)
class TicketWindow:
    """Tickets created in [since_ms, until_ms), UTC epoch milliseconds; `None` leaves a side open."""

    since_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class UpsertSummary:
    """What an upsert did: `stored` new, `updated` changed, `unchanged` already there, to the letter."""

    stored: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "UpsertSummary") -> "UpsertSummary":
        return UpsertSummary(
            self.stored + other.stored, self.updated + other.updated, self.unchanged + other.unchanged
        )


@dataclass(frozen=True, slots=True)
class StoreExtent:
    """How much a store holds: `oldest_ms` and `newest_ms` are created_at bounds, None when empty.

    `newest_event_ms` is the latest time any ticket mentions (created, started or completed).
    """

    tickets: int
    oldest_ms: int | None
    newest_ms: int | None
    newest_event_ms: int | None


class TicketStore(Protocol):
    """Keeps the newest version of each ticket by `ticket_id`.

    All methods raise `StoreUnavailable` when the store does not answer within its time-out.
    """

    def describe(self) -> str:
        """Return what and where the store is, credentials masked, e.g. ``mongodb://***@host:27017/db``."""
        ...

    def upsert(self, tickets: Iterable[Ticket]) -> UpsertSummary:
        """Write tickets; the last document of a `ticket_id` wins. Idempotent."""
        ...

    def get(self, ticket_id: str) -> Ticket | None:
        """Return one ticket, or None."""
        ...

    def tickets(self, window: TicketWindow) -> Iterator[Ticket]:
        """Yield tickets of a window, ordered by (created_at, ticket_id), without holding them all."""
        ...

    def blocks(self, window: TicketWindow, block_rows: int = 100_000) -> Iterator[TicketColumns]:
        """Yield the same tickets as columns, in blocks of at most `block_rows` rows."""
        ...

    def erase(self, ids: Iterable[str]) -> int:
        """Delete tickets by id, all that the store's own files hold of them; return how many were there."""
        ...

    def prune(self, before_ms: int) -> int:
        """Delete tickets created before a moment; return how many went. Their space is used again in time."""
        ...

    def extent(self) -> StoreExtent:
        """Return how much there is and of when."""
        ...

    def close(self) -> None:
        """Release connections; further calls are errors."""
        ...
