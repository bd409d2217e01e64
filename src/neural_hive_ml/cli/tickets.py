"""`hive-ml tickets`: import, count, export, quarantine."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from neural_hive_ml.bootstrap import describe, open_state, open_tickets
from neural_hive_ml.cli.ticket_generate import generate_command
from neural_hive_ml.cli.ticket_index import index_command
from neural_hive_ml.cli.ticket_sync import sync_command
from neural_hive_ml.clock import SystemClock, iso, parse_instant
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK
from neural_hive_ml.errors import UsageError
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.files import RawDocument, read_documents, size_of
from neural_hive_ml.tickets.importer import ImportSummary, import_documents, import_tickets, replay
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.tickets.quarantine import Quarantine
from neural_hive_ml.tickets.sample import SAMPLE_COUNT, sample_tickets

_SHOWN_CHARACTERS = 200
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


_MOMENT = "ISO 8601 (UTC unless it says otherwise) or epoch ms."
_SINCE = click.option(
    "--since", "since_ms", type=parse_instant, metavar="MOMENT", help=f"Created at or after: {_MOMENT}"
)
_UNTIL = click.option(
    "--until", "until_ms", type=parse_instant, metavar="MOMENT", help=f"Created before: {_MOMENT}"
)


@click.group("tickets")
def tickets_command() -> None:
    """Bring execution tickets in, count them, look at what was refused."""


@tickets_command.command("import")
@click.argument("files", nargs=-1)
@click.option("--sample", is_flag=True, help="Import the shipped sample: all flights out of New York in 2013.")
@_JSON
def import_command(files: tuple[str, ...], sample: bool, as_json: bool) -> int:
    """Import tickets from FILES: .jsonl, .jsonl.gz, .parquet, or - for standard input.

    What is no ticket goes to the quarantine with the reason; importing again changes nothing.

    \b
    Examples:
      hive-ml tickets import tickets.jsonl.gz
      kafkacat ... | hive-ml tickets import -
      hive-ml tickets import --sample
    """
    if not files and not sample:
        raise UsageError("nothing to import", remedy="name files, - for standard input, or --sample")
    for path in files:
        if path != "-" and not Path(path).is_file():
            raise UsageError(f"{path} is no file", remedy="check the path; nothing was imported")
    total = ImportSummary()
    with _opened() as (store, quarantine), _progress() as bar:
        for path in files:
            size = size_of(path)
            task = bar.add_task(path, total=size, note="")

            def advance(done: int, task: TaskID = task) -> None:
                bar.update(task, completed=done)

            def note(so_far: ImportSummary, task: TaskID = task) -> None:
                bar.update(task, note=f"{so_far.read:,} read, {so_far.quarantined:,} quarantined")

            documents: Iterator[RawDocument] = read_documents(path, advance)
            total += import_documents(documents, store, quarantine, SystemClock().now_ms(), note)
        if sample:
            task = bar.add_task("sample", total=SAMPLE_COUNT, note="")
            total += import_tickets(sample_tickets(), store, lambda s: bar.update(task, completed=s.read))
    _print_summary(total, as_json)
    return EXIT_FAILURE if total.read and total.quarantined == total.read else EXIT_OK


tickets_command.add_command(generate_command)
tickets_command.add_command(index_command)
tickets_command.add_command(sync_command)


@tickets_command.command("count")
@_SINCE
@_UNTIL
@_JSON
def count_command(since_ms: int | None, until_ms: int | None, as_json: bool) -> None:
    """Count tickets and show the span of time they cover.

    Example: hive-ml tickets count --since 2013-12-01
    """
    with _opened() as (store, quarantine):
        held = quarantine.count()
        extent = store.extent()
        tickets = extent.tickets
        if since_ms is not None or until_ms is not None:
            tickets = sum(len(block) for block in store.blocks(TicketWindow(since_ms, until_ms)))
    if as_json:
        click.echo(json.dumps({**asdict(extent), "tickets": tickets, "quarantined": held}))
        return
    click.echo(f"{tickets:,} tickets, {held:,} documents in quarantine")
    if extent.oldest_ms is not None and extent.newest_ms is not None and extent.newest_event_ms is not None:
        click.echo(f"store: created {iso(extent.oldest_ms)} to {iso(extent.newest_ms)}")
        click.echo(f"newest event {iso(extent.newest_event_ms)}")


@tickets_command.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@_SINCE
@_UNTIL
def export_command(file: str, since_ms: int | None, until_ms: int | None) -> None:
    """Write tickets as JSON lines to FILE (default standard output), ordered by creation.

    Example: hive-ml tickets export --since 2013-12-01 december.jsonl
    """
    written = 0
    with click.open_file(file, "wb") as out, _opened() as (store, _):
        for ticket in store.tickets(TicketWindow(since_ms, until_ms)):
            out.write(encode_ticket(ticket) + b"\n")
            written += 1
    click.echo(f"{written:,} tickets written to {file}", err=True)


@tickets_command.group("quarantine")
def quarantine_group() -> None:
    """Documents that are no tickets: see why, mend, replay."""


@quarantine_group.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@_JSON
def list_command(limit: int, as_json: bool) -> None:
    """List refused documents, oldest first, with the reason and where they came from.

    Example: hive-ml tickets quarantine list --json --limit 1000 | jq -r .[].reason | sort | uniq -c
    """
    with _opened() as (_, quarantine):
        held, documents = quarantine.count(), list(quarantine.held(limit))
    if as_json:
        click.echo(json.dumps([asdict(d) for d in documents], indent=2))
        return
    table = Table(title=f"{len(documents):,} of {held:,} documents in quarantine")
    for heading in ("since", "source", "reason", "document"):
        table.add_column(heading, overflow="fold")
    for d in documents:
        table.add_row(iso(d.at_ms), d.source, d.reason, d.text[:_SHOWN_CHARACTERS])
    Console(markup=False).print(table)


@quarantine_group.command("replay")
@_JSON
def replay_command(as_json: bool) -> None:
    """Try every refused document again; what is a ticket now is stored and leaves the quarantine.

    Example: hive-ml tickets quarantine replay
    """
    with _opened() as (store, quarantine):
        total = replay(quarantine, store)
    _print_summary(total, as_json)


@contextmanager
def _opened() -> Iterator[tuple[TicketStore, Quarantine]]:
    settings = load_settings()
    click.echo(describe(settings), err=True)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with closing(open_tickets(settings)) as store, closing(open_state(settings)) as state:
        yield store, Quarantine(state)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True))


def _print_summary(total: ImportSummary, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(total)))
        return
    click.echo(
        f"{total.read:,} read: {total.stored:,} stored, {total.updated:,} updated, "
        f"{total.unchanged:,} unchanged, {total.quarantined:,} quarantined"
    )
    if total.quarantined:
        click.echo("next: hive-ml tickets quarantine list")
