"""`hive-ml explain`: why anything happened, from the ledger."""

import json

import click
from rich.console import Console

from neural_hive_ml.bootstrap import open_state
from neural_hive_ml.clock import iso, parse_instant
from neural_hive_ml.conventions import PREDICTIONS
from neural_hive_ml.errors import NotFound, UsageError
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.ledger.event import personal
from neural_hive_ml.ledger.explain import explain
from neural_hive_ml.settings import load_settings
from neural_hive_ml.state.port import Record


@click.command("explain")
@click.argument("model", required=False)
@click.option("--at", metavar="MOMENT", help="As it was then: ISO 8601 time or epoch ms.")
@click.option("--prediction", metavar="ID", help="Why the model that gave this prediction was serving.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=30, show_default=True, help="Newest decisions shown."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def explain_command(model: str | None, at: str | None, prediction: str | None, limit: int, as_json: bool) -> None:
    """Print the chain of decisions in plain words: data, run, gate, alias, drift, policy, verdicts.

    \b
    Examples:
      hive-ml explain
      hive-ml explain scheduling-predictor-xgboost --at 2026-11-23T08:00Z
      hive-ml explain --prediction 0190f5...
    """
    settings = load_settings()
    try:
        until_ms = None if at is None else parse_instant(at) + 1
    except ValueError:
        raise UsageError(f"--at {at!r} is not a moment", remedy="give an ISO 8601 time or epoch ms") from None
    state = open_state(settings)
    try:
        intro = ""
        if prediction is not None:
            record = state.get(PREDICTIONS, prediction)
            if record is None:
                raise NotFound(
                    f"no prediction {prediction} on record", remedy="predictions are kept for a time only"
                )
            d = record.document
            model, until_ms = str(d["model_name"]), record.at_ms + 1
            intro = _told(prediction, record)
        events = Ledger(state).about(model, until_ms=until_ms, limit=limit)
        if prediction is not None and d.get("ticket_id"):
            # What people said of the ticket came after the prediction.
            events += Ledger(state).about(personal(str(d["ticket_id"])), since_ms=until_ms, limit=limit)
    finally:
        state.close()
    lines = explain(events)
    if as_json:
        click.echo(json.dumps({"intro": intro, "events": [e.to_document() for e in events],
                               "lines": [line.text for line in lines]}, indent=2))  # fmt: skip
        return
    console = Console(highlight=False, soft_wrap=True)
    if intro:
        console.print(intro, markup=False)
    for line in lines:
        console.print(line.text, markup=False)
    if not lines:
        console.print("the ledger holds no decision about this yet")


def _told(prediction: str, record: Record) -> str:
    """Say what the prediction was, and of what."""
    d = record.document
    version = "no model (rules only)" if d.get("model_version") is None else f"version {d['model_version']}"
    score = f", score {d['score']:.3f}" if isinstance(d.get("score"), float) else ""
    of = f" of ticket {d['ticket_id']}" if d.get("ticket_id") else ""
    return f"{iso(record.at_ms)}  prediction {prediction}: {d['model_name']} {version} said {d.get('decision')}{score}{of}"
