"""The steps of `benchmarks.scale`, each run in a process of its own: `python -m benchmarks.scale_steps STEP ...`."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from neural_hive_ml.features.binding import bind
from neural_hive_ml.features.blocks import frame_blocks
from neural_hive_ml.features.spec import CREATION_COUNT
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.generator import GeneratorPlan, generate
from neural_hive_ml.tickets.importer import ImportSummary, import_tickets
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.frame_file import BLOCK_ROWS, write_frame
from neural_hive_ml.training.quantiles import MOST_ROWS, fit_quantiles
from neural_hive_ml.training.split import split_times

PLAN = GeneratorPlan(seed=42, start_ms=1_700_000_000_000, per_hour=1_200.0)
Mark = dict[str, float]


class Marks:
    """Wall and CPU seconds at an eighth, a quarter, a half and all of the tickets."""

    def __init__(self, total: int) -> None:
        self._due = [total // 8, total // 4, total // 2, total]
        self._began, self._cpu = time.perf_counter(), time.process_time()
        self.seen: list[Mark] = []

    def at(self, count: int) -> None:
        """Note the time when a mark is passed."""
        while self._due and count >= self._due[0]:
            self._due.pop(0)
            wall, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
            self.seen.append({"tickets": count, "wall_s": wall, "cpu_s": cpu})
            print(f"  {count:,} tickets: {wall:,.0f} s, {cpu:,.0f} s of CPU", flush=True)


def tickets(total: int) -> Iterator[Ticket]:
    """Generated tickets in the order of creation."""
    return islice(generate(PLAN), total)


def fill(store: TicketStore, total: int) -> dict[str, object]:
    """Import generated tickets."""
    marks = Marks(total)

    def progress(summary: ImportSummary) -> None:
        marks.at(summary.read)

    summary = import_tickets(tickets(total), store, progress)
    return {"stored": summary.stored, "marks": marks.seen}


def embedded(folder: str, total: str) -> dict[str, object]:
    """Import into the embedded store."""
    return fill(EmbeddedTicketStore(Path(folder)), int(total))


def clickhouse(host: str, port: str, total: str) -> dict[str, object]:
    """Import into ClickHouse."""
    from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
    from neural_hive_ml.tickets.clickhouse_client import ClickHouseTarget

    store = ClickHouseTicketStore(ClickHouseTarget(host, int(port), timeout_seconds=120.0), retention_days=0)
    return fill(store, int(total))


def generated(total: str) -> dict[str, object]:
    """Only make the tickets: what of an import is the generator's."""
    marks = Marks(int(total))
    marks.at(sum(1 for _ in tickets(int(total))))
    return {"marks": marks.seen}


def frame(folder: str, file: str) -> dict[str, object]:
    """Build the duration model's training frame over all tickets, on disk, and train from it in blocks."""
    store, window = EmbeddedTicketStore(Path(folder)), TicketWindow()
    extent = store.extent()
    until_ms = (extent.newest_event_ms or 0) + 1
    created = np.concatenate([block.created_at_ms for block in store.blocks(window)])
    split = split_times(created, until_ms, 1_000)
    total, marks, seen = len(created), Marks(len(created)), 0
    del created
    blocks = store.blocks(window, BLOCK_ROWS)
    first = next(blocks)
    binding = bind(first)

    def counted() -> Iterator[TicketColumns]:
        nonlocal seen
        for block in _chain(first, blocks):
            yield as_of(block, until_ms)
            seen += len(block)
            marks.at(seen)

    began = time.perf_counter()
    written = write_frame(frame_blocks(counted(), binding, Statistics(), ("created",)), split, Path(file))
    built_s = time.perf_counter() - began
    began = time.perf_counter()
    fit, watch = list(written.of_part(0, MOST_ROWS)), list(written.of_part(1, MOST_ROWS))
    rows = np.concatenate([part for part, _ in fit + watch])
    numbers = np.concatenate([who for _, who in fit + watch])
    fitted = fit_quantiles(
        rows, np.log1p(written.duration_ms[numbers]), written.part[numbers] == 1, seed=42, threads=1
    )
    scorer = DurationScorer(fitted.quantiles, binding)
    errors = [np.abs(scorer.forecast(block)[:, 1] - written.duration_ms[who]) for block, who in written.of_part(2)]
    trained_s = time.perf_counter() - began
    judged = np.concatenate(errors)
    return {
        "tickets": total,
        "rows": len(written),
        "columns": CREATION_COUNT,
        "marks": marks.seen,
        "frame_s": built_s,
        "frame_gib": Path(file).stat().st_size / 2**30,
        "train_s": trained_s,
        "held_out": len(judged),
        "mae_ms": float(judged.mean()),
    }


def _chain(first: TicketColumns, rest: Iterator[TicketColumns]) -> Iterator[TicketColumns]:
    yield first
    yield from rest


STEPS: dict[str, Callable[..., dict[str, object]]] = {
    "generated": generated,
    "embedded": embedded,
    "clickhouse": clickhouse,
    "frame": frame,
}

if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](*sys.argv[2:])))
