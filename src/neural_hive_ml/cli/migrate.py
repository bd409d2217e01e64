"""`hive-ml migrate`: the stores brought to this release's schema, at a moment of one's choice."""

import json
from dataclasses import asdict

import click

from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.settings import load_settings
from neural_hive_ml.upkeep.schema import examine, migrate


@click.command("migrate")
@click.option("--check", is_flag=True, help="Only look: exit code 1 when a store is not at this release's schema.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def migrate_command(check: bool, as_json: bool) -> int:
    """Bring the embedded stores forward, each step in a transaction of its own.

    Opening a store does the same; `--check` tells before an upgrade whether it will. There is no way back but a backup, so
    take one first. ClickHouse's tables are brought forward by `hive-ml tickets sync`; MongoDB has no schema to bring
    forward.

    Example: hive-ml migrate --check || (hive-ml backup before.tar.gz && hive-ml migrate)
    """
    folder = load_settings().data_dir
    found = examine(folder)
    newer = [one for one in found if one.too_new]
    if newer:
        told = ", ".join(f"{one.store} has schema {one.held}, this release knows {one.known}" for one in newer)
        raise StoreUnavailable(told, remedy="use the newer release, or restore a backup")
    if not check:
        migrate(folder)
    if as_json:
        click.echo(json.dumps([{**asdict(one), "pending": one.pending} for one in found]))
    else:
        for one in found:
            if one.held is None:
                text = "not there yet"
            elif one.pending:
                text = f"schema {one.held} {'is behind' if check else 'brought to'} {one.known}"
            else:
                text = f"schema {one.held}, up to date"
            click.echo(f"{one.store}: {text}")
    return EXIT_FAILURE if check and any(one.pending for one in found) else EXIT_OK
