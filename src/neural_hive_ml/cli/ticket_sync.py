"""`hive-ml tickets sync`: bring ClickHouse up to the store of record."""

import json
from contextlib import closing
from dataclasses import asdict

import click
from rich.console import Console

from neural_hive_ml.bootstrap import describe, open_clickhouse, open_state, open_tickets
from neural_hive_ml.clock import HOUR_MS, SystemClock, iso
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.sync import SyncSummary, sync


@click.command("sync")
@click.option("--full", is_flag=True, help="Copy everything again.")
@click.option("--reconcile", is_flag=True, help="Also compare every day's figures and mend the days that differ.")
@click.option(
    "--overlap-hours",
    type=click.FloatRange(min=0),
    default=48.0,
    show_default=True,
    help="Read again what changed this long before the last sync: late writers, clocks that differ.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def sync_command(full: bool, reconcile: bool, overlap_hours: float, as_json: bool) -> None:
    """Bring ClickHouse up to the store of record: a copy at first, changes from then on.

    Safe to run at any time and again; a copy that was cut off goes on. Run it every hour, and with --reconcile every
    night. Exit codes: 0 done, 1 another sync runs, 4 a store does not answer.

    \b
    Examples:
      hive-ml tickets sync
      hive-ml tickets sync --reconcile
    """
    from neural_hive_ml.retraining.lease import sole_run

    settings, clock = load_settings(), SystemClock()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True, highlight=False)
    console.print(describe(settings))
    with (
        closing(open_tickets(settings)) as source,
        closing(open_clickhouse(settings)) as target,
        closing(open_state(settings)) as state,
        sole_run(state, clock, name="tickets-sync"),
        console.status("reading") as status,
    ):

        def show(so_far: SyncSummary) -> None:
            status.update(f"{so_far.kind}: {so_far.read:,} read, {so_far.stored + so_far.updated:,} written")

        total = sync(
            source,
            target,
            clock,
            full=full,
            reconcile=reconcile,
            overlap_ms=round(overlap_hours * HOUR_MS),
            progress=show,
        )
        console.print(f"{source.describe()} -> {target.describe()}")
    if as_json:
        click.echo(json.dumps(asdict(total)))
        return
    click.echo(
        f"{total.kind}: {total.read:,} read, {total.stored:,} stored, {total.updated:,} updated, "
        f"{total.unchanged:,} unchanged, {total.removed:,} removed"
        + (f", {total.days:,} days differed" if reconcile else "")
    )
    click.echo(f"ClickHouse has what changed before {iso(total.watermark_ms)}")
