"""`hive-ml drift`: check the champions now, show what was found, renew a reference, render a report."""

import getpass
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from neural_hive_ml.automation import watched
from neural_hive_ml.bootstrap import describe, open_state, open_workspace
from neural_hive_ml.cli.moments import resolve_as_of
from neural_hive_ml.clock import iso
from neural_hive_ml.conventions import CHAMPION, EXIT_NOT_ENOUGH_DATA, EXIT_OK
from neural_hive_ml.drift.monitor import Checked, check_champions, reference_days, update_reference
from neural_hive_ml.drift.records import checks_of, link_page, record_key
from neural_hive_ml.drift.subject import subject_of
from neural_hive_ml.errors import NotFound
from neural_hive_ml.ledger.event import personal
from neural_hive_ml.settings import Settings, load_settings

MODEL = click.option(
    "--model", "names", multiple=True, help="Only this model; may be repeated. Default: all five."
)
AS_OF = click.option(
    "--as-of", default="auto", show_default=True, metavar="MOMENT", help="See `hive-ml train --help`."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


@click.group("drift")
def drift_command() -> None:
    """Do recent tickets still look like what the champions learned from?"""


@drift_command.command("check")
@MODEL
@AS_OF
@click.option(
    "--window-hours", type=click.FloatRange(1, 168), help="Width of the window; default DRIFT_WINDOW_HOURS."
)
@click.option("--no-record", is_flag=True, help="Write nothing to the store.")
@JSON
def check_command(
    names: tuple[str, ...], as_of: str, window_hours: float | None, no_record: bool, as_json: bool
) -> int:
    """Check drift now and keep the result. Never retrains; see `hive-ml retraining run`.

    \b
    Exit codes: 0 an answer for every champion (drift or not), 3 not enough data for any answer, 4 unreachable.

    Example: hive-ml drift check --model scheduling-predictor-xgboost --window-hours 24
    """
    settings = load_settings()
    console = Console(stderr=True, highlight=False)
    console.print(describe(settings))
    with open_workspace(settings) as workspace:
        as_of_ms, sentence = resolve_as_of(as_of, workspace.tickets, settings)
        console.print(sentence)
        checked = check_champions(
            workspace.tickets, workspace.state, workspace.registry, as_of_ms=as_of_ms,
            window_hours=window_hours or settings.number("DRIFT_WINDOW_HOURS"),
            threshold=settings.number("DRIFT_THRESHOLD"), names=names or watched(settings, workspace.state),
            keep=not no_record,
        )  # fmt: skip
    if as_json:
        click.echo(json.dumps([_json(c) for c in checked], indent=2))
    else:
        _print(checked)
    answered = any(c.report.status != "insufficient_data" for c in checked)
    return EXIT_OK if answered else EXIT_NOT_ENOUGH_DATA


def _json(c: Checked) -> dict[str, Any]:
    r = c.report
    return {
        "model": c.name, "version": c.subject.version.version if c.subject else None, "status": r.status.value,
        "drift_detected": r.drift_detected, "drift_score": r.drift_score, "rows": r.rows,
        "reference_rows": r.reference_rows, "from": iso(r.from_ms), "until": iso(r.until_ms),
        "season": r.level, "false_alarm_rate": r.false_alarm_rate, "reasons": list(r.reasons),
        "features": [
            {"name": f.name, "drifted": f.drifted, "p_value": f.p_value, "score": f.psi, "psi": f.psi_raw,
             "ks": f.ks, "unit": f.unit, "reference": f.reference, "current": f.current, "value": f.value}
            for f in r.features
        ],
    }  # fmt: skip


def _print(checked: tuple[Checked, ...]) -> None:
    table = Table(title="Drift")
    for heading in ("model", "version", "status", "score", "tickets", "season", "what"):
        table.add_column(heading, overflow="fold")
    for c in checked:
        r = c.report
        score = "-" if r.status == "insufficient_data" else f"{r.drift_score:.3f}"
        version = str(c.subject.version.version) if c.subject else "-"
        table.add_row(c.name, version, r.status.value, score, f"{r.rows:,} / {r.reference_rows:,}", r.level,
                      "\n".join(r.reasons[:5]))  # fmt: skip
    Console().print(table)


@drift_command.command("report")
@MODEL
@AS_OF
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Also render Evidently's page (extra)."
)
@JSON
def report_command(names: tuple[str, ...], as_of: str, html: Path | None, as_json: bool) -> None:
    """Show the newest checks on record, feature by feature; with --html render the page that people open.

    The page is of the window that is shown, or of the one that ends at --as-of; a check's record keeps its path.

    Example: hive-ml drift report --model scheduling-predictor-xgboost --html drift.html
    """
    settings = load_settings()
    state = open_state(settings)
    try:
        chosen = names or watched(settings, state)
        newest = {name: checks_of(state, name, limit=1) for name in chosen}
    finally:
        state.close()
    if as_json:
        click.echo(json.dumps({name: found[0] if found else None for name, found in newest.items()}, indent=2))
    else:
        for name, found in newest.items():
            _print_record(name, found[0] if found else None)
    if html is not None:
        _render(settings, {name: found[0] if found else None for name, found in newest.items()}, as_of, html)


def _print_record(name: str, record: Mapping[str, Any] | None) -> None:
    console = Console(highlight=False)
    if record is None:
        console.print(f"{name}: no check on record (next: hive-ml drift check)")
        return
    score = "-" if record["drift_score"] is None else f"{record['drift_score']:.3f}"
    table = Table(
        title=f"{name} v{record['model_version']}: {record['status']}, score {score}, {record['timestamp']}"
    )
    for heading in ("feature", "drifted", "effect", "chance", "KS", "in its unit"):
        table.add_column(heading, overflow="fold")
    for f in sorted(record["features"], key=lambda f: f["p_value"])[:12]:
        table.add_row(f["name"], "yes" if f["drifted"] else "", f"{f['score']:.3f}", f"{f['p_value']:.2g}",
                      "-" if f["ks"] is None else f"{f['ks']:.3f}", f["sentence"].partition(": ")[2])  # fmt: skip
    console.print(table if record["features"] else f"{name}: {'; '.join(record['reasons'])}")
    if record.get("report_html"):
        console.print(f"page: {record['report_html']}", soft_wrap=True)


def _render(settings: Settings, records: Mapping[str, Mapping[str, Any] | None], as_of: str, html: Path) -> None:
    """Render the window of each record shown and link the page from it; the newest window where nothing is on record, or
    the window that --as-of names."""
    from neural_hive_ml.drift.evidently_page import render_model

    with open_workspace(settings) as workspace:
        for name, record in records.items():
            version = workspace.registry.resolve(name, CHAMPION)
            if version is None or name.startswith("load"):
                continue
            if as_of == "auto" and record is not None and record["model_version"] == version.version:
                as_of_ms, hours = int(record["until_ms"]), float(record["window_hours"])
            else:
                as_of_ms, _ = resolve_as_of(as_of, workspace.tickets, settings)
                hours = settings.number("DRIFT_WINDOW_HOURS")
            path = html if len(records) == 1 else html.with_stem(f"{html.stem}-{name}")
            subject = subject_of(workspace.registry, workspace.state, version)
            written = render_model(subject, workspace.tickets, as_of_ms=as_of_ms, window_hours=hours, path=path)
            link_page(workspace.state, record_key(name, version.version, as_of_ms), str(written.resolve()))
            click.echo(f"{name}: {written}")


@drift_command.group("reference")
def reference_group() -> None:
    """The distributions that champions are compared with."""


@reference_group.command("update")
@MODEL
@AS_OF
@click.option(
    "--days", type=click.FloatRange(1), help="Days of tickets; default: as many as the reference spans now."
)
@click.option("--reason", default="", help="Why; kept in the ledger.")
@JSON
def update_command(names: tuple[str, ...], as_of: str, days: float | None, reason: str, as_json: bool) -> None:
    """Make the newest tickets the reference of the champions, without training them anew.

    What looked like drift is then what is expected, so this is an operator's decision and goes into the ledger.

    Example: hive-ml drift reference update --days 28 --reason "new customer, models still good"
    """
    settings = load_settings()
    with open_workspace(settings) as workspace:
        as_of_ms, sentence = resolve_as_of(as_of, workspace.tickets, settings)
        click.echo(sentence, err=True)
        ledger = workspace.ledger
        actor = "operator " + personal(getpass.getuser())[:14]
        documents = []
        for name in names or watched(settings, workspace.state):
            version = workspace.registry.resolve(name, CHAMPION)
            if version is None:
                continue
            subject = subject_of(workspace.registry, workspace.state, version)
            document = update_reference(
                subject, workspace.tickets, workspace.state, as_of_ms=as_of_ms,
                days=days or reference_days(subject), actor=actor,
            )  # fmt: skip
            shown = {k: v for k, v in document.items() if k != "profile"}
            ledger.append(
                "reference", name, {**shown, "rows": document["sample_count"], "reason": reason},
                at_ms=as_of_ms, actor=actor,
            )  # fmt: skip
            documents.append(shown)
            if not as_json:
                click.echo(f"{name} v{version.version}: reference of {document['sample_count']:,} tickets")
    if not documents:
        raise NotFound("no model has a champion", remedy="train with --promote-if-better")
    if as_json:
        click.echo(json.dumps(documents, indent=2))
