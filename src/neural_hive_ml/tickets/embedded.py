"""Tickets in one SQLite file (WAL): the default where no database is configured."""

import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from neural_hive_ml.state.sqlite import connect, reading, transaction
from neural_hive_ml.tickets.columns import TicketColumns, columns_of
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.port import StoreExtent, TicketWindow, UpsertSummary
from neural_hive_ml.tickets.ticket import Ticket

_SCHEMA = """
CREATE TABLE tickets (
    ticket_id TEXT PRIMARY KEY, created_at INTEGER NOT NULL, newest_at INTEGER NOT NULL, document BLOB NOT NULL
);
CREATE INDEX tickets_by_creation ON tickets (created_at, ticket_id);
CREATE INDEX tickets_by_event ON tickets (newest_at);
"""
_WRITE = """
INSERT INTO tickets VALUES (?, ?, ?, ?) ON CONFLICT (ticket_id) DO UPDATE SET
created_at = excluded.created_at, newest_at = excluded.newest_at, document = excluded.document
"""
_BATCH = 5_000
_LOOKUP = 500


class EmbeddedTicketStore:
    """See `tickets.port.TicketStore`."""

    def __init__(self, path: Path, timeout_seconds: float = 5.0) -> None:
        self._path = path
        self._db = connect(path, (_SCHEMA,), timeout_seconds)
        self._lock = threading.RLock()

    def describe(self) -> str:
        return f"tickets in {self._path}"

    def upsert(self, tickets: Iterable[Ticket]) -> UpsertSummary:
        total = UpsertSummary()
        iterator = iter(tickets)
        while batch := list(islice(iterator, _BATCH)):
            # Within a batch the last document of a ticket wins, the earlier ones count as updated by it.
            latest = {t.ticket_id: t for t in batch}
            summary = self._write({key: (t, encode_ticket(t)) for key, t in latest.items()})
            total = total + summary + UpsertSummary(updated=len(batch) - len(latest))
        return total

    def _write(self, batch: dict[str, tuple[Ticket, bytes]]) -> UpsertSummary:
        with self._lock, transaction(self._db, self._path) as db:
            held: dict[str, bytes] = {}
            keys = list(batch)
            for start in range(0, len(keys), _LOOKUP):
                some = keys[start : start + _LOOKUP]
                marks = ",".join("?" * len(some))
                query = f"SELECT ticket_id, document FROM tickets WHERE ticket_id IN ({marks})"  # noqa: S608 - marks only
                held.update(db.execute(query, some).fetchall())
            changed = {key: pair for key, pair in batch.items() if held.get(key) != pair[1]}
            db.executemany(
                _WRITE, [(key, t.created_at, newest_moment(t), document) for key, (t, document) in changed.items()]
            )
        updated = sum(key in held for key in changed)
        return UpsertSummary(len(changed) - updated, updated, len(batch) - len(changed))

    def get(self, ticket_id: str) -> Ticket | None:
        with self._lock, reading(self._path):
            row = self._db.execute("SELECT document FROM tickets WHERE ticket_id = ?", (ticket_id,)).fetchone()
        return None if row is None else decode_ticket(row[0])

    def tickets(self, window: TicketWindow) -> Iterator[Ticket]:
        for page in self._pages(window, _BATCH):
            yield from page

    def blocks(self, window: TicketWindow, block_rows: int = 100_000) -> Iterator[TicketColumns]:
        for page in self._pages(window, block_rows):
            yield columns_of(page)

    def _pages(self, window: TicketWindow, rows: int) -> Iterator[list[Ticket]]:
        """Page by key, so that writers are never blocked and nothing is read twice."""
        since, until = window.since_ms, window.until_ms
        created_at, ticket_id = (-(2**62) if since is None else since) - 1, "\U0010ffff"
        last = 2**62 if until is None else until
        while True:
            with self._lock, reading(self._path):
                page = self._db.execute(
                    "SELECT created_at, ticket_id, document FROM tickets "
                    "WHERE (created_at, ticket_id) > (?, ?) AND created_at < ? "
                    "ORDER BY created_at, ticket_id LIMIT ?",
                    (created_at, ticket_id, last, rows),
                ).fetchall()
            if not page:
                return
            created_at, ticket_id, _ = page[-1]
            yield [decode_ticket(document) for _, _, document in page]

    def extent(self) -> StoreExtent:
        with self._lock, reading(self._path):
            row = self._db.execute(
                "SELECT (SELECT count(*) FROM tickets), (SELECT min(created_at) FROM tickets), "
                "(SELECT max(created_at) FROM tickets), (SELECT max(newest_at) FROM tickets)"
            ).fetchone()
        return StoreExtent(*row)

    def close(self) -> None:
        with self._lock:
            self._db.close()


def newest_moment(ticket: Ticket) -> int:
    """Return the latest time that the ticket mentions, UTC epoch milliseconds."""
    return max(ticket.created_at, ticket.started_at or 0, ticket.completed_at or 0)
