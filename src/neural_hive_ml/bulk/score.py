"""Score a file or a window of the store into one Parquet file, block by block, going on where it was interrupted."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from neural_hive_ml.bulk.engine import Engine
from neural_hive_ml.bulk.judge import Judge, StageChoice
from neural_hive_ml.bulk.parts import Parts
from neural_hive_ml.bulk.work import Block, Work
from neural_hive_ml.features.spec import FEATURE_SET_VERSION
from neural_hive_ml.tickets.columns import regrouped
from neural_hive_ml.tickets.files import read_documents, size_of
from neural_hive_ml.tickets.port import TicketStore, TicketWindow

BLOCK_ROWS = 10_000
# Called with what is done of what, in whatever unit the source counts: bytes of a file, milliseconds of a window.
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class FileSource:
    """Documents of a file, in its order; a block is so many documents, whether they are tickets or not."""

    path: str

    def plan(self) -> dict[str, Any]:
        """What makes it this input: path, size and time of change."""
        status = Path(self.path).stat()
        return {"file": str(Path(self.path).resolve()), "bytes": status.st_size, "changed_ns": status.st_mtime_ns}

    def blocks(
        self, done: Parts, finished: int, rows: int, advance: Callable[[int, int], None]
    ) -> Iterator[Block]:
        """Yield the blocks behind the finished ones."""
        size = size_of(self.path) or 0
        documents = read_documents(self.path, lambda read: advance(read, size))
        for _ in islice(documents, finished * rows):
            pass
        number = finished
        while batch := [document.content for document in islice(documents, rows)]:
            yield Block(number, documents=batch, first_row=number * rows)
            number += 1


@dataclass(frozen=True, slots=True)
class WindowSource:
    """Tickets of a store created in [since_ms, until_ms), by creation."""

    tickets: TicketStore
    since_ms: int
    until_ms: int

    def plan(self) -> dict[str, Any]:
        """What makes it this input."""
        return {"store": self.tickets.describe(), "since_ms": self.since_ms, "until_ms": self.until_ms}

    def blocks(
        self, done: Parts, finished: int, rows: int, advance: Callable[[int, int], None]
    ) -> Iterator[Block]:
        """Yield the blocks behind the last ticket that is done, so that late arrivals shift nothing."""
        last = done.last() if finished else None
        since, beyond = self.since_ms, ""
        if last is not None:
            since, beyond = last["created_at_ms"][-1].as_py(), last["ticket_id"][-1].as_py()
        blocks = self.tickets.blocks(TicketWindow(since, self.until_ms), rows)
        if beyond:
            blocks = (b.take((b.created_at_ms > since) | (b.ticket_id > beyond)) for b in blocks)
        span = max(self.until_ms - self.since_ms, 1)
        # Blocks of their full size again behind the place: the parts' sizes are bytes of the file.
        for number, columns in enumerate(regrouped(blocks, rows), start=finished):
            yield Block(number, columns=columns)
            advance(int(columns.created_at_ms[-1]) - self.since_ms, span)


@dataclass(frozen=True, slots=True)
class Scored:
    """What was done: `rows` in the file, of which `resumed` came from an earlier, interrupted run."""

    rows: int
    resumed: int
    models: tuple[str, ...]


def score(
    source: FileSource | WindowSource,
    judges: Sequence[Judge],
    out: Path,
    engine: Engine,
    *,
    choice: StageChoice,
    now_ms: int,
    rows: int = BLOCK_ROWS,
    restart: bool = False,
    progress: Progress = lambda _done, _of, _rows: None,
) -> Scored:
    """Score all of a source into `out`. The same input, models and options give the same bytes, interrupted or not.

    Raises
    ------
    UsageError
        When `out` is there, or was begun from something else.
    """
    parts = Parts(out)
    models = tuple(f"{j.name}/{j.version}" for j in judges)
    told = {
        "models": {f"{j.name}/{j.version}": j.digest for j in judges},
        "feature_set_version": FEATURE_SET_VERSION,
        "stage": choice,
        "running_as_of_ms": now_ms,
    }
    finished = parts.begin({**told, "source": source.plan(), "block_rows": rows}, restart=restart)
    count = resumed = sum(len(table) for table in parts.finished())
    where = (0, 1)

    def advance(done: int, of: int) -> None:
        nonlocal where
        where = (done, of)

    blocks = source.blocks(parts, finished, rows, advance)
    for block, table in engine.run(Work(tuple(judges), choice, now_ms), blocks):
        parts.add(block.number, table)
        count += len(table)
        progress(*where, count)
    parts.finish({name: _text(value) for name, value in told.items()})
    return Scored(count, resumed, models)


def _text(value: object) -> str:
    import msgspec

    return value if isinstance(value, str) else msgspec.json.Encoder(order="sorted").encode(value).decode()
