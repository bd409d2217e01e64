"""Long reads from ClickHouse, everything else from the store of record: one ticket store to whoever reads it."""

from collections.abc import Iterable, Iterator

from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.tickets.port import StoreExtent, TicketStore, TicketWindow, UpsertSummary
from neural_hive_ml.tickets.ticket import Ticket


class History:
    """See `tickets.port.TicketStore`. Windows that begin before `floor_ms` are read from the store of record: ClickHouse
    has forgotten a part of them. None: it forgets nothing."""

    def __init__(self, record: TicketStore, clickhouse: ClickHouseTicketStore, floor_ms: int | None) -> None:
        self._record = record
        self._clickhouse = clickhouse
        self._floor_ms = floor_ms

    def describe(self) -> str:
        return f"{self._record.describe()}, read from {self._clickhouse.database.name}"

    def upsert(self, tickets: Iterable[Ticket]) -> UpsertSummary:
        return self._record.upsert(tickets)

    def get(self, ticket_id: str) -> Ticket | None:
        return self._record.get(ticket_id)

    def tickets(self, window: TicketWindow) -> Iterator[Ticket]:
        return self._reader(window).tickets(window)

    def blocks(self, window: TicketWindow, block_rows: int = 100_000) -> Iterator[TicketColumns]:
        return self._reader(window).blocks(window, block_rows)

    def _reader(self, window: TicketWindow) -> TicketStore:
        if self._floor_ms is None or (window.since_ms is not None and window.since_ms >= self._floor_ms):
            return self._clickhouse
        return self._record

    def erase(self, ids: Iterable[str]) -> int:
        held = list(ids)
        self._clickhouse.erase(held)
        return self._record.erase(held)

    def prune(self, before_ms: int) -> int:
        self._clickhouse.prune(before_ms)
        return self._record.prune(before_ms)

    def extent(self) -> StoreExtent:
        return self._record.extent()

    def close(self) -> None:
        self._clickhouse.close()
        self._record.close()
