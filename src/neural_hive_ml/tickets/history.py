"""Long reads from ClickHouse, everything else from the store of record: one ticket store to whoever reads it."""

from collections.abc import Callable, Iterable, Iterator

from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.tickets.port import StoreExtent, TicketStore, TicketWindow, UpsertSummary
from neural_hive_ml.tickets.ticket import Ticket


class History:
    """See `tickets.port.TicketStore`. Windows that begin before `floor_ms` are read from the store of record: ClickHouse
    has forgotten a part of them. None: it forgets nothing.

    When ClickHouse fails, in mid-read too, `lost` is told, once, and the store of record serves from there on.
    """

    def __init__(
        self,
        record: TicketStore,
        clickhouse: ClickHouseTicketStore,
        floor_ms: int | None,
        lost: Callable[[StoreUnavailable], None],
    ) -> None:
        self._record = record
        self._clickhouse = clickhouse
        self._floor_ms = floor_ms
        self._lost = lost
        self._left = False

    def describe(self) -> str:
        return f"{self._record.describe()}, read from {self._clickhouse.database.name}"

    def upsert(self, tickets: Iterable[Ticket]) -> UpsertSummary:
        return self._record.upsert(tickets)

    def get(self, ticket_id: str) -> Ticket | None:
        return self._record.get(ticket_id)

    def tickets(self, window: TicketWindow) -> Iterator[Ticket]:
        since_ms, last = window.since_ms, ""
        if self._is_clickhouse_read(window):
            try:
                for ticket in self._clickhouse.tickets(window):
                    since_ms, last = ticket.created_at, ticket.ticket_id
                    yield ticket
            except StoreUnavailable as error:
                self._leave_clickhouse(error)
            else:
                return
        for ticket in self._record.tickets(TicketWindow(since_ms, window.until_ms)):
            if not last or (ticket.created_at, ticket.ticket_id) > (since_ms, last):
                yield ticket

    def blocks(self, window: TicketWindow, block_rows: int = 100_000) -> Iterator[TicketColumns]:
        since_ms, last = window.since_ms, ""
        if self._is_clickhouse_read(window):
            try:
                for block in self._clickhouse.blocks(window, block_rows):
                    since_ms, last = int(block.created_at_ms[-1]), block.ticket_id[-1]
                    yield block
            except StoreUnavailable as error:
                self._leave_clickhouse(error)
            else:
                return
        for block in self._record.blocks(TicketWindow(since_ms, window.until_ms), block_rows):
            behind = block
            if last and since_ms is not None:
                behind = block.take((block.created_at_ms > since_ms) | (block.ticket_id > last))
            if len(behind):
                yield behind

    def _is_clickhouse_read(self, window: TicketWindow) -> bool:
        if self._left:
            return False
        return self._floor_ms is None or (window.since_ms is not None and window.since_ms >= self._floor_ms)

    def _leave_clickhouse(self, error: StoreUnavailable) -> None:
        if not self._left:
            self._left = True
            self._lost(error)

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
