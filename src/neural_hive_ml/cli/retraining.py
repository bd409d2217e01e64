"""`hive-ml retraining`: the drift and retraining job (the guide's `drift_triggered_retraining.py`), and the
hand on it.
"""

import getpass
import json
import signal
import threading
from types import FrameType

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from neural_hive_ml.automation import desk_of, policy_of
from neural_hive_ml.bootstrap import describe, open_ledger, open_state, open_workspace
from neural_hive_ml.cli.moments import resolve_as_of
from neural_hive_ml.cli.retraining_backtest import backtest_command
from neural_hive_ml.cli.weekly import weekly_command
from neural_hive_ml.clock import SystemClock, iso, parse_instant
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK, RETRAINING_EVENTS
from neural_hive_ml.errors import HiveError, UsageError
from neural_hive_ml.ledger.event import personal
from neural_hive_ml.retraining.control import Pause, pause_of, set_pause
from neural_hive_ml.retraining.job import CycleResult, run_cycle
from neural_hive_ml.settings import Settings, load_settings


@click.group("retraining")
def retraining_command() -> None:
    """Check drift, decide with reasons, retrain; pause and resume it; choose its policy by evidence."""


@retraining_command.command("run")
@click.option("--check-once", is_flag=True, help="One cycle, then end; else every DRIFT_CHECK_INTERVAL_MINUTES.")
@click.option("--dry-run", is_flag=True, help="Check and decide, write nothing, train nothing.")
@click.option("--as-of", default="auto", show_default=True, metavar="MOMENT", help="See `hive-ml train --help`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a cycle on stdout.")
def run_command(check_once: bool, dry_run: bool, as_of: str, as_json: bool) -> int:
    """Check drift of every champion, decide, and retrain what needs it with --promote-if-better.

    A model is retrained when drift is detected with a score above DRIFT_THRESHOLD and persists, or when its
    live quality is lost, within cooldown and weekly budget.

    \b
    Exit codes: 0 nothing to do, done, or another run is at work; 1 a retraining or a rollback failed; 2 bad usage;
    4 a store or registry unreachable.

    \b
    Examples:
      python drift_triggered_retraining.py --check-once
      python drift_triggered_retraining.py --check-once --dry-run --json
    """
    settings = load_settings()
    console = Console(stderr=True, highlight=False)
    console.print(describe(settings))
    if check_once or dry_run:
        return _cycle(settings, as_of, dry_run=dry_run, as_json=as_json, console=console)
    return _loop(settings, as_of, as_json=as_json, console=console)


def _loop(settings: Settings, as_of: str, *, as_json: bool, console: Console) -> int:
    minutes = settings.number("DRIFT_CHECK_INTERVAL_MINUTES")
    stop = threading.Event()
    busy = False

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()
        if busy:  # a claim that is left behind is finished by the next run
            raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    console.print(f"checking every {minutes:g} minutes; end with Ctrl-C or SIGTERM")
    while not stop.is_set():
        try:
            busy = True
            _cycle(settings, as_of, dry_run=False, as_json=as_json, console=console)
        except KeyboardInterrupt:
            break
        except HiveError as error:
            # One failed cycle does not end the watch: it is on record, and the next one tries again.
            console.print(f"[red]error:[/red] {error}")
        finally:
            busy = False
        stop.wait(minutes * 60)
    console.print("ended")
    return EXIT_OK


def _cycle(settings: Settings, as_of: str, *, dry_run: bool, as_json: bool, console: Console) -> int:
    with open_workspace(settings) as workspace:
        as_of_ms, sentence = resolve_as_of(as_of, workspace.tickets, settings)
        console.print(sentence)
        desk = desk_of(settings, workspace, lambda line: console.print(f"  {line}"))
        result = run_cycle(desk, as_of_ms=as_of_ms, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(to_json(result), indent=2))
    else:
        _print(result, console)
    return EXIT_FAILURE if result.failed else EXIT_OK


def to_json(result: CycleResult) -> dict[str, object]:
    """Return the cycle for machines."""
    decision = result.decision
    return {
        "held_elsewhere": result.held_elsewhere,
        "faults": list(result.faults),
        "checked": [
            {
                "model": c.name,
                "status": c.report.status.value,
                "drift_detected": c.report.drift_detected,
                "drift_score": c.report.drift_score,
                "rows": c.report.rows,
                "from": iso(c.report.from_ms),
                "until": iso(c.report.until_ms),
                "drifted_features": [f.name for f in c.report.drifted],
                "reasons": list(c.report.reasons),
            }
            for c in result.checked
        ],
        "decision": None
        if decision is None
        else {"action": decision.action, "models": decision.models, "reasons": decision.reasons,
              "evidence": decision.evidence},
        "retrained": [
            {"model": o.name, "success": o.success, "promoted": o.promoted, "shadow": o.shadow, "version": o.version,
             "verdict": o.verdict, "error": o.error}
            for o in result.outcomes
        ],
    }  # fmt: skip


def _print(result: CycleResult, console: Console) -> None:
    if result.held_elsewhere:
        console.print(f"nothing done: {result.held_elsewhere}")
        return
    table = Table(title="Drift")
    for heading in ("model", "status", "score", "tickets", "why"):
        table.add_column(heading, overflow="fold")
    for c in result.checked:
        score = "-" if c.report.status == "insufficient_data" else f"{c.report.drift_score:.3f}"
        table.add_row(c.name, c.report.status.value, score, f"{c.report.rows:,}", "\n".join(c.report.reasons[:4]))
    Console().print(table)
    if result.decision is not None:
        console.print(f"decision: {result.decision.action} {', '.join(result.decision.models)}")
    for fault in result.faults:
        console.print(f"[red]{escape(fault)}[/red]")
    for o in result.outcomes:
        fate = (
            "promoted"
            if o.promoted
            else "in shadow first"
            if o.shadow
            else "champion kept"
            if o.success
            else f"failed: {o.error}"
        )
        console.print(
            f"{o.name}: retrained, version {o.version}, {o.verdict}: {fate}" if o.success else f"{o.name}: {fate}"
        )


@retraining_command.command("status")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def status_command(as_json: bool) -> None:
    """Show the newest retrainings, whether it is paused, and the policy.

    Example: hive-ml retraining status
    """
    settings = load_settings()
    state = open_state(settings)
    try:
        pause, policy = pause_of(state), policy_of(settings)
        events = [dict(r.document) for r in state.find(RETRAINING_EVENTS, newest_first=True, limit=10)]
    finally:
        state.close()
    paused = pause is not None and pause.until_ms > SystemClock().now_ms()
    if as_json:
        held = (
            {"until": iso(pause.until_ms), "actor": pause.actor, "reason": pause.reason}
            if pause and paused
            else None
        )
        click.echo(json.dumps({"paused": held, "events": events}, indent=2))
        return
    console = Console(highlight=False)
    if pause is not None and paused:
        console.print(f"paused until {iso(pause.until_ms)} by {pause.actor}: {pause.reason}")
    console.print(
        f"policy: score > {policy.drift_threshold:g} and lasting, cooldown "
        f"{policy.cooldown_hours:g} h, {policy.weekly_budget} a week and model"
    )
    table = Table(title="Newest retrainings")
    for heading in ("when", "model", "trigger", "score", "verdict", "promoted", "error"):
        table.add_column(heading, overflow="fold")
    for e in events:
        score = e.get("drift_score")
        table.add_row(e["timestamp"], e["model_name"], e["trigger"], "-" if score is None else f"{score:.3f}",
                      e.get("verdict", ""), "yes" if e.get("promoted") else "no", e.get("error", ""))  # fmt: skip
    console.print(table if events else "no retraining yet")


@retraining_command.command("pause")
@click.option("--until", required=True, metavar="MOMENT", help="ISO 8601 time or epoch ms.")
@click.option("--reason", default="", help="Why; kept in the ledger.")
def pause_command(until: str, reason: str) -> None:
    """Let no automatic retraining run until a moment; drift is still checked.

    Example: hive-ml retraining pause --until 2026-12-01T08:00Z --reason "release freeze"
    """
    try:
        until_ms = parse_instant(until)
    except ValueError:
        raise UsageError(
            f"--until {until!r} is not a moment", remedy="give an ISO 8601 time or epoch ms"
        ) from None
    _set(until_ms, reason)
    click.echo(f"paused until {iso(until_ms)}")


@retraining_command.command("resume")
@click.option("--reason", default="", help="Why; kept in the ledger.")
def resume_command(reason: str) -> None:
    """End a pause.

    Example: hive-ml retraining resume
    """
    _set(0, reason)
    click.echo("automatic retraining may run")


def _set(until_ms: int, reason: str) -> None:
    settings = load_settings()
    state = open_state(settings)
    try:
        ledger = open_ledger(settings, state)
        set_pause(
            state,
            ledger,
            Pause(until_ms, "operator " + personal(getpass.getuser())[:14], reason),
            at_ms=SystemClock().now_ms(),
        )
    finally:
        state.close()


retraining_command.add_command(backtest_command, "backtest")
retraining_command.add_command(weekly_command, "weekly")

__all__ = ["retraining_command", "run_command"]
