"""What was copied into ClickHouse and up to when: kept there, so that a table made anew is filled anew."""

# ruff: noqa: S608 - only our own names enter the text; values are bound

from dataclasses import dataclass, replace
from typing import Literal

from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.tickets.clickhouse_client import NO_DATABASE, NO_TABLE, ClickHouseDatabase, error_code
from neural_hive_ml.tickets.clickhouse_schema import SYNCS

SyncState = Literal["copying", "done"]


@dataclass(frozen=True, slots=True)
class SyncNote:
    """Where a run stands: what changed before `watermark_ms` is there once it is ``done``; times are UTC epoch ms.

    A copy that did not finish has everything created before `copied_until_ms`.
    """

    source: str
    run: int
    state: SyncState
    noted_at_ms: int
    watermark_ms: int
    copied_until_ms: int = 0
    tickets: int = 0


class SyncLog:
    """The notes of the runs, newest first to be read."""

    def __init__(self, database: ClickHouseDatabase) -> None:
        self._database = database

    def last(self, source: str | None = None) -> SyncNote | None:
        """Return the newest note, of a source or of any; None where nothing was ever synced."""
        condition = "" if source is None else "WHERE source = %(source)s "
        try:
            found = self._database.query(
                "SELECT source, run, state, toUnixTimestamp64Milli(noted_at) AS noted_at_ms, watermark_ms, "
                f"copied_until_ms, tickets FROM {self._database.table(SYNCS)} {condition}"
                "ORDER BY run DESC, noted_at DESC, tickets DESC, state DESC LIMIT 1",
                {"source": source},
            )
        except StoreUnavailable as error:
            if error_code(error) in {NO_TABLE, NO_DATABASE}:
                return None
            raise
        rows = found.to_pylist()
        return SyncNote(**rows[0]) if rows else None

    def add(self, note: SyncNote, *, now_ms: int) -> SyncNote:
        """Keep a note of now."""
        import pyarrow as pa

        noted = replace(note, noted_at_ms=now_ms)
        table = pa.table(
            {
                "source": [noted.source],
                "run": pa.array([noted.run], pa.uint64()),
                "state": [noted.state],
                "noted_at": pa.array([now_ms], pa.timestamp("ms", "UTC")),
                "watermark_ms": pa.array([noted.watermark_ms], pa.int64()),
                "copied_until_ms": pa.array([noted.copied_until_ms], pa.int64()),
                "tickets": pa.array([noted.tickets], pa.uint64()),
            }
        )
        self._database.insert(SYNCS, table)
        return noted
