"""Keeps an embedded ticket store quick: merges small segments, rewrites those that are mostly dead.

Segments fall into tiers, each eight times the size of the one below; eight of a tier become one of the next, so
that a ticket is rewritten a few times in its life and there are never more than a few dozen segments. The largest
are left alone. One process at a time does it; writers and readers go on meanwhile.
"""

import fcntl
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.state.sqlite import transaction, view
from neural_hive_ml.tickets.catalog import Catalog, Mask
from neural_hive_ml.tickets.keys import Keys, merge_keys
from neural_hive_ml.tickets.segment import (
    GROUP_ROWS,
    Segment,
    live_rows,
    remove_segment,
    retire_segment,
    write_segment,
)
from neural_hive_ml.tickets.snapshot import ORIGIN, Snapshot, open_files
from neural_hive_ml.tickets.table import coded_anew

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

FAN_IN: Final = 8
# Eight of these are the largest that is made.
LARGEST_INPUT_ROWS: Final = 250_000
# Files that no longer count are deleted this long after: a reader opens its files at once, so seconds would do.
GRACE_SECONDS: Final = 600.0
# Where a person's tickets must go at once, readers get this long to open their files, and other compactions to end.
_READERS_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 60.0


def chosen(segments: Sequence[Segment], dead: "dict[int, Mask | None]") -> Sequence[Segment]:
    """Return the segments to merge now; empty when all is well."""
    tiers: dict[int, list[Segment]] = {}
    for segment in sorted(segments, key=lambda s: s.oldest_ms):
        live = live_rows(segment.rows, dead[segment.number])
        if live < segment.rows / 2:
            return [segment]
        if live < LARGEST_INPUT_ROWS:
            tiers.setdefault(int(math.log(max(live, 1), FAN_IN)), []).append(segment)
    for _, tier in sorted(tiers.items()):
        if len(tier) >= FAN_IN:
            return tier[:FAN_IN]
    return []


def compact(catalog: Catalog) -> int:
    """Merge until all is well, unless another process is at it; return how many merges were made."""
    merges = 0
    with _alone(catalog.folder / "compaction.lock") as alone:
        while alone:
            with view(catalog.db, catalog.path):
                catalog.refresh()
            dead = {number: catalog.dead(number) for number in catalog.segments}
            some = chosen(list(catalog.segments.values()), dead)
            if not some:
                break
            _merge(catalog, some, dead)
            merges += 1
        if merges:
            _sweep(catalog)
    return merges


def rewrite(catalog: Catalog, numbers: Sequence[int]) -> None:
    """Write segments anew without a trace of their dead rows and delete every file that does not count.

    Waits for a compaction that another process is at.

    Raises
    ------
    StoreUnavailable
        When that takes longer than a minute.
    """
    with undisturbed(catalog.folder):
        with view(catalog.db, catalog.path):
            catalog.refresh()
        dead = {number: catalog.dead(number) for number in catalog.segments}
        for number in numbers:
            if number in catalog.segments:
                _merge(catalog, [catalog.segments[number]], dead, thoroughly=True)
        # A reader opens its files just after it has read the catalog.
        time.sleep(_READERS_SECONDS)
        _sweep(catalog, grace_seconds=0.0)


@contextmanager
def undisturbed(folder: Path) -> Iterator[None]:
    """Keep the files of a store where they are meanwhile: nobody merges or sweeps; writing and reading go on.

    Raises
    ------
    StoreUnavailable
        When another process has been compacting for longer than a minute.
    """
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with _alone(folder / "compaction.lock") as alone:
            if alone:
                yield
                return
        if time.monotonic() > give_up:
            raise StoreUnavailable(
                f"{folder}: another process has been compacting for long", remedy="run it again"
            )
        time.sleep(0.1)


def sweep(catalog: Catalog) -> None:
    """Delete the files that ceased to count a while ago, unless another process is compacting."""
    with _alone(catalog.folder / "compaction.lock") as alone:
        if alone:
            _sweep(catalog)


def _merge(
    catalog: Catalog, old: Sequence[Segment], dead: "dict[int, Mask | None]", *, thoroughly: bool = False
) -> None:
    keys_of_row = {s.number: _by_row(catalog.keys(s.number)) for s in old}
    new = _write_merged(catalog.folder, old, dead, keys_of_row, thoroughly=thoroughly)
    try:
        with transaction(catalog.db, catalog.path):
            catalog.refresh()
            if new is not None:
                segment, keys = new
                added = catalog.add_segment(segment)
                for number, rows in _died_meanwhile(catalog, old, dead):
                    place = keys.find(keys_of_row[number].take(rows))
                    catalog.bury(added.number, keys.row[place])
            catalog.drop(s.number for s in old)
    except BaseException:
        if new is not None:
            remove_segment(catalog.folder, new[0].name)
        raise
    for segment in old:
        retire_segment(catalog.folder, segment.name)


def _write_merged(
    folder: Path,
    old: Sequence[Segment],
    dead: "dict[int, Mask | None]",
    keys_of_row: Mapping[int, Keys],
    *,
    thoroughly: bool,
) -> tuple[Segment, Keys] | None:
    """Write the live rows of `old` as one segment; None when there are none."""
    if not any(live_rows(s.rows, dead[s.number]) for s in old):
        return None
    snapshot = Snapshot(open_files(folder, old, dead.get), ())
    keys_in_order: list[Keys] = []

    def tables() -> "Iterator[pa.Table]":
        for table in snapshot.tables(None, 4 * GROUP_ROWS, with_origin=True):
            origin = table[ORIGIN].to_numpy()
            numbers, rows = origin >> 32, origin & 0xFFFFFFFF
            # Group the rows by segment, take their keys, put them back in order.
            by_segment = np.argsort(numbers, kind="stable")
            back = np.empty(len(table), dtype=np.intp)
            back[by_segment] = np.arange(len(table))
            taken = [keys_of_row[int(n)].take(rows[numbers == n]) for n in np.unique(numbers)]
            keys_in_order.append(merge_keys(taken).take(back))
            plain = table.drop_columns([ORIGIN])
            # The dictionary of a repeating column goes on holding the values of rows that were left out.
            yield coded_anew(plain) if thoroughly else plain

    def keys() -> Keys:
        joined = merge_keys(keys_in_order)
        return replace(joined, row=np.arange(len(joined), dtype=np.int32)).ordered()

    return write_segment(folder, tables(), keys)


def _died_meanwhile(
    catalog: Catalog, old: Sequence[Segment], dead: "dict[int, Mask | None]"
) -> "Iterator[tuple[int, npt.NDArray[np.intp]]]":
    """Yield (segment, rows) that were written again while the merge ran."""
    for segment in old:
        now, before = catalog.dead(segment.number), dead[segment.number]
        if now is not None:
            rows = np.flatnonzero(now if before is None else now & ~before)
            if len(rows):
                yield segment.number, rows


def _by_row(keys: Keys) -> Keys:
    order = np.empty(len(keys), dtype=np.intp)
    order[keys.row] = np.arange(len(keys))
    return keys.take(order)


@contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Hold a lock file as long as the process does; False when another process holds it."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _sweep(catalog: Catalog, grace_seconds: float | None = None) -> None:
    """Delete the files that ceased to count a while ago, and those a crash left behind."""
    with view(catalog.db, catalog.path):
        catalog.refresh()
    grace_seconds = GRACE_SECONDS if grace_seconds is None else grace_seconds
    counted = {s.name for s in catalog.segments.values()}
    for file in (*catalog.folder.glob("*.parquet"), *catalog.folder.glob("*.keys")):
        try:
            if file.stem not in counted and time.time() - file.stat().st_mtime >= grace_seconds:
                file.unlink()
        except FileNotFoundError:
            continue
