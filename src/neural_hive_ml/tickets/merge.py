"""Many ordered parts read as one ordered whole, holding only what overlaps."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neural_hive_ml.tickets.table import coded_anew

if TYPE_CHECKING:
    import pyarrow as pa

ORDER = [("created_at", "ascending"), ("ticket_id", "ascending")]


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows, none created before `oldest_ms`, that `load` fetches when their turn comes."""

    oldest_ms: int
    load: Callable[[], "pa.Table"]


def merged(parts: Iterable[Part], block_rows: int) -> Iterator["pa.Table"]:
    """Yield the rows of all parts ordered by (created_at, ticket_id), in tables of at most `block_rows` rows.

    A row is given out once no part still to be loaded can hold an older one. Memory is the parts that overlap in
    time, or `block_rows`; each row is sorted about twice, so the whole costs O(n log n).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    held: list[pa.Table] = []
    rows, enough = 0, block_rows
    for part in sorted(parts, key=lambda p: p.oldest_ms):
        if rows >= enough:
            table = _sorted(held)
            ready = pc.sum(pc.less(table["created_at"], part.oldest_ms)).as_py() or 0
            yield from _sliced(table.slice(0, ready), block_rows)
            held, rows = [coded_anew(table.slice(ready), all_of_them=False)], len(table) - ready
            # Where everything overlaps, sorting again before the rest has doubled would cost n squared.
            enough = max(block_rows, 2 * rows)
        table = part.load()
        held.append(table)
        rows += len(table)
    if rows:
        yield from _sliced(_sorted(held), block_rows)


def _sorted(tables: "list[pa.Table]") -> "pa.Table":
    import pyarrow as pa

    table = pa.concat_tables(tables)
    return table.sort_by(ORDER)


def _sliced(table: "pa.Table", rows: int) -> Iterator["pa.Table"]:
    for start in range(0, len(table), rows):
        yield table.slice(start, rows)
