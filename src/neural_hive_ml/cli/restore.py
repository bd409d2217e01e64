"""`hive-ml restore`: a backup into an empty data folder, verified."""

import json
from contextlib import closing
from pathlib import Path
from time import perf_counter

import click

from neural_hive_ml.bootstrap import describe, open_ledger, open_state, open_tickets
from neural_hive_ml.clock import iso
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK
from neural_hive_ml.settings import Settings, load_settings
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.upkeep.archive import opened
from neural_hive_ml.upkeep.backup import restored_records
from neural_hive_ml.upkeep.restore import restore


@click.command("restore")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def restore_command(source: Path, as_json: bool) -> int:
    """Restore a backup into HIVE_DATA_DIR, and into MongoDB where MONGODB_URI is set.

    Every file is compared with the backup's manifest first. The folder must not hold a store yet: nothing is overwritten. A
    backup of an earlier release is brought to this release's schema. At the end the ledger is verified; exit code 1 when it
    does not.

    Example: HIVE_DATA_DIR=/new/place hive-ml restore /backups/hive-2026-06-01.tar.gz && hive-ml doctor
    """
    settings = load_settings()
    click.echo(describe(settings), err=True)
    began = perf_counter()
    with opened(source) as folder:
        done = restore(folder, settings.data_dir)
    if settings.text("MONGODB_URI"):
        _into_stores(settings)
    with closing(open_state(settings)) as state:
        verified = open_ledger(settings, state).verify()
    manifest, seconds = done.manifest, perf_counter() - began
    forward = {one.store: [one.held, one.known] for one in done.schemas if one.pending}
    if as_json:
        told = {"made_at": iso(manifest.made_at_ms), "release": manifest.release, "counts": dict(manifest.counts)}
        click.echo(
            json.dumps(
                {
                    **told,
                    "migrated": forward,
                    "ledger_intact": verified.intact,
                    "faults": verified.faults,
                    "seconds": seconds,
                }
            )
        )
    else:
        click.echo(
            f"restored what release {manifest.release} backed up at {iso(manifest.made_at_ms)} ({seconds:.1f} s)"
        )
        click.echo(", ".join(f"{count:,} {name}" for name, count in manifest.counts.items()))
        for store, (held, known) in forward.items():
            click.echo(f"{store}: schema {held} brought to {known}")
        click.echo(
            f"ledger: {verified.events:,} events, {'intact' if verified.intact else '; '.join(verified.faults)}"
        )
        click.echo("next: hive-ml doctor")
    return EXIT_OK if verified.intact else EXIT_FAILURE


def _into_stores(settings: Settings) -> None:
    """Carry what was restored as files into the stores that are configured."""
    with (
        closing(EmbeddedStateStore(settings.data_dir / "state.db")) as held,
        closing(open_state(settings)) as state,
    ):
        click.echo(f"{restored_records(held, state):,} records into {state.describe()}", err=True)
    with (
        closing(EmbeddedTicketStore(settings.data_dir / "tickets")) as files,
        closing(open_tickets(settings)) as tickets,
    ):
        done = tickets.upsert(files.tickets(TicketWindow()))
        click.echo(f"{done.stored:,} tickets into {tickets.describe()}", err=True)
