"""Tickets in ClickHouse, for large histories: what is read is one version of each ticket, the newest.

Filled from the store of record by `tickets.sync`, or written like any other store. Reads go page by page along the
primary key: each page is a short query, so that a slow reader holds nothing open and a lost connection costs a page.
"""

# ruff: noqa: S608 - only our own names and whole numbers enter the text; values are bound

import json
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from neural_hive_ml.conventions import TICKETS
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.tickets.batches import batches
from neural_hive_ml.tickets.clickhouse_client import (
    HEAVY_PATIENCE,
    NO_DATABASE,
    NO_TABLE,
    ClickHouseDatabase,
    ClickHouseTarget,
    error_code,
)
from neural_hive_ml.tickets.clickhouse_schema import RETENTION_DAYS, create_schema
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.keys import keys_of
from neural_hive_ml.tickets.port import StoreExtent, TicketWindow, UpsertSummary
from neural_hive_ml.tickets.table import COLUMNS, arrow_schema, columns_of_table, table_of, tickets_of_table
from neural_hive_ml.tickets.ticket import Ticket

if TYPE_CHECKING:
    import pyarrow as pa

WRITE_ROWS: Final = 50_000
READ_ROWS: Final = 50_000
_IDS_A_QUERY: Final = 2_000
# Looked up at once when a batch is written: each query reads the ids of the whole table.
_IDS_A_LOOKUP: Final = 50_000
_IDS_BY_INDEX: Final = 100
# All that a person may be named in.
_TEXT: Final = (
    "concatWithSeparator('\\n', plan_id, intent_id, decision_id, task_id, description, dependencies, parameters, metadata, "
    "ifNull(correlation_id, ''), ifNull(trace_id, ''), ifNull(span_id, ''), ifNull(error_message, ''))"
)
_TIMES: Final = ("created_at", "started_at", "completed_at")


class ClickHouseTicketStore:
    """See `tickets.port.TicketStore`; its methods may be called from several threads.

    Tickets created more than `retention_days` ago are forgotten by the server; 0 keeps them for ever.
    """

    def __init__(self, target: ClickHouseTarget, retention_days: int = RETENTION_DAYS) -> None:
        self.database = ClickHouseDatabase(target)
        self.retention_days = retention_days
        self.table = self.database.table(TICKETS)
        self._created = False
        self._last_version = 0
        self._lock = threading.Lock()

    def describe(self) -> str:
        return f"tickets in {self.database.name}"

    def create(self) -> None:
        """Make the tables that are missing; once a store is enough."""
        if not self._created:
            create_schema(self.database, self.retention_days)
            self._created = True

    def upsert(self, tickets: Iterable[Ticket]) -> UpsertSummary:
        total = UpsertSummary()
        for batch in batches(tickets, WRITE_ROWS):
            self.create()
            digests = digests_of(batch)
            held = self._held([t.ticket_id for t in batch])
            changed, stored, moved = [], 0, False
            for place, ticket in enumerate(batch):
                before = held.get(ticket.ticket_id)
                stored += before is None
                if before is None or before[0] != int(digests[place]):
                    changed.append(place)
                moved = moved or (before is not None and before[1] != ticket.created_at)
            if changed:
                version = self.new_version()
                self.write([batch[i] for i in changed], version, digests[changed])
                if moved:
                    self.bury_moved(version)
            total += UpsertSummary(stored, len(changed) - stored, len(batch) - len(changed))
        return total

    def new_version(self) -> int:
        """Return a version above all that this store gave before: the present in microseconds, or the next, even.

        The odd number below is for tombstones of moves: above what they bury, below the ticket at its new place.
        """
        with self._lock:
            self._last_version = max(time.time_ns() // 2_000 * 2, self._last_version + 2)
            return self._last_version

    def write(self, tickets: Sequence[Ticket], version: int, digests: Any = None) -> None:
        """Insert tickets at a version without looking at what is there; `bury_moved` must follow where it matters."""
        import pyarrow as pa

        table = table_of(tickets)
        for name in _TIMES:
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, table[name].cast(pa.timestamp("ms", "UTC")))
        digests = digests_of(tickets) if digests is None else digests
        table = table.append_column("digest", pa.array(digests, pa.uint64()))
        table = table.append_column("version", pa.repeat(pa.scalar(version, pa.uint64()), len(tickets)))
        table = table.append_column("deleted", pa.repeat(pa.scalar(0, pa.uint8()), len(tickets)))
        self.database.insert(TICKETS, table)

    def bury_moved(self, since_version: int) -> None:
        """Mark the older places of tickets, written at or after a version, whose created_at changed."""
        written = f"SELECT ticket_id FROM {self.table} WHERE version >= {since_version:d}"
        places = (
            "SELECT ticket_id, argMax(created_at, version) AS created, max(version) AS newest "
            f"FROM {self.table} WHERE deleted = 0 AND ticket_id IN ({written}) "
            "GROUP BY ticket_id HAVING uniqExact(created_at) > 1"
        )
        self._bury(
            "place.newest - 1",
            f"INNER JOIN ({places}) AS place ON old.ticket_id = place.ticket_id "
            "WHERE old.created_at != place.created",
        )

    def remove(self, ids: Sequence[str]) -> None:
        """Mark tickets as gone: their source does not have them any more."""
        for start in range(0, len(ids), _IDS_A_QUERY):
            some = list(ids[start : start + _IDS_A_QUERY])
            self._bury(f"{self.new_version():d}", "WHERE old.ticket_id IN %(ids)s", {"ids": some})

    def erase(self, ids: Iterable[str]) -> int:
        """Delete tickets with all their versions, at once (a mutation): what is marked as gone is still on the disk."""
        held = list(ids)
        gone = 0
        for start in range(0, len(held), _IDS_A_QUERY):
            some: dict[str, object] = {"ids": held[start : start + _IDS_A_QUERY]}
            gone += self._delete("ticket_id IN %(ids)s", some)
        return gone

    def ids_of(self, owner: str) -> frozenset[str]:
        """Return the ids of an owner's tickets, of all versions, also of those that are marked as gone."""
        found = self._read(
            f"SELECT DISTINCT ticket_id FROM {self.table} WHERE owner = %(owner)s", {"owner": owner}
        )
        return frozenset() if found is None else frozenset(found["ticket_id"].to_pylist())

    def naming(self, owner: str, ids: Iterable[str]) -> frozenset[str]:
        """Return the ids of all rows, of any version, gone or not, that are the owner's or name the owner or the ids."""
        sql = f"SELECT DISTINCT ticket_id FROM {self.table} WHERE "
        found = self._read(
            f"{sql}owner = %(owner)s OR match({_TEXT}, %(word)s) OR match({_TEXT}, %(quoted)s)",
            {"owner": owner, "word": _as_a_word(owner), "quoted": _as_a_word(_in_json(owner))},
        )
        named = set() if found is None else set(found["ticket_id"].to_pylist())
        held = list(ids)
        for start in range(0, len(held), _IDS_A_QUERY):
            found = self._read(
                f"{sql}ticket_id IN %(ids)s OR compensation_ticket_id IN %(ids)s "
                "OR arrayExists(one -> one IN %(ids)s, JSONExtract(dependencies, 'Array(String)'))",
                {"ids": held[start : start + _IDS_A_QUERY]},
            )
            named |= set() if found is None else set(found["ticket_id"].to_pylist())
        return frozenset(named)

    def prune(self, before_ms: int) -> int:
        return self._delete(f"created_at < {moment(before_ms)}", {})

    def _delete(self, which: str, parameters: dict[str, object]) -> int:
        found = self._read(f"SELECT count() AS n FROM {self.table} FINAL WHERE {which}", parameters)
        if found is None:
            return 0
        self.database.command(
            f"ALTER TABLE {self.table} DELETE WHERE {which} SETTINGS mutations_sync = 2",
            parameters,
            patience=HEAVY_PATIENCE,
        )
        return int(found["n"][0].as_py())

    def _bury(self, version: str, which: str, parameters: dict[str, object] | None = None) -> None:
        names = [*_names(), "digest"]
        self.database.command(
            f"INSERT INTO {self.table} ({', '.join(names)}, version, deleted) "
            f"SELECT {', '.join(f'old.{name}' for name in names)}, {version}, 1 FROM {self.table} AS old FINAL {which}",
            parameters,
            patience=HEAVY_PATIENCE,
        )

    def _held(self, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return digest and created_at of those of the tickets that are there."""
        held: dict[str, tuple[int, int]] = {}
        for start in range(0, len(ids), _IDS_A_LOOKUP):
            some = list(ids[start : start + _IDS_A_LOOKUP])
            # A bloom filter rules out no part of the table for so many ids: asking it costs more than reading it.
            by_index = int(len(some) <= _IDS_BY_INDEX)
            found = self.database.query(
                f"SELECT ticket_id, argMax(digest, version) AS digest, "
                f"toUnixTimestamp64Milli(argMax(created_at, version)) AS created FROM {self.table} "
                f"WHERE ticket_id IN %(ids)s GROUP BY ticket_id HAVING argMax(deleted, version) = 0 "
                f"SETTINGS use_skip_indexes = {by_index}",
                {"ids": some},
            )
            rows = zip(*(found[name].to_pylist() for name in found.column_names), strict=True)
            held.update({ticket_id: (digest, created) for ticket_id, digest, created in rows})
        return held

    def get(self, ticket_id: str) -> Ticket | None:
        found = self._read(
            f"SELECT {_selected(_names())} FROM (SELECT * FROM {self.table} WHERE ticket_id = %(id)s "
            "ORDER BY version DESC LIMIT 1) WHERE deleted = 0",
            {"id": ticket_id},
        )
        return None if found is None else next(iter(tickets_of_table(found)), None)

    def tickets(self, window: TicketWindow) -> Iterator[Ticket]:
        for page in self._pages(window, _names(), READ_ROWS):
            yield from tickets_of_table(page)

    def blocks(self, window: TicketWindow, block_rows: int = 100_000) -> Iterator[TicketColumns]:
        for page in self._pages(window, COLUMNS, block_rows):
            yield columns_of_table(page)

    def _pages(self, window: TicketWindow, names: Sequence[str], rows: int) -> "Iterator[pa.Table]":
        """Yield the tickets of a window in order, each page behind the last ticket of the one before."""
        since_ms, after = window.since_ms, ""
        while True:
            conditions = ["1"]
            if since_ms is not None:
                conditions.append(f"created_at >= {moment(since_ms)}")
            if window.until_ms is not None:
                conditions.append(f"created_at < {moment(window.until_ms)}")
            if after:
                assert since_ms is not None, "a page has a last ticket"
                conditions.append(f"(created_at > {moment(since_ms)} OR ticket_id > %(after)s)")
            page = self._read(
                f"SELECT {_selected(names)} FROM {self.table} FINAL WHERE {' AND '.join(conditions)} "
                f"ORDER BY created_at, ticket_id LIMIT {rows:d}",
                {"after": after},
            )
            if page is None or not len(page):
                return
            yield page
            if len(page) < rows:
                return
            since_ms, after = page["created_at"][-1].as_py(), page["ticket_id"][-1].as_py()

    def _read(self, sql: str, parameters: dict[str, object]) -> "pa.Table | None":
        """Return a table of `table.arrow_schema`'s types, None while there is no table to read from."""
        import pyarrow as pa

        try:
            found = self.database.query(sql, parameters)
        except StoreUnavailable as error:
            if error_code(error) in {NO_TABLE, NO_DATABASE}:
                return None
            raise
        for name in _TIMES:
            place = found.schema.get_field_index(name)
            if place >= 0:
                found = found.set_column(place, name, found[name].cast(pa.int64()))
        for place, column in enumerate(found.schema):
            if pa.types.is_dictionary(column.type):
                found = found.set_column(place, column.name, _used_only(found[column.name]))
        return found

    def extent(self) -> StoreExtent:
        found = self._read(
            "SELECT count() AS n, toUnixTimestamp64Milli(min(created_at)) AS oldest, "
            "toUnixTimestamp64Milli(max(created_at)) AS newest, toUnixTimestamp64Milli(max(greatest(created_at, "
            "ifNull(started_at, created_at), ifNull(completed_at, created_at)))) AS event "
            f"FROM {self.table} FINAL",
            {},
        )
        if found is None or not found["n"][0].as_py():
            return StoreExtent(0, None, None, None)
        return StoreExtent(*(found[name][0].as_py() for name in ("n", "oldest", "newest", "event")))

    def close(self) -> None:
        self.database.close()


def digests_of(tickets: Sequence[Ticket]) -> Any:
    """Return the content digest of each ticket, [n] uint64."""
    return keys_of([t.ticket_id for t in tickets], [encode_ticket(t) for t in tickets]).digest


def _used_only(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Return a dictionary column without the empty text that ClickHouse puts first whether a row has it or not."""
    import pyarrow as pa

    chunks = []
    for chunk in column.chunks:
        values = chunk.dictionary.to_pylist()
        if len(values) > 1 and values[0] == "" and 0 not in set(chunk.indices.drop_null().unique().to_pylist()):
            dictionary = pa.array([values[1], *values[1:]], chunk.dictionary.type)
            chunk = pa.DictionaryArray.from_arrays(chunk.indices, dictionary)  # noqa: PLW2901 - the same rows
        chunks.append(chunk)
    return pa.chunked_array(chunks, column.type)


def _as_a_word(name: str) -> str:
    """Return the RE2 that finds a name, but not as a part of a longer one."""
    return rf"(^|[^\w.@+-]|[^\w][.@+-]){re.escape(name)}($|[^\w.@+-]|[.@+-]([^\w]|$))"


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _names() -> list[str]:
    names: list[str] = arrow_schema().names
    return names


def _selected(names: Sequence[str]) -> str:
    return ", ".join(names)


def moment(at_ms: int) -> str:
    """Return a time, UTC epoch milliseconds, as SQL spells it."""
    return f"fromUnixTimestamp64Milli({at_ms:d}, 'UTC')"
