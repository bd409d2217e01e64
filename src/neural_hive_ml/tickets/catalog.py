"""The catalog of an embedded ticket store: which segments count, which of their rows are dead, what is recent.

SQLite holds what must change together; the segments it names never change. A row dies when its ticket is written
again; the mask of dead rows is kept in memory and brought up to date from an append-only list.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.state.sqlite import connect
from neural_hive_ml.tickets.keys import Keys, map_keys
from neural_hive_ml.tickets.segment import Segment, rows_before

_MIGRATIONS = (
    """
    CREATE TABLE segments (
        number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, rows INTEGER NOT NULL,
        oldest_ms INTEGER NOT NULL, newest_ms INTEGER NOT NULL, newest_event_ms INTEGER NOT NULL
    );
    CREATE TABLE dead (
        number INTEGER PRIMARY KEY AUTOINCREMENT, segment INTEGER NOT NULL, rows BLOB NOT NULL
    );
    CREATE INDEX dead_of_segment ON dead (segment);
    CREATE TABLE recent (
        ticket_id TEXT PRIMARY KEY, created_at INTEGER NOT NULL, newest_event_ms INTEGER NOT NULL,
        document BLOB NOT NULL
    );
    CREATE INDEX recent_by_creation ON recent (created_at, ticket_id)
    """,
)
SCHEMA_VERSION: Final = len(_MIGRATIONS)
Mask = npt.NDArray[np.bool_]


class Catalog:
    """Segments and dead rows as of the last `refresh`; not safe for threads by itself."""

    def __init__(self, folder: Path, timeout_seconds: float) -> None:
        self.folder = folder
        self.path = folder / "catalog.db"
        self.db: sqlite3.Connection = connect(self.path, _MIGRATIONS, timeout_seconds)
        self.segments: dict[int, Segment] = {}
        self._dead: dict[int, Mask] = {}
        self._keys: dict[int, Keys] = {}
        self._seen = 0

    def refresh(self) -> None:
        """Read what other processes changed; O(changes). Call within a `view` or a transaction."""
        rows = self.db.execute("SELECT number, name, rows, oldest_ms, newest_ms, newest_event_ms FROM segments")
        self.segments = {row[0]: Segment(*row) for row in rows}
        for gone in (self._keys.keys() | self._dead.keys()) - self.segments.keys():
            self._keys.pop(gone, None)
            self._dead.pop(gone, None)
        fresh = self.db.execute(
            "SELECT number, segment, rows FROM dead WHERE number > ? ORDER BY number", (self._seen,)
        )
        for number, segment, rows_blob in fresh.fetchall():
            self._seen = number
            if segment in self.segments:
                self._mark(segment, np.frombuffer(rows_blob, dtype="<i4"))

    def _mark(self, segment: int, rows: npt.NDArray[np.int32]) -> None:
        mask = self._dead.get(segment)
        # A reader may hold the mask of before: make a new one.
        mask = np.zeros(self.segments[segment].rows, dtype=np.bool_) if mask is None else mask.copy()
        mask[rows] = True
        self._dead[segment] = mask

    def dead(self, segment: int) -> Mask | None:
        """Return the mask of a segment's dead rows, None when all live. Not to be written to."""
        return self._dead.get(segment)

    def keys(self, segment: int) -> Keys:
        """Return the keys of a segment, dead rows included."""
        if segment not in self._keys:
            self._keys[segment] = map_keys(self.folder / f"{self.segments[segment].name}.keys")
        return self._keys[segment]

    def find(self, wanted: Keys) -> "Found":
        """Return where each wanted key lives; O(m log n) a segment."""
        # In order, so that one search begins in memory that the one before it has just touched: some times quicker.
        order = np.argsort(wanted.high)
        wanted = wanted.take(order)
        segment = np.zeros(len(wanted), dtype=np.int64)
        row = np.full(len(wanted), -1, dtype=np.int32)
        digest = np.zeros(len(wanted), dtype=np.uint64)
        for number in self.segments:
            keys = self.keys(number)
            place = keys.find(wanted)
            hit = np.flatnonzero(place >= 0)
            if not len(hit):
                continue
            rows = keys.row[place[hit]]
            mask = self.dead(number)
            if mask is not None:
                live = ~mask[rows]
                hit, rows = hit[live], rows[live]
            there = order[hit]
            segment[there], row[there], digest[there] = number, rows, keys.digest[place[hit]]
        return Found(segment, row, digest)

    def add_segment(self, segment: Segment) -> Segment:
        """Make a written segment count; within the caller's transaction."""
        values = (segment.name, segment.rows, segment.oldest_ms, segment.newest_ms, segment.newest_event_ms)
        cursor = self.db.execute(
            "INSERT INTO segments (name, rows, oldest_ms, newest_ms, newest_event_ms) VALUES (?, ?, ?, ?, ?)",
            values,
        )
        assert cursor.lastrowid is not None
        return Segment(cursor.lastrowid, *values)

    def bury(self, segment: int, rows: npt.NDArray[np.int32]) -> None:
        """Mark rows dead; within the caller's transaction."""
        if len(rows):
            self.db.execute(
                "INSERT INTO dead (segment, rows) VALUES (?, ?)", (segment, rows.astype("<i4").tobytes())
            )

    def bury_before(self, created_ms: int) -> int:
        """Mark the rows of tickets created before a moment dead; within the caller's transaction. Return how many."""
        gone = 0
        for segment in self.segments.values():
            if segment.oldest_ms < created_ms:
                rows = rows_before(self.folder, segment, created_ms)
                mask = self.dead(segment.number)
                live = rows if mask is None else rows[~mask[rows]]
                self.bury(segment.number, live)
                gone += len(live)
        return gone

    def close(self) -> None:
        """Close the database and forget the maps."""
        self.db.close()
        self._keys.clear()

    def drop(self, segments: Iterable[int]) -> None:
        """Make segments no longer count; within the caller's transaction. Their files stay for present readers."""
        numbers: Sequence[tuple[int]] = [(number,) for number in segments]
        self.db.executemany("DELETE FROM segments WHERE number = ?", numbers)
        self.db.executemany("DELETE FROM dead WHERE segment = ?", numbers)


class Found:
    """Where m keys live: the `segment` (0: nowhere), the `row` in it, the `digest` of what is there."""

    def __init__(
        self, segment: npt.NDArray[np.int64], row: npt.NDArray[np.int32], digest: npt.NDArray[np.uint64]
    ) -> None:
        self.segment = segment
        self.row = row
        self.digest = digest

    def rows_by_segment(self, chosen: Mask) -> Iterable[tuple[int, npt.NDArray[np.int32]]]:
        """Yield (segment, rows) of the chosen keys that live somewhere."""
        for number in np.unique(self.segment[chosen]):
            if number:
                yield int(number), self.row[chosen & (self.segment == number)]
