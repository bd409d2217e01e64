"""`hive-ml data`: prune what is older than its days, purge a person's data, show what the disk holds."""

import asyncio
import getpass
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TypeVar

import click

from neural_hive_ml.bootstrap import (
    describe,
    open_clickhouse,
    open_ledger,
    open_registry,
    open_state,
    open_tickets,
)
from neural_hive_ml.bootstrap_streams import consumed_streams, open_broker
from neural_hive_ml.cli.moments import resolve_as_of
from neural_hive_ml.clock import SystemClock, iso
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK
from neural_hive_ml.registry.cache import LastKnownGood
from neural_hive_ml.registry.retention import Retention
from neural_hive_ml.registry.retention import prune as prune_model
from neural_hive_ml.settings import Settings, load_settings
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.streams.port import Broker
from neural_hive_ml.tickets.history import History
from neural_hive_ml.tickets.port import TicketStore
from neural_hive_ml.upkeep.collections import SETTING_OF
from neural_hive_ml.upkeep.disk import disk_use
from neural_hive_ml.upkeep.erasure import erase, find_person
from neural_hive_ml.upkeep.person import Person
from neural_hive_ml.upkeep.retention import plan, prune
from neural_hive_ml.upkeep.streams import Trimmed, erase_messages, erase_threats, trim_streams
from neural_hive_ml.upkeep.traces import traces_of

T = TypeVar("T")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
_DRY = click.option("--dry-run", is_flag=True, help="Only say what would go.")


@click.group("data")
def data_command() -> None:
    """Retention and erasure. How long each kind of record is kept are settings: hive-ml config."""


@data_command.command("prune")
@_DRY
@click.option(
    "--as-of",
    default="now",
    show_default=True,
    metavar="MOMENT",
    help="now, newest (ticket), ISO 8601 or epoch ms.",
)
@_JSON
def prune_command(dry_run: bool, as_of: str, as_json: bool) -> None:
    """Delete tickets, records, messages and model versions that are older than their days.

    Champions, previous, challengers, pinned versions and the newest of each model stay, the ledger stays whole. Run it
    once a day; it works while services write.

    Example: hive-ml data prune --dry-run
    """
    settings = load_settings()
    click.echo(describe(settings), err=True)
    with _opened(settings) as (tickets, state):
        now_ms, _ = resolve_as_of(as_of, tickets, settings)
        days = {collection: settings.number(name) for collection, name in SETTING_OF.items()}
        done = prune(plan(days, now_ms), tickets, state, dry_run=dry_run)
        rules = Retention(settings.integer("MODEL_RETENTION_LAST"), settings.number("MODEL_RETENTION_DAYS"))
        registry = open_registry(settings)
        models = [
            f"{keeping.version.name}/{keeping.version.version}"
            for name in registry.names()
            for keeping in prune_model(registry, state, name, rules, now_ms=now_ms, dry_run=dry_run)
            if not keeping.kept
        ]
        if not dry_run:
            LastKnownGood(settings.data_dir / "last-known-good").prune()
    streams = Trimmed(None, None) if dry_run else _trimmed(settings, now_ms)
    if as_json:
        told = [{**asdict(one.cut), "records": one.records} for one in done]
        document = {"dry_run": dry_run, "collections": told, "models": models, **asdict(streams)}
        click.echo(json.dumps(document))
        return
    verb = "would go" if dry_run else "gone"
    for one in done:
        cut = one.cut
        kept = "kept for ever" if cut.before_ms is None else f"before {iso(cut.before_ms)}: {one.records:,} {verb}"
        click.echo(f"{cut.collection}: {kept}")
    click.echo(f"model versions: {len(models)} {verb}")
    for what, count in asdict(streams).items():
        if count is not None:
            click.echo(f"{what} of streams: {count:,} gone".replace("_", " "))


@data_command.command("purge")
@click.option("--owner", required=True, help="Whose data: the owner of the tickets.")
@_DRY
@click.option("--yes", is_flag=True, help="Do not ask.")
@_JSON
def purge_command(owner: str, dry_run: bool, yes: bool, as_json: bool) -> int:
    """Remove a person's data everywhere and print what went.

    Tickets and what names them or their owner: predictions, outcomes, verdicts with their notes, refused documents,
    messages and dead letters of every stream that is read, threats told through Redis. Verdicts that the person gave on
    others' tickets stay as labels without name and note. The ledger keeps digests only, statistics and caches hold digests
    only. At the end every file of the data folder is searched; exit code 1 when a name is still found, or where a broker
    cannot delete.

    Example: hive-ml data purge --owner ana@example.org --dry-run
    """
    settings = load_settings()
    click.echo(describe(settings), err=True)
    if not (dry_run or yes):
        click.confirm(f"Remove the data of {owner!r} for good?", abort=True, err=True)
    with _opened(settings) as (tickets, state):
        person = find_person(tickets, owner)
        # First what would bring the rest back.
        streams = {} if dry_run else _erased_from_streams(settings, person)
        ledger = open_ledger(settings, state)
        now_ms = SystemClock().now_ms()
        done = erase(person, tickets, state, ledger, at_ms=now_ms, actor=getpass.getuser(), dry_run=dry_run)
    left = [] if dry_run else [trace.path for trace in traces_of(person, settings.data_dir)]
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, **asdict(done), "streams": streams, "left": left}))
    else:
        verb = "would go" if dry_run else "gone"
        click.echo(f"tickets: {done.tickets:,} {verb}")
        for collection, count in done.records.items():
            click.echo(f"{collection}: {count:,} {verb}")
        click.echo(f"human_verdicts: {done.verdicts:,} {verb}, {done.verdicts_unnamed:,} without name and note")
        for stream, messages in streams.items():
            click.echo(f"{stream}: " + (f"{messages:,} gone" if messages is not None else _KAFKA))
        if not dry_run:
            click.echo(
                "searched every file: " + (f"still named in {', '.join(left)}" if left else "nothing is left")
            )
    return EXIT_FAILURE if left or None in streams.values() else EXIT_OK


_KAFKA = "the broker cannot delete single messages (next: shorten the topic's retention.ms until they are gone)"


@data_command.command("disk")
@_JSON
def disk_command(as_json: bool) -> None:
    """Show what each part of the data folder holds.

    Example: hive-ml data disk
    """
    use = disk_use(load_settings().data_dir)
    if as_json:
        click.echo(json.dumps({**use.bytes_of, "total": use.total}))
        return
    for part, size in (*use.bytes_of.items(), ("total", use.total)):
        click.echo(f"{part}: {size / 2**20:,.1f} MiB")


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[TicketStore, StateStore]]:
    """Open the stores of record, and ClickHouse beside them where there is one: it holds a copy."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    tickets: TicketStore = open_tickets(settings)
    if settings.text("CLICKHOUSE_HOST"):
        tickets = History(
            tickets,
            open_clickhouse(settings),
            SystemClock().now_ms(),
            lambda e: click.echo(f"warning: {e}", err=True),
        )
    with closing(tickets), closing(open_state(settings)) as state:
        yield tickets, state


def _trimmed(settings: Settings, now_ms: int) -> Trimmed:
    topics = [stream.topic for stream in consumed_streams(settings)]
    days = {name: settings.number(f"{name}_RETENTION_DAYS") for name in ("STREAM", "DEAD_LETTER")}
    done, dead = (cut.before_ms for cut in plan(days, now_ms))
    found = _with_broker(
        settings, lambda broker: trim_streams(broker, topics, done_before_ms=done, dead_before_ms=dead)
    )
    return found or Trimmed(None, None)


def _erased_from_streams(settings: Settings, person: Person) -> dict[str, int | None]:
    topics = [stream.topic for stream in consumed_streams(settings)]
    gone = _with_broker(settings, lambda broker: erase_messages(broker, topics, person)) or {}
    url = settings.text("REDIS_URL")
    if url:
        gone |= {"threats in Redis": erase_threats(url, settings.number("STORE_TIMEOUT_SECONDS"), person)}
    return gone


def _with_broker(settings: Settings, work: Callable[[Broker], Awaitable[T]]) -> T | None:
    broker = open_broker(settings)
    if broker is None:
        return None

    async def whole() -> T:
        try:
            return await work(broker)
        finally:
            await broker.close()

    return asyncio.run(whole())
