"""What the state store must do; adapters `embedded` (SQLite, WAL), `mongo`, `memory`.

One contract suite (`tests/contracts/test_state_store.py`) runs over every adapter.

A record is a JSON document with a unique `key` and a time `at_ms`, in a named collection of
`conventions`. Rooms map their frozen dataclasses to records; nothing else knows the storage.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """One stored document: `key` unique in its collection, `at_ms` UTC epoch milliseconds."""

    key: str
    at_ms: int
    document: Document


@dataclass(frozen=True, slots=True)
class Lease:
    """A held lease; `token` grows with every new holder, so that a late writer can be fenced off."""

    name: str
    holder: str
    token: int
    expires_at_ms: int


class StateStore(Protocol):
    """Durable records, compare-and-set and leases. Raises `StoreUnavailable` when it does not answer.

    Documents are JSON: what comes back is what JSON keeps (tuples are lists, NaN is null). Two documents are equal
    when their JSON is, whatever the order of their fields.
    """

    def describe(self) -> str:
        """Return what and where the store is, credentials masked."""
        ...

    def insert(self, collection: str, records: Iterable[Record]) -> int:
        """Write records whose key is new, leave the others as they are; return how many were written."""
        ...

    def put(self, collection: str, record: Record) -> None:
        """Write a record, replacing one of the same key."""
        ...

    def replace(self, collection: str, record: Record, *, expected: Document | None) -> None:
        """Compare-and-set: write only if the stored document equals `expected` (None: no such key).

        Raises
        ------
        Conflict
            When someone else wrote first.
        """
        ...

    def get(self, collection: str, key: str) -> Record | None:
        """Return one record, or None."""
        ...

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
        """Return records with at_ms in [since_ms, until_ms) whose top-level fields equal `where`,
        ordered by (at_ms, key).

        `after` is the (at_ms, key) of the last record of a page: the answer goes on behind it, so that a long
        collection is read page by page. A value in `where` equals a field of the same JSON type only:
        1 equals 1.0, but not true.
        """
        ...

    def count(
        self,
        collection: str,
        *,
        where: Mapping[str, str | int | float | bool] | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> int:
        """Count what `find` would return."""
        ...

    def delete(self, collection: str, keys: Sequence[str]) -> int:
        """Delete records by key; return how many went."""
        ...

    def forget(self) -> None:
        """Make what was deleted unreadable in the store's own files, where the store has files of its own."""
        ...

    def acquire(self, name: str, holder: str, *, now_ms: int, ttl_ms: int) -> Lease:
        """Take or renew a lease. Raises `Conflict` while another holder's lease has not expired."""
        ...

    def release(self, lease: Lease) -> None:
        """Give a lease back; a lease already lost is left alone."""
        ...

    def close(self) -> None:
        """Release connections; further calls are errors."""
        ...
