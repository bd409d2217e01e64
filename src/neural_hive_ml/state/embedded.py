"""Operational state in one SQLite file (WAL): several processes of one machine share it."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from neural_hive_ml.errors import Conflict
from neural_hive_ml.state.port import Document, Lease, Record
from neural_hive_ml.state.sqlite import connect, forget, reading, transaction

_MIGRATIONS = (
    """
    CREATE TABLE records (
        collection TEXT NOT NULL, key TEXT NOT NULL, at_ms INTEGER NOT NULL, document TEXT NOT NULL,
        PRIMARY KEY (collection, key)
    );
    CREATE INDEX records_by_time ON records (collection, at_ms, key);
    CREATE TABLE leases (
        name TEXT PRIMARY KEY, holder TEXT NOT NULL, token INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL
    )
    """,
    # Looked up with every verdict; without it each look reads the whole collection.
    """
    CREATE INDEX records_by_ticket ON records (collection, json_extract(document, '$."ticket_id"'), at_ms, key)
        WHERE json_extract(document, '$."ticket_id"') IS NOT NULL
    """,
    # Looked up with every decision that may be told twice.
    """
    CREATE INDEX records_by_subject ON records (collection, json_extract(document, '$."subject"'), at_ms, key)
        WHERE json_extract(document, '$."subject"') IS NOT NULL
    """,
    # Looked up with every look at what waits for a person: metrics and health of approval-service, the review page.
    """
    CREATE INDEX records_by_review ON records (collection, json_extract(document, '$."review"'), at_ms, key)
        WHERE json_extract(document, '$."review"') IS NOT NULL
    """,
)
_INDEXED: Final = ("ticket_id", "subject", "review")
SCHEMA_VERSION: Final = len(_MIGRATIONS)
_encoder = msgspec.json.Encoder(order="sorted")
Values = list[str | int | float]


class EmbeddedStateStore:
    """See `state.port.StateStore`; one connection a process, its methods may be called from several threads."""

    def __init__(self, path: Path, timeout_seconds: float = 5.0) -> None:
        self._path = path
        self._db = connect(path, _MIGRATIONS, timeout_seconds)
        self._lock = threading.RLock()

    def describe(self) -> str:
        return f"state in {self._path}"

    def insert(self, collection: str, records: Iterable[Record]) -> int:
        rows = [_row(collection, r) for r in records]
        with self._lock, transaction(self._db, self._path) as db:
            before = db.total_changes
            db.executemany("INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?)", rows)
            return db.total_changes - before

    def put(self, collection: str, record: Record) -> None:
        row = _row(collection, record)
        with self._lock, transaction(self._db, self._path) as db:
            db.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)", row)

    def replace(self, collection: str, record: Record, *, expected: Document | None) -> None:
        row, wanted = _row(collection, record), None if expected is None else _text(expected)
        with self._lock, transaction(self._db, self._path) as db:
            held = db.execute(
                "SELECT document FROM records WHERE collection = ? AND key = ?", (collection, record.key)
            ).fetchone()
            if (None if held is None else held[0]) != wanted:
                raise Conflict(f"{collection}/{record.key} was written by someone else", remedy="read it again")
            db.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)", row)

    def get(self, collection: str, key: str) -> Record | None:
        with self._lock, reading(self._path):
            row = self._db.execute(
                "SELECT key, at_ms, document FROM records WHERE collection = ? AND key = ?", (collection, key)
            ).fetchone()
        return None if row is None else _record(row)

    def find(
        self,
        collection: str,
        *,
        where: Mapping[str, str | int | float | bool] | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        after: tuple[int, str] | None = None,
    ) -> Sequence[Record]:
        condition, values = _condition(collection, where, since_ms, until_ms)
        if after is not None:
            condition += f" AND (at_ms, key) {'<' if newest_first else '>'} (?, ?)"
            values += after
        order = "DESC" if newest_first else "ASC"
        query = (
            f"SELECT key, at_ms, document FROM records WHERE {condition} "  # noqa: S608 - fixed words, bound values
            f"ORDER BY at_ms {order}, key {order} LIMIT ?"
        )
        with self._lock, reading(self._path):
            rows = self._db.execute(query, (*values, -1 if limit is None else limit)).fetchall()
        return [_record(row) for row in rows]

    def count(
        self,
        collection: str,
        *,
        where: Mapping[str, str | int | float | bool] | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> int:
        condition, values = _condition(collection, where, since_ms, until_ms)
        query = f"SELECT count(*) FROM records WHERE {condition}"  # noqa: S608 - fixed words, bound values
        with self._lock, reading(self._path):
            return int(self._db.execute(query, values).fetchone()[0])

    def delete(self, collection: str, keys: Sequence[str]) -> int:
        with self._lock, transaction(self._db, self._path) as db:
            before = db.total_changes
            db.executemany("DELETE FROM records WHERE collection = ? AND key = ?", [(collection, k) for k in keys])
            return db.total_changes - before

    def forget(self) -> None:
        with self._lock:
            forget(self._db, self._path)

    def acquire(self, name: str, holder: str, *, now_ms: int, ttl_ms: int) -> Lease:
        with self._lock, transaction(self._db, self._path) as db:
            row = db.execute("SELECT holder, token, expires_at_ms FROM leases WHERE name = ?", (name,)).fetchone()
            if row is not None and row[0] != holder and row[2] > now_ms:
                raise Conflict(
                    f"lease {name} is held by {row[0]}", remedy="wait until it is given back or expires"
                )
            renewed = row is not None and row[0] == holder and row[2] > now_ms
            token = 1 if row is None else row[1] + (not renewed)
            db.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", (name, holder, token, now_ms + ttl_ms))
        return Lease(name, holder, token, now_ms + ttl_ms)

    def release(self, lease: Lease) -> None:
        # The row stays: tokens must go on growing.
        with self._lock, transaction(self._db, self._path) as db:
            db.execute(
                "UPDATE leases SET expires_at_ms = 0 WHERE name = ? AND holder = ? AND token = ?",
                (lease.name, lease.holder, lease.token),
            )

    def close(self) -> None:
        with self._lock:
            self._db.close()


def _text(document: Document) -> str:
    return _encoder.encode(document).decode()


def _row(collection: str, record: Record) -> tuple[str, str, int, str]:
    return collection, record.key, record.at_ms, _text(record.document)


def _record(row: tuple[str, int, str]) -> Record:
    return Record(row[0], row[1], msgspec.json.decode(row[2]))


def _condition(
    collection: str,
    where: Mapping[str, str | int | float | bool] | None,
    since_ms: int | None,
    until_ms: int | None,
) -> tuple[str, Values]:
    parts, values = ["collection = ?"], Values([collection])
    for name, value in (where or {}).items():
        path = f'$."{name}"'
        if name in _INDEXED and isinstance(value, str):
            # Spelled as the index has it; an object's text is none of ours.
            parts.append(f"json_extract(document, '{path}') = ?")
            parts.append(f"json_type(document, '{path}') = 'text'")
            values.append(value)
            continue
        if isinstance(value, bool):
            parts.append("json_type(document, ?) = ?")
            values += [path, "true" if value else "false"]
        else:
            kinds = "('text')" if isinstance(value, str) else "('integer', 'real')"
            parts.append(f"json_type(document, ?) IN {kinds} AND json_extract(document, ?) = ?")
            values += [path, path, value]
    if since_ms is not None:
        parts.append("at_ms >= ?")
        values.append(since_ms)
    if until_ms is not None:
        parts.append("at_ms < ?")
        values.append(until_ms)
    return " AND ".join(parts), values
