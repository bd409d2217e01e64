"""Metric, floor, baseline and verdict of each model, on the shipped sample and on each file of HIVE_BENCH_DATA.

    python -m benchmarks.quality [--json FILE]

A file that is absent gives the row "not run". Everything is judged on the time-ordered hold-out that training uses;
nothing is promoted or kept.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from neural_hive_ml.cli.training_report import best_baseline, figure, model_name_of
from neural_hive_ml.clock import DAY_MS, parse_instant
from neural_hive_ml.conventions import FAMILIES
from neural_hive_ml.errors import HiveError
from neural_hive_ml.evaluation.floors import check_floors, demands
from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.columns import TicketColumns, concat
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.files import read_documents
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.training.families import train_family
from neural_hive_ml.training.judging import judge_against
from neural_hive_ml.training.request import requests_for

FILES = ("alibaba_genai2026", "bpi2012_workitems", "nasa1993")
SAMPLE_UNTIL = "2013-11-01"
SAMPLE_DAYS = 90
WINDOW_DAYS = 540
HEADINGS = (
    "id",
    "data",
    "model",
    "metric",
    "value [95 %]",
    "floor, guide",
    "floor, relative",
    "best baseline",
    "verdict",
)
Row = tuple[str, ...]


def datasets() -> Iterator[tuple[str, TicketColumns | None, int, int]]:
    """Yield (name, columns or None when absent, as-of, days)."""
    until_ms = parse_instant(SAMPLE_UNTIL)
    with TemporaryDirectory() as folder:
        store = EmbeddedTicketStore(Path(folder) / "sample")
        store.upsert(sample_tickets(until_ms - SAMPLE_DAYS * DAY_MS, until_ms))
        yield "flights2013", _known(store, until_ms), until_ms, SAMPLE_DAYS
    root = Path(os.environ.get("HIVE_BENCH_DATA", ""))
    for name in FILES:
        file = root / f"{name}.tickets.jsonl.gz"
        if not os.environ.get("HIVE_BENCH_DATA") or not file.is_file():
            yield name, None, 0, 0
            continue
        with TemporaryDirectory() as folder:
            store = EmbeddedTicketStore(Path(folder))
            store.upsert(decode_ticket(raw.content) for raw in read_documents(str(file), lambda _: None))
            newest_ms = store.extent().newest_event_ms
            assert newest_ms is not None
            yield name, _known(store, newest_ms + 1), newest_ms + 1, WINDOW_DAYS


def _known(store: EmbeddedTicketStore, at_ms: int) -> TicketColumns:
    return as_of(concat(list(store.blocks(TicketWindow(until_ms=at_ms)))), at_ms)


def rows_of(name: str, columns: TicketColumns | None, as_of_ms: int, days: int) -> Iterator[Row]:
    """Train and judge the five models on one dataset."""
    if columns is None:
        yield (f"quality.{name}", name, "-", "-", "not run", "-", "-", "-", "-")
        return
    for request in requests_for(FAMILIES, as_of_ms=as_of_ms, window_days=days):
        model = model_name_of(request)
        bench = f"quality.{name}.{model}"
        try:
            candidate = train_family(columns, request, lambda _: None)
            verdict = judge_against(candidate, columns, request, None, profile="relative")
        except HiveError as error:
            yield (bench, name, model, "-", f"not judged: {error}", "-", "-", "-", "-")
            continue
        floors: dict[str, dict[str, str]] = {}
        for profile in ("guide", "relative"):
            asked = demands(request.family, profile, request.horizon_minutes)
            for c in check_floors(candidate.evaluation, asked.floors):
                floors.setdefault(c.metric, {})[profile] = (
                    f"{c.comparison} {c.floor:g} {'met' if c.passed else 'missed'}"
                )
        for metric, told in floors.items():
            yield (
                bench,
                name,
                model,
                metric,
                figure(candidate.evaluation.metric(metric)),
                told.get("guide", "-"),
                told.get("relative", "-"),
                best_baseline(candidate.evaluation, metric),
                str(verdict.outcome),
            )


def main(arguments: list[str]) -> int:
    """Print the table, and write it as JSON when asked for."""
    console = Console(width=190, highlight=False)
    table = Table(title="Quality on time-ordered hold-outs")
    for heading in HEADINGS[1:]:
        table.add_column(heading, overflow="fold")
    rows: list[Row] = []
    for dataset in datasets():
        console.print(f"{dataset[0]}: {'not run' if dataset[1] is None else f'{len(dataset[1]):,} tickets'}")
        for row in rows_of(*dataset):
            rows.append(row)
            table.add_row(*row[1:])
        table.add_section()
    console.print(table)
    if "--json" in arguments:
        file = Path(arguments[arguments.index("--json") + 1])
        file.write_text(json.dumps([dict(zip(HEADINGS, row, strict=True)) for row in rows], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
