"""`hive-ml quality`: live quality of the models from outcomes and verdicts, measured now or as last measured."""

import json
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from neural_hive_ml.automation import quality_rules
from neural_hive_ml.bootstrap import describe, open_state, open_workspace
from neural_hive_ml.clock import iso
from neural_hive_ml.conventions import EXIT_NOT_ENOUGH_DATA, EXIT_OK, MODEL_QUALITY, MODELS
from neural_hive_ml.feedback.quality_job import check_quality
from neural_hive_ml.retraining.events import record_run
from neural_hive_ml.settings import load_settings

MODEL = click.option("--model", "names", multiple=True, help="Only this model; may be repeated. Default: all.")
JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


@click.group("quality")
def quality_command() -> None:
    """How good are the models, by what became of the tickets and what people said?"""


@quality_command.command("check")
@MODEL
@click.option("--no-record", is_flag=True, help="Write nothing to the store.")
@JSON
def check_command(names: tuple[str, ...], no_record: bool, as_json: bool) -> int:
    """Measure live quality now and keep it; guard-agents shows it in /metrics within 10 seconds.

    \b
    Exit codes: 0 a deciding figure of some model is known, 3 too few labels for any, 4 unreachable.

    Example: hive-ml quality check --model anomaly-detector-isolation_forest --json
    """
    settings = load_settings()
    Console(stderr=True, highlight=False).print(describe(settings))
    with open_workspace(settings) as workspace:
        now_ms = workspace.clock.now_ms()
        found = check_quality(
            workspace.tickets, workspace.state, workspace.registry, quality_rules(settings), now_ms=now_ms,
            names=names or MODELS, keep=not no_record,
        )  # fmt: skip
        known = any(one.enough for one in found)
        if not no_record:
            record_run(
                workspace.state, job="feedback", outcome="succeeded" if known else "nothing_to_do",
                started_at_ms=now_ms, ended_at_ms=workspace.clock.now_ms(),
                reasons=[f"{one.name}: {one.loss.reason}" for one in found],
            )  # fmt: skip
    _show([one.to_document() for one in found], as_json=as_json)
    return EXIT_OK if known else EXIT_NOT_ENOUGH_DATA


@quality_command.command("report")
@MODEL
@JSON
def report_command(names: tuple[str, ...], as_json: bool) -> None:
    """Show the newest measurement on record of each model, with its cohorts of predictions.

    Example: hive-ml quality report
    """
    state = open_state(load_settings())
    try:
        newest = [
            state.find(MODEL_QUALITY, where={"model_name": name}, newest_first=True, limit=1)
            for name in names or MODELS
        ]
    finally:
        state.close()
    documents = [found[0].document for found in newest if found]
    _show(documents, as_json=as_json)
    if not as_json:
        for document in documents:
            _print_cohorts(document)


def _show(documents: list[Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(documents, indent=2))
        return
    console = Console(highlight=False)
    if not documents:
        console.print("no model has predicted or been measured yet (next: hive-ml quality check)")
        return
    table = Table(title="Live quality")
    for heading in ("model", "figure", "value [95 %]", "labels", "why unknown"):
        table.add_column(heading, overflow="fold")
    for d in documents:
        for name, figure in d["figures"].items():
            table.add_row(
                d["model_name"], name, _value(figure), str(figure.get("labels", 0)), figure.get("reason", "")
            )
    console.print(table)
    for d in documents:
        _print_rest(d, console)


def _print_rest(d: Mapping[str, Any], console: Console) -> None:
    lost = {True: "LOST", False: "kept", None: "unknown"}[d["lost"]]
    version = f" v{d['model_version']}" if d["model_version"] is not None else ""
    console.print(
        f"{d['model_name']}{version}, {d['timestamp']}: live quality {lost}: {d['reason']}", markup=False
    )
    if d["estimate"] is not None and d["estimate"]["figures"]:
        e = d["estimate"]
        figures = ", ".join(f"{name} {value:,.4g}" for name, value in e["figures"].items())
        console.print(
            f"  estimate without labels ({e['method']}, {e['predictions']} predictions): {figures}; {e['check']}",
            markup=False,
        )
    if d["by_outcome"]:
        o = d["by_outcome"]
        console.print(
            f"  against outcomes (weak labels, {o['labels']:.0f} tickets): f1 {o['f1']:.3f}, precision "
            f"{o['precision']:.3f}, recall {o['recall']:.3f}"
        )
    if d["feedback"] and d["feedback"]["asked"]:
        f = d["feedback"]
        console.print(f"  feedback: {f['answered']} of {f['asked']} reviews answered ({f['rate']:.1%})")
    for note in d["notes"]:
        console.print(f"  {note}", markup=False)


def _value(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "unknown"
    bounds = f" [{figure['low']:,.4g}, {figure['high']:,.4g}]" if "low" in figure else ""
    return f"{figure['value']:,.4g}{bounds} {figure.get('unit', '')}".strip()


def _print_cohorts(document: Mapping[str, Any]) -> None:
    if not document["cohorts"]:
        return
    table = Table(title=f"{document['model_name']}: predictions by day")
    for heading in ("day", "predictions", "ask for a label", "labelled", "late", "mature"):
        table.add_column(heading)
    for c in document["cohorts"]:
        counts = (c["predictions"], c["asked"], c["labelled"], c["late"], c["mature"])
        table.add_row(iso(c["day_ms"])[:10], *(f"{n:,}" for n in counts))
    Console().print(table)
