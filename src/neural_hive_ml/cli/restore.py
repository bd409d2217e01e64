"""`hive-ml restore`: a backup into an empty data folder, or an empty MongoDB beside it, verified."""

import json
from contextlib import ExitStack, closing
from pathlib import Path
from time import perf_counter

import click

from neural_hive_ml.bootstrap import describe, open_ledger, open_state, open_tickets
from neural_hive_ml.clock import iso
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.settings import Settings, load_settings
from neural_hive_ml.upkeep.archive import opened
from neural_hive_ml.upkeep.restore import Elsewhere, restore


@click.command("restore")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def restore_command(source: Path, as_json: bool) -> int:
    """Restore a backup into HIVE_DATA_DIR, and into MongoDB where MONGODB_URI is set.

    Every file is compared with the manifest first. Nothing is overwritten: the folder must not hold a store yet, and
    the database of MONGODB_DATABASE must be empty, no ticket and no record in it; else exit code 2. A backup of an earlier
    release is brought to this release's schema. At the end the ledger is verified; exit code 1 when it does not.

    Example: HIVE_DATA_DIR=/new/place hive-ml restore /backups/hive-2026-06-01.tar.gz && hive-ml doctor
    """
    settings = load_settings()
    click.echo(describe(settings), err=True)
    began = perf_counter()
    with opened(source) as folder, ExitStack() as stack:
        elsewhere = None
        if settings.text("MONGODB_URI"):
            elsewhere = Elsewhere(
                stack.enter_context(closing(open_state(settings))),
                stack.enter_context(closing(open_tickets(settings))),
            )
        done = restore(folder, settings.data_dir, elsewhere=elsewhere, say=lambda part: click.echo(part, err=True))
    _anchor(settings)
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
        click.echo(f"ledger: {verified.events:,} events, {'; '.join(verified.faults) or verified.standing}")
        click.echo("next: hive-ml doctor")
    return EXIT_OK if verified.intact else EXIT_FAILURE


def _anchor(settings: Settings) -> None:
    """Take the heads of the backup where LEDGER_ANCHOR_DIR, elsewhere, knows none or older ones."""
    restored, anchors = settings.data_dir / "ledger", Path(settings.text("LEDGER_ANCHOR_DIR"))
    if anchors.resolve() == restored.resolve():
        return
    for path in sorted(restored.glob("ledger-*.head.json")):
        chain = path.name.removeprefix("ledger-").removesuffix(".head.json")
        head = HeadFile(restored).read(chain)
        if head is not None:
            HeadFile(anchors).write(head)
