"""Tickets in a folder: the default where no database is configured, for one machine and its processes.

Written in batches, tickets become segments (columns, compressed, never changed); written few at a time they wait
in the catalog until there are enough for one. The cost of a ticket does not grow with the number of tickets held.
Several processes may read and write at once; a reader sees one moment.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from neural_hive_ml.state.sqlite import forget, transaction, view
from neural_hive_ml.tickets.batches import batches
from neural_hive_ml.tickets.catalog import Catalog, Found
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.tickets.compaction import compact, rewrite, sweep
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.keys import Keys, keys_of
from neural_hive_ml.tickets.port import StoreExtent, TicketWindow, UpsertSummary
from neural_hive_ml.tickets.segment import (
    GROUP_ROWS,
    Segment,
    live_rows,
    newest_event_ms,
    read_row,
    remove_segment,
    write_segment,
)
from neural_hive_ml.tickets.snapshot import Snapshot, open_files
from neural_hive_ml.tickets.table import COLUMNS, columns_of_table, table_of, tickets_of_table
from neural_hive_ml.tickets.ticket import Ticket

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS: Final = 20_000
# Fewer than this at a time wait in the catalog; this many waiting become a segment.
FEW_ROWS: Final = 2_000
MOST_RECENT_ROWS: Final = 20_000
_MARKS: Final = 500


class EmbeddedTicketStore:
    """See `tickets.port.TicketStore`; its methods may be called from several threads."""

    def __init__(self, path: Path, timeout_seconds: float = 5.0) -> None:
        self._catalog = Catalog(path, timeout_seconds)
        self._folder = path
        self._lock = threading.RLock()

    def describe(self) -> str:
        return f"tickets in {self._folder}"

    def upsert(self, tickets: Iterable[Ticket]) -> UpsertSummary:
        total = UpsertSummary()
        for batch in batches(tickets, BATCH_ROWS):
            documents = [encode_ticket(t) for t in batch]
            keys = keys_of([t.ticket_id for t in batch], documents)
            with self._lock:
                write = self._write_few if len(batch) < FEW_ROWS else self._write_many
                total += write(batch, documents, keys)
                compact(self._catalog)
        return total

    def _write_few(self, batch: Sequence[Ticket], documents: Sequence[bytes], keys: Keys) -> UpsertSummary:
        catalog = self._catalog
        with transaction(catalog.db, catalog.path) as db:
            catalog.refresh()
            found, waiting = catalog.find(keys), _recent(db, [t.ticket_id for t in batch])
            changed, summary = _compare(batch, documents, keys, found, waiting)
            for number, rows in found.rows_by_segment(changed):
                catalog.bury(number, rows)
            db.executemany(
                "INSERT OR REPLACE INTO recent VALUES (?, ?, ?, ?)",
                [
                    (batch[i].ticket_id, batch[i].created_at, newest_moment(batch[i]), documents[i])
                    for i in np.flatnonzero(changed).tolist()
                ],
            )
            if db.execute("SELECT count(*) FROM recent").fetchone()[0] >= MOST_RECENT_ROWS:
                self._seal(db)
        return summary

    def _seal(self, db: sqlite3.Connection) -> None:
        """Make the recent tickets a segment; within the caller's transaction."""
        rows = db.execute("SELECT document FROM recent ORDER BY created_at, ticket_id").fetchall()
        tickets = [decode_ticket(document) for (document,) in rows]
        keys = keys_of([t.ticket_id for t in tickets], [document for (document,) in rows])
        segment, _ = write_segment(self._folder, _groups(tickets), keys.ordered)
        self._catalog.add_segment(segment)
        db.execute("DELETE FROM recent")

    def _write_many(self, batch: Sequence[Ticket], documents: Sequence[bytes], keys: Keys) -> UpsertSummary:
        catalog = self._catalog
        ids = [t.ticket_id for t in batch]
        with view(catalog.db, catalog.path):
            catalog.refresh()
            changed, summary = _compare(batch, documents, keys, catalog.find(keys), _recent(catalog.db, ids))
        order = sorted(np.flatnonzero(changed).tolist(), key=lambda i: (batch[i].created_at, ids[i]))
        if not order:
            return summary
        # The segment is written before the lock is taken: other writers wait for the bookkeeping only.
        written = keys.take(np.asarray(order))
        rows = Keys(written.high, written.low, written.digest, np.arange(len(order), dtype=np.int32))
        segment, _ = write_segment(self._folder, _groups([batch[i] for i in order]), rows.ordered)
        try:
            with transaction(catalog.db, catalog.path) as db:
                catalog.refresh()
                found, waiting = catalog.find(keys), _recent(db, ids)
                still, summary = _compare(batch, documents, keys, found, waiting)
                added = catalog.add_segment(segment)
                for number, dead in found.rows_by_segment(still):
                    catalog.bury(number, dead)
                # Another writer may have written the very same meanwhile: then these rows are not needed.
                catalog.bury(added.number, np.flatnonzero(~still[order]).astype(np.int32))
                gone = [(ids[i],) for i in np.flatnonzero(still).tolist() if ids[i] in waiting]
                db.executemany("DELETE FROM recent WHERE ticket_id = ?", gone)
        except BaseException:
            remove_segment(self._folder, segment.name)
            raise
        return summary

    def get(self, ticket_id: str) -> Ticket | None:
        with self._lock:
            catalog = self._catalog
            with view(catalog.db, catalog.path) as db:
                catalog.refresh()
                waiting = _recent(db, [ticket_id])
            if waiting:
                return decode_ticket(waiting[ticket_id])
            found = catalog.find(keys_of([ticket_id], [b""]))
            number, row = int(found.segment[0]), int(found.row[0])
            if not number:
                return None
            [(_, file, _)] = open_files(self._folder, [catalog.segments[number]], catalog.dead)
        return next(iter(tickets_of_table(read_row(file, row))))

    def tickets(self, window: TicketWindow) -> Iterator[Ticket]:
        for table in self._snapshot().tables(None, GROUP_ROWS, window):
            yield from tickets_of_table(table)

    def blocks(self, window: TicketWindow, block_rows: int = 100_000) -> Iterator[TicketColumns]:
        for table in self._snapshot().tables(COLUMNS, block_rows, window):
            yield columns_of_table(table)

    def _snapshot(self) -> Snapshot:
        with self._lock:
            catalog = self._catalog
            with view(catalog.db, catalog.path) as db:
                catalog.refresh()
                recent = db.execute("SELECT document FROM recent").fetchall()
            files = open_files(self._folder, list(catalog.segments.values()), catalog.dead)
        return Snapshot(files, [decode_ticket(document) for (document,) in recent])

    def erase(self, ids: Iterable[str]) -> int:
        """See `tickets.port.TicketStore`; rewrites every segment that holds a dead row, whoever's."""
        names = list(ids)
        wanted = keys_of(names, [b""] * len(names))
        with self._lock:
            catalog = self._catalog
            with transaction(catalog.db, catalog.path) as db:
                catalog.refresh()
                found, waiting = catalog.find(wanted), _recent(db, names)
                for number, rows in found.rows_by_segment(found.segment > 0):
                    catalog.bury(number, rows)
                db.executemany("DELETE FROM recent WHERE ticket_id = ?", [(name,) for name in waiting])
                catalog.refresh()
                touched = [number for number in catalog.segments if catalog.dead(number) is not None]
            rewrite(catalog, touched)
            forget(catalog.db, catalog.path)
        return int((found.segment > 0).sum()) + len(waiting)

    def prune(self, before_ms: int) -> int:
        with self._lock:
            catalog = self._catalog
            with transaction(catalog.db, catalog.path) as db:
                catalog.refresh()
                gone = catalog.bury_before(before_ms)
                gone += db.execute("DELETE FROM recent WHERE created_at < ?", (before_ms,)).rowcount
            if gone:
                compact(catalog)
            sweep(catalog)
        return gone

    def extent(self) -> StoreExtent:
        with self._lock:
            catalog = self._catalog
            with view(catalog.db, catalog.path) as db:
                catalog.refresh()
                waiting = db.execute(
                    "SELECT count(*), min(created_at), max(created_at), max(newest_event_ms) FROM recent"
                ).fetchone()
            parts = [waiting] if waiting[0] else []
            for segment in catalog.segments.values():
                dead = catalog.dead(segment.number)
                if dead is None:
                    bounds = (segment.oldest_ms, segment.newest_ms, segment.newest_event_ms)
                    parts.append((segment.rows, *bounds))
                elif live_rows(segment.rows, dead):
                    parts.append(self._extent_of(segment))
        if not parts:
            return StoreExtent(0, None, None, None)
        counts, oldest, newest, events = zip(*parts, strict=True)
        return StoreExtent(sum(counts), min(oldest), max(newest), max(events))

    def _extent_of(self, segment: Segment) -> tuple[int, int, int, int]:
        """Look at the live rows of a segment, since the catalog's bounds are those of all its rows."""
        snapshot = Snapshot(open_files(self._folder, [segment], self._catalog.dead), ())
        names = ("created_at", "ticket_id", "started_at", "completed_at")
        rows, oldest, newest, event = 0, 2**62, -(2**62), -(2**62)
        for table in snapshot.tables(names, 8 * GROUP_ROWS):
            created = table["created_at"]
            rows, oldest, newest = rows + len(table), min(oldest, created[0].as_py()), created[-1].as_py()
            event = max(event, newest_event_ms(table))
        return rows, oldest, newest, event

    def close(self) -> None:
        with self._lock:
            self._catalog.close()


def newest_moment(ticket: Ticket) -> int:
    """Return the latest time that the ticket mentions, UTC epoch milliseconds."""
    return max(ticket.created_at, ticket.started_at or 0, ticket.completed_at or 0)


def _groups(tickets: Sequence[Ticket]) -> "Iterator[pa.Table]":
    for start in range(0, len(tickets), GROUP_ROWS):
        yield table_of(tickets[start : start + GROUP_ROWS])


def _recent(db: sqlite3.Connection, ids: Sequence[str]) -> dict[str, bytes]:
    """Return the documents of those of the tickets that wait in the catalog."""
    if not db.execute("SELECT EXISTS (SELECT 1 FROM recent)").fetchone()[0]:
        return {}
    waiting: dict[str, bytes] = {}
    for start in range(0, len(ids), _MARKS):
        some = ids[start : start + _MARKS]
        marks = ",".join("?" * len(some))
        query = f"SELECT ticket_id, document FROM recent WHERE ticket_id IN ({marks})"  # noqa: S608 - marks only
        waiting.update(db.execute(query, some).fetchall())
    return waiting


def _compare(
    batch: Sequence[Ticket], documents: Sequence[bytes], keys: Keys, found: Found, waiting: dict[str, bytes]
) -> tuple["np.ndarray[tuple[int], np.dtype[np.bool_]]", UpsertSummary]:
    """Return which tickets of a batch differ from what is held, and the summary of writing those."""
    held = found.segment > 0
    changed = ~held | (found.digest != keys.digest)
    if waiting:
        for i, ticket in enumerate(batch):
            document = waiting.get(ticket.ticket_id)
            if document is not None:
                held[i] = True
                changed[i] = document != documents[i]
    updated = int((held & changed).sum())
    stored = int((~held).sum())
    return changed, UpsertSummary(stored, updated, len(batch) - stored - updated)
