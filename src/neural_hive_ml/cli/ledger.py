"""`hive-ml ledger`: list the decisions, verify that nobody rewrote them."""

import getpass
import json
from dataclasses import asdict
from typing import Final

import click
import structlog
from rich.console import Console

from neural_hive_ml.bootstrap import open_ledger, open_state
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_NOT_ENOUGH_DATA, EXIT_OK, MAIN_CHAIN
from neural_hive_ml.errors import UsageError
from neural_hive_ml.ledger.anchor import Head
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.ledger.checks import keep
from neural_hive_ml.ledger.event import personal
from neural_hive_ml.settings import load_settings

_SAID: Final = {
    "intact": "intact",
    "unanchored": "unanchored (it fits together; whether it is the whole one cannot be told)",
    "broken": "NOT intact",
}


@click.group("ledger")
def ledger_command() -> None:
    """Append-only, hash-chained decisions. See also `hive-ml explain`."""


@ledger_command.command("verify")
@click.option("--chain", default=MAIN_CHAIN, show_default=True, help="Which chain.")
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="SEQUENCE:HASH",
    help="A head that is known from elsewhere, as services log it (ledger.head). May be given several times.",
)
@click.option(
    "--record",
    is_flag=True,
    help="Keep what was found, for metrics and alerts; where nothing is wrong, move the head file on to the last event.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def verify_command(chain: str, heads: tuple[str, ...], record: bool, as_json: bool) -> int:
    """Walk the whole chain and compare it with the head file of LEDGER_ANCHOR_DIR, and with each --head.

    Exit code 1 when anything was changed or cut off; 3 when the chain fits together and there is nothing to compare it
    with, so that nobody can say whether it is the whole one.

    \b
    Examples:
      hive-ml ledger verify
      hive-ml ledger verify --record     # what the hourly job ledger-verify of `hive-ml upkeep` does
    """
    settings = load_settings()
    known = [_head(chain, text) for text in heads]
    state = open_state(settings)
    try:
        ledger = open_ledger(settings, state)
        found = ledger.verify(chain, known)
        if record:
            keep(ledger, found, at_ms=SystemClock().now_ms())
    finally:
        state.close()
    if not found.intact:
        structlog.get_logger("ledger").error("ledger.broken", chain=chain, fault=found.faults[0])
    if as_json:
        click.echo(json.dumps({**asdict(found), "intact": found.intact, "standing": found.standing}, indent=2))
    else:
        console = Console(highlight=False)
        anchor = "no head file" if found.anchored is None else f"the anchor knows event {found.anchored}"
        console.print(f"{found.events} events, {anchor}: {_SAID[found.standing]}")
        for fault in found.faults:
            console.print(f"  {fault}")
        if found.standing == "unanchored":
            console.print(
                f"  no head file in {settings.text('LEDGER_ANCHOR_DIR')}: set LEDGER_ANCHOR_DIR to where it is kept, "
                "or name a head from a service's log with --head"
            )
    return {"intact": EXIT_OK, "unanchored": EXIT_NOT_ENOUGH_DATA, "broken": EXIT_FAILURE}[found.standing]


@ledger_command.command("accept")
@click.option("--reason", required=True, help="Why the chain as it is shall be the true one.")
@click.option("--chain", default=MAIN_CHAIN, show_default=True, help="Which chain.")
@click.option("--actor", help="Who decides; default: the user.")
def accept_command(reason: str, chain: str, actor: str | None) -> None:
    """Anchor the chain as it is, after a restore that lacks what came after the backup.

    What the head file knew until then becomes a decision in the ledger, with the reason.

    Example: hive-ml ledger accept --reason "restored the backup of 1 June"
    """
    settings = load_settings()
    state = open_state(settings)
    try:
        ledger = open_ledger(settings, state)
        event = ledger.accept(
            at_ms=SystemClock().now_ms(), actor=personal(actor or getpass.getuser()), reason=reason, chain=chain
        )
    finally:
        state.close()
    click.echo(f"anchored at event {event.sequence}; the event before it was {event.payload['accepted']}")


def _head(chain: str, text: str) -> Head:
    sequence, colon, digest = text.partition(":")
    if not colon or not sequence.isdecimal() or len(digest) != 64:
        raise UsageError(f"--head {text!r} is no head", remedy="give SEQUENCE:HASH as the log has it")
    return Head(chain, int(sequence), digest)


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
