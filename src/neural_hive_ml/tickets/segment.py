"""A segment: an immutable Parquet file of tickets, ordered by (created_at, ticket_id), with its keys beside it."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import numpy as np

from neural_hive_ml.tickets.keys import Keys, write_keys
from neural_hive_ml.tickets.table import REPEATING, arrow_schema, coded_anew

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.parquet as pq

# Rows that are read at a time: few enough that one ticket is found in milliseconds and a merge of a hundred
# segments fits in memory, enough that a column compresses.
GROUP_ROWS: Final = 16_384


@dataclass(frozen=True, slots=True)
class Segment:
    """What the catalog knows of a segment; `oldest_ms` and `newest_ms` bound created_at of all its rows."""

    number: int
    name: str
    rows: int
    oldest_ms: int
    newest_ms: int
    newest_event_ms: int


def write_segment(folder: Path, groups: Iterable["pa.Table"], keys: Callable[[], Keys]) -> tuple[Segment, Keys]:
    """Write tables, ordered and not overlapping, as one segment that is not yet in the catalog (number 0).

    `keys` is called when all tables are written. The files are on the disk, not only in its cache, when this
    returns.
    """
    import pyarrow.parquet as pq

    name = uuid4().hex
    rows, oldest, newest, event = 0, 2**62, -(2**62), -(2**62)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    with pq.ParquetWriter(path, arrow_schema(), compression="zstd", compression_level=1) as writer:
        for table in groups:
            for start in range(0, len(table), GROUP_ROWS):
                # A group is written with the whole of its dictionaries.
                writer.write_table(coded_anew(table.slice(start, GROUP_ROWS), all_of_them=False))
            created = table["created_at"].to_numpy()
            rows, oldest, newest = rows + len(table), min(oldest, created[0]), max(newest, created[-1])
            event = max(event, newest_event_ms(table))
    ordered = keys()
    write_keys(ordered, folder / f"{name}.keys")
    for file in (path, folder / f"{name}.keys", folder):
        _sync(file)
    return Segment(0, name, rows, int(oldest), int(newest), event), ordered


def newest_event_ms(table: "pa.Table") -> int:
    """Return the latest time that the tickets of a table mention; `table` must not be empty."""
    import pyarrow.compute as pc

    latest = [pc.max(table[name]).as_py() for name in ("created_at", "started_at", "completed_at")]
    return max(int(value) for value in latest if value is not None)


def open_segment(folder: Path, segment: Segment) -> "pq.ParquetFile":
    """Open a segment's file."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(folder / f"{segment.name}.parquet", read_dictionary=list(REPEATING))


def groups_in(file: "pq.ParquetFile", since_ms: int, until_ms: int) -> Iterator[tuple[int, int, int]]:
    """Yield (oldest created_at, group, first row) of the groups that may hold tickets of [since_ms, until_ms)."""
    metadata = file.metadata
    column = metadata.schema.names.index("created_at")
    first_row = 0
    for group in range(metadata.num_row_groups):
        part = metadata.row_group(group)
        bounds = part.column(column).statistics
        if bounds.max >= since_ms and bounds.min < until_ms:
            yield bounds.min, group, first_row
        first_row += part.num_rows


def rows_before(folder: Path, segment: Segment, created_ms: int) -> "npt.NDArray[np.int32]":
    """Return the rows of tickets created before a moment; they are the first, since rows are in order of creation."""
    if segment.newest_ms < created_ms:
        return np.arange(segment.rows, dtype=np.int32)
    created = open_segment(folder, segment).read(["created_at"], use_threads=False)["created_at"].to_numpy()
    return np.arange(np.searchsorted(created, created_ms), dtype=np.int32)


def read_row(file: "pq.ParquetFile", row: int) -> "pa.Table":
    """Read one row; costs the reading of its group."""
    group = 0
    while row >= file.metadata.row_group(group).num_rows:
        row -= file.metadata.row_group(group).num_rows
        group += 1
    return file.read_row_group(group, use_threads=False).slice(row, 1)


def remove_segment(folder: Path, name: str) -> None:
    """Delete a segment's files, whichever of them exist."""
    for ending in ("parquet", "keys"):
        (folder / f"{name}.{ending}").unlink(missing_ok=True)


def retire_segment(folder: Path, name: str) -> None:
    """Note on a segment's files when they ceased to count, so that they are kept for those who read them now."""
    for ending in ("parquet", "keys"):
        (folder / f"{name}.{ending}").touch()


def live_rows(rows: int, dead: np.ndarray | None) -> int:
    """Return how many of `rows` are not in the mask of dead rows."""
    return rows if dead is None else rows - int(dead.sum())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
