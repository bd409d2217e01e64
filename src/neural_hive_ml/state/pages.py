"""A long collection read page by page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from neural_hive_ml.state.port import Record, StateStore

PAGE_ROWS: Final = 2_000


def pages(
    state: StateStore,
    collection: str,
    *,
    where: Mapping[str, str | int | float | bool] | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    rows: int = PAGE_ROWS,
) -> Iterator[Sequence[Record]]:
    """Yield the records of `StateStore.find`, at most `rows` at a time, ordered by (at_ms, key); memory is one page.

    What is written behind the place that was read meanwhile is not seen. Raises `StoreUnavailable`.

    >>> from neural_hive_ml.state.memory import MemoryStateStore
    >>> state = MemoryStateStore()
    >>> state.insert("runs", [Record(f"r{i}", i, {}) for i in range(3)])
    3
    >>> [[record.key for record in page] for page in pages(state, "runs", rows=2)]
    [['r0', 'r1'], ['r2']]
    """
    after: tuple[int, str] | None = None
    while page := state.find(
        collection, where=where, since_ms=since_ms, until_ms=until_ms, limit=rows, after=after
    ):
        yield page
        if len(page) < rows:
            return
        after = page[-1].at_ms, page[-1].key
