"""`hive-ml doctor`: what is wrong, and the command that mends it."""

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from neural_hive_ml.bootstrap import describe
from neural_hive_ml.diagnosis import examine
from neural_hive_ml.settings import load_settings

_MARKS = {
    "ok": "[green]ok[/]",
    "warning": "[yellow]warning[/]",
    "failed": "[red]failed[/]",
    "unknown": "[yellow]unknown[/]",
    "not_configured": "-",
}


@click.command("doctor")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["all", "training"]),
    default="all",
    show_default=True,
    help="What the services are needed for.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def doctor_command(purpose: str, as_json: bool) -> int:
    """Check each configured service and the data, and print what mends each fault.

    Exit codes: 0 nothing failed, 2 a setting is wrong, 3 not enough data, 4 a service unreachable, 1 anything else.

    Example: hive-ml doctor --for training
    """
    settings = load_settings()
    checks = list(examine(settings, purpose))
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        console = Console(highlight=False)
        console.print(describe(settings))
        table = Table()
        for heading in ("check", "status", "detail", "next step"):
            table.add_column(heading, overflow="fold")
        for check in checks:
            table.add_row(check.name, _MARKS[check.status], check.detail, check.remedy)
        console.print(table)
    codes = [check.exit_code for check in checks if check.status == "failed"]
    return max(codes, default=0)
