"""`hive-ml predictions`: predictions of the past put on record, so that live metrics begin with history."""

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from neural_hive_ml.bootstrap import describe, open_history, open_state
from neural_hive_ml.bootstrap_bulk import named_judges, serving_judges
from neural_hive_ml.bulk.backfill import Span, backfill, history_from, span_of
from neural_hive_ml.clock import SystemClock, iso, kept_since, parse_instant
from neural_hive_ml.conventions import PREDICTIONS
from neural_hive_ml.errors import NotEnoughData, UsageError
from neural_hive_ml.settings import load_settings
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.columns import TicketColumns, concat
from neural_hive_ml.tickets.port import TicketStore, TicketWindow

_AT_ONCE = 1_000


@click.group("predictions")
def predictions_command() -> None:
    """Predictions on record."""


@predictions_command.command("backfill")
@click.option(
    "--since", "since_ms", type=parse_instant, metavar="MOMENT", help="Default: where the model's training ends."
)
@click.option("--until", "until_ms", type=parse_instant, metavar="MOMENT", help="Default: now.")
@click.option("--model", "models", multiple=True, metavar="NAME[/version]", help="Default: what serves now.")
@click.option("--in-sample", is_flag=True, help="Also moments that the model was trained on; they are marked.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, progress on stderr.")
def backfill_command(
    since_ms: int | None,
    until_ms: int | None,
    models: tuple[str, ...],
    in_sample: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put on record what the models would have said of past tickets, each at its moment.

    Records carry `backfill: true` and are never put before a person. Running it again changes nothing. A model is asked
    only about what came after its training: figures of the past that it learned from would flatter it.

    \b
    Examples:
      hive-ml train --as-of 2026-06-01 --promote-if-better && hive-ml predictions backfill --since 2026-06-01
      hive-ml predictions backfill --dry-run
    """
    settings = load_settings()
    click.echo(describe(settings), err=True)
    now_ms = SystemClock().now_ms()
    until = now_ms if until_ms is None else until_ms
    kept_from = kept_since(now_ms, settings.number("PREDICTION_LOG_DAYS"))
    judges = named_judges(settings, models) if models else serving_judges(settings)
    spans = [span_of(judge, since_ms, until, in_sample=in_sample) for judge in judges]
    for span in spans:
        if span.empty:
            click.echo(
                f"{span.judge.name}/{span.judge.version}: trained as of {iso(span.trained_ms)}, nothing came after "
                "(next: train it as of an earlier moment, or say --in-sample)",
                err=True,
            )
    spans = [span for span in spans if not span.empty]
    if spans and kept_from is not None and max(span.until_ms for span in spans) <= kept_from:
        raise UsageError(
            f"predictions of before {iso(kept_from)} are not kept (PREDICTION_LOG_DAYS)",
            remedy="name a later window, or keep predictions longer",
        )
    counts: dict[str, dict[str, int]] = {}
    with closing(open_state(settings)) as state, closing(open_history(settings, state, SystemClock())) as tickets:
        columns = _tickets(tickets, spans, until) if spans else None
        for span in spans:
            assert columns is not None
            name = f"{span.judge.name}/{span.judge.version}"
            made = written = 0
            records = (r for r in backfill(span, columns) if kept_from is None or r.at_ms >= kept_from)
            with Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True)
            ) as bar:
                task = bar.add_task(name, total=None)
                for some in _batches(records):
                    written += 0 if dry_run else state.insert(PREDICTIONS, some)
                    made += len(some)
                    bar.update(task, completed=made)
            counts[name] = {"predictions": made, "written": written}
    if as_json:
        click.echo(json.dumps({"until": iso(until), "dry_run": dry_run, "models": counts}))
        return
    for name, count in counts.items():
        there = count["predictions"] - count["written"]
        told = "would be written" if dry_run else f"{count['written']:,} written, {there:,} were on record"
        click.echo(f"{name}: {count['predictions']:,} predictions of the past, {told}")


def _tickets(tickets: TicketStore, spans: list[Span], until_ms: int) -> TicketColumns:
    window = TicketWindow(history_from(spans), until_ms)
    columns = as_of(concat(list(tickets.blocks(window))), until_ms)
    if not len(columns):
        raise NotEnoughData(f"{tickets.describe()} holds no ticket of that time", have=0, need=1)
    return columns


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    while some := list(islice(records, _AT_ONCE)):
        yield some
