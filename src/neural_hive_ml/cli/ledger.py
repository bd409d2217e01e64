"""`hive-ml ledger`: list the decisions, verify that nobody rewrote them."""

import json
from dataclasses import asdict

import click
from rich.console import Console

from neural_hive_ml.bootstrap import open_ledger, open_state
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.ledger.event import MAIN_CHAIN
from neural_hive_ml.settings import load_settings


@click.group("ledger")
def ledger_command() -> None:
    """Append-only, hash-chained decisions. See also `hive-ml explain`."""


@ledger_command.command("verify")
@click.option("--chain", default=MAIN_CHAIN, show_default=True, help="Which chain.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def verify_command(chain: str, as_json: bool) -> int:
    """Walk the whole chain and compare its end with the head file. Exit code 1 when anything was changed or cut
    off.

    Example: hive-ml ledger verify
    """
    settings = load_settings()
    state = open_state(settings)
    try:
        found = open_ledger(settings, state).verify(chain)
    finally:
        state.close()
    if as_json:
        click.echo(json.dumps({**asdict(found), "intact": found.intact}, indent=2))
    else:
        console = Console(highlight=False)
        anchor = "no head file" if found.anchored is None else f"head file knows event {found.anchored}"
        console.print(f"{found.events} events, {anchor}: {'intact' if found.intact else 'NOT intact'}")
        for fault in found.faults:
            console.print(f"  {fault}")
    return EXIT_OK if found.intact else EXIT_FAILURE


@ledger_command.command("list")
@click.option("--subject", help="Only about this model or subject.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_command(subject: str | None, limit: int, as_json: bool) -> None:
    """List the newest events, oldest first.

    Example: hive-ml ledger list --subject scheduling-predictor-xgboost
    """
    state = open_state(load_settings())
    try:
        events = Ledger(state).about(subject, limit=limit)
    finally:
        state.close()
    if as_json:
        click.echo(json.dumps([e.to_document() for e in events], indent=2))
        return
    for e in events:
        click.echo(f"{e.sequence:6d}  {e.kind:12s} {e.subject:36s} {e.actor:20s} {e.hash[:12]}")
