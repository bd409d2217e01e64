"""`hive-ml config`: each setting, its value with secrets masked, and where it came from."""

import json

import click
from rich.console import Console
from rich.table import Table

from neural_hive_ml.settings import load_settings


@click.command("config")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def config_command(as_json: bool) -> None:
    """Show each setting and where its value came from.

    Example: HIVE_PROFILE=platform hive-ml config
    """
    settings = load_settings()
    values = settings.values.values()
    if as_json:
        rows = {v.setting.name: {"value": v.shown, "origin": v.origin} for v in values}
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(title=f"Settings, profile {settings.profile}")
    for heading in ("variable", "value", "origin", "meaning"):
        table.add_column(heading, overflow="fold")
    for v in values:
        table.add_row(v.setting.name, v.shown, v.origin, v.setting.meaning)
    Console().print(table)
