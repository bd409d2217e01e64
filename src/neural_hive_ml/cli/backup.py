"""`hive-ml backup`: everything that cannot be made again, into a folder or a tar."""

import json
from contextlib import ExitStack, closing
from pathlib import Path
from time import perf_counter

import click

from neural_hive_ml.bootstrap import describe, open_state, open_tickets
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.errors import UsageError
from neural_hive_ml.settings import load_settings
from neural_hive_ml.upkeep.backup import back_up, keep_newest, nightly_name


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def backup_command(target: Path | None, as_json: bool) -> None:
    """Back up state, ledger, tickets, published models and the embedded registry to TARGET: a new folder, or .tar, .tar.gz.

    Without TARGET to a new file in BACKUP_DIR, of which the newest BACKUP_KEEP stay.

    Services may go on writing: each store is copied as of one moment. State and tickets in MongoDB are copied too; an MLflow
    server's own database and files are not, back those up where they are.

    Example: hive-ml backup /backups/hive-$(date +%F).tar.gz
    """
    settings = load_settings()
    click.echo(describe(settings), err=True)
    began, made_at_ms = perf_counter(), SystemClock().now_ms()
    nightly = None
    if target is None:
        if not settings.text("BACKUP_DIR"):
            raise UsageError("no TARGET, and BACKUP_DIR is not set", remedy="name one of them")
        nightly = Path(settings.text("BACKUP_DIR"))
        target = nightly / nightly_name(made_at_ms)
    with ExitStack() as stack:
        state = tickets = None
        if settings.text("MONGODB_URI"):
            state = stack.enter_context(closing(open_state(settings)))
            tickets = stack.enter_context(closing(open_tickets(settings)))
        manifest = back_up(
            settings.data_dir,
            target,
            made_at_ms=made_at_ms,
            heads=Path(settings.text("LEDGER_ANCHOR_DIR")),
            state=state,
            tickets=tickets,
            say=lambda part: click.echo(f"{part}...", err=True),
        )
    gone = [] if nightly is None else keep_newest(nightly, settings.integer("BACKUP_KEEP"))
    seconds = perf_counter() - began
    if as_json:
        told = {"target": str(target), "files": len(manifest.files), "bytes": manifest.bytes, "seconds": seconds}
        click.echo(json.dumps({**told, "counts": dict(manifest.counts), "schemas": dict(manifest.schemas)}))
        return
    size = manifest.bytes / 2**20
    click.echo(f"{target}: {len(manifest.files):,} files, {size:,.1f} MiB in {seconds:.1f} s")
    if gone:
        click.echo(f"older backups gone: {', '.join(path.name for path in gone)}")
    click.echo(", ".join(f"{count:,} {name}" for name, count in manifest.counts.items()))
