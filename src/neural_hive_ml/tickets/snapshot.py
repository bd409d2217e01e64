"""One moment of an embedded ticket store, read without holding anyone up."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.tickets.merge import Part, merged
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.tickets.segment import Segment, groups_in, open_segment
from neural_hive_ml.tickets.table import table_of
from neural_hive_ml.tickets.ticket import Ticket

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from neural_hive_ml.tickets.catalog import Mask

ORIGIN: Final = "origin"
_ALL: Final = TicketWindow()
_EARLIEST, _LATEST = -(2**62), 2**62


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Segments with their dead rows and the recent tickets of one moment; files are opened when it is made."""

    files: Sequence["tuple[Segment, pq.ParquetFile, Mask | None]"]
    recent: Sequence[Ticket]

    def tables(
        self,
        columns: Sequence[str] | None,
        block_rows: int,
        window: TicketWindow = _ALL,
        *,
        with_origin: bool = False,
    ) -> Iterator["pa.Table"]:
        """Yield the tickets of a window ordered by (created_at, ticket_id); `columns` None: all of them.

        `with_origin` adds a column that says where a row lies: the segment's number times 2**32, plus the row.
        """
        reading = _Reading(None if columns is None else list(columns), window, with_origin)
        return merged(self._parts(reading), block_rows)

    def _parts(self, reading: "_Reading") -> Iterator[Part]:
        since, until = reading.bounds
        for segment, file, dead in self.files:
            if segment.newest_ms >= since and segment.oldest_ms < until:
                for oldest, group, first_row in groups_in(file, since, until):
                    yield Part(oldest, partial(reading.group, segment, file, dead, group, first_row))
        recent = [t for t in self.recent if since <= t.created_at < until]
        if recent:
            table = table_of(recent)
            table = table if reading.columns is None else table.select(reading.columns)
            yield Part(min(t.created_at for t in recent), lambda: table)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read of each row group."""

    columns: list[str] | None
    window: TicketWindow
    with_origin: bool

    @property
    def bounds(self) -> tuple[int, int]:
        since, until = self.window.since_ms, self.window.until_ms
        return _EARLIEST if since is None else since, _LATEST if until is None else until

    def group(
        self, segment: Segment, file: "pq.ParquetFile", dead: "Mask | None", group: int, first_row: int
    ) -> "pa.Table":
        import pyarrow as pa

        since, until = self.bounds
        table = file.read_row_group(group, columns=self.columns, use_threads=False)
        if self.with_origin:
            rows = np.arange(first_row, first_row + len(table), dtype=np.int64)
            table = table.append_column(ORIGIN, pa.array((segment.number << 32) | rows))
        created = table["created_at"].to_numpy()
        keep = (created >= since) & (created < until)
        if dead is not None:
            keep &= ~dead[first_row : first_row + len(table)]
        return table if keep.all() else table.filter(pa.array(keep))


def open_files(
    folder: Path, segments: Sequence[Segment], dead: "Callable[[int], Mask | None]"
) -> "list[tuple[Segment, pq.ParquetFile, Mask | None]]":
    """Open segments' files: from here on they stay readable, whatever is merged meanwhile.

    Raises
    ------
    StoreUnavailable
        When a file the catalog names is not there.
    """
    try:
        return [(s, open_segment(folder, s), dead(s.number)) for s in segments]
    except OSError as error:
        raise StoreUnavailable(
            f"{folder}: {error}", remedy="restore the folder as a whole from a backup"
        ) from error
