"""`hive-ml data`: prune what is older than its days, purge a person's data, show what the disk holds."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict

import click

from neural_hive_ml.bootstrap import describe, open_clickhouse, open_registry, open_state, open_tickets
from neural_hive_ml.cli.moments import resolve_as_of
from neural_hive_ml.cli.purge import purge_command
from neural_hive_ml.cli.streams import trimmed
from neural_hive_ml.clock import DAY_MS, iso
from neural_hive_ml.conventions import TICKETS
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.registry.cache import LastKnownGood
from neural_hive_ml.registry.retention import Retention
from neural_hive_ml.registry.retention import prune as prune_model
from neural_hive_ml.settings import Settings, load_settings
from neural_hive_ml.upkeep.collections import SETTING_OF
from neural_hive_ml.upkeep.disk import disk_use
from neural_hive_ml.upkeep.retention import Cut, plan, prune
from neural_hive_ml.upkeep.streams import Trimmed

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
_DRY = click.option("--dry-run", is_flag=True, help="Only say what would go.")


@click.group("data")
def data_command() -> None:
    """Retention and erasure. How long each kind of record is kept are settings: hive-ml config."""


data_command.add_command(purge_command)


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
    once a day; it works while services write. ClickHouse not answering is a warning: it holds a copy with a TTL of its own.

    Example: hive-ml data prune --dry-run
    """
    settings = load_settings()
    click.echo(describe(settings), err=True)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with closing(open_tickets(settings)) as tickets, closing(open_state(settings)) as state:
        now_ms, _ = resolve_as_of(as_of, tickets, settings)
        cuts = plan({collection: settings.number(name) for collection, name in SETTING_OF.items()}, now_ms)
        done = prune(cuts, tickets, state, dry_run=dry_run)
        rules = Retention(settings.integer("MODEL_RETENTION_LAST"), settings.number("MODEL_RETENTION_DAYS"))
        registry = open_registry(settings)
        models = [
            f"{keeping.version.name}/{keeping.version.version}"
            for name in registry.names()
            for keeping in prune_model(registry, state, name, rules, now_ms=now_ms, dry_run=dry_run)
            if not keeping.kept
        ]
        # A day at least: what is being registered now has no version yet.
        unfinished = registry.sweep(now_ms - round(max(rules.days, 1.0) * DAY_MS), dry_run=dry_run)
        if not dry_run:
            LastKnownGood(settings.data_dir / "last-known-good").prune()
    streams = Trimmed(None, None) if dry_run else trimmed(settings, now_ms)
    copy_error = "" if dry_run else _prune_copy(settings, cuts)
    if copy_error:
        click.echo(f"warning: ClickHouse was not pruned, its own TTL goes on: {copy_error}", err=True)
    if as_json:
        told = [{**asdict(one.cut), "records": one.records} for one in done]
        document = {
            "dry_run": dry_run,
            "collections": told,
            "models": models,
            "runs": len(unfinished),
            **asdict(streams),
        }
        click.echo(json.dumps(document))
        return
    verb = "would go" if dry_run else "gone"
    for one in done:
        cut = one.cut
        kept = "kept for ever" if cut.before_ms is None else f"before {iso(cut.before_ms)}: {one.records:,} {verb}"
        click.echo(f"{cut.collection}: {kept}")
    click.echo(f"model versions: {len(models)} {verb}, runs without a version: {len(unfinished)}")
    for what, count in asdict(streams).items():
        if count is not None:
            click.echo(f"{what} of streams: {count:,} gone".replace("_", " "))


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


def _prune_copy(settings: Settings, cuts: Sequence[Cut]) -> str:
    """Delete old tickets from ClickHouse; return why that could not be done, or nothing. Its own TTL does it too, later."""
    before_ms = next(cut.before_ms for cut in cuts if cut.collection == TICKETS)
    if before_ms is None or not settings.text("CLICKHOUSE_HOST"):
        return ""
    try:
        with closing(open_clickhouse(settings)) as copy:
            copy.prune(before_ms)
    except StoreUnavailable as error:
        return str(error)
    return ""
