"""`hive-ml rollout`: look at challengers in shadow and at young champions, and act; show where each rollout stands."""

import json
import signal
import threading
from collections.abc import Sequence
from types import FrameType

import click
from rich.console import Console
from rich.table import Table

from neural_hive_ml.automation import check_rollouts
from neural_hive_ml.bootstrap import describe, open_state, open_workspace
from neural_hive_ml.clock import SystemClock, iso
from neural_hive_ml.conventions import (
    ANNOUNCEMENTS,
    EXIT_FAILURE,
    EXIT_OK,
    GUIDE_MODELS,
    MODELS,
    ROLLOUT_CHECKS,
    ROLLOUTS,
)
from neural_hive_ml.errors import HiveError
from neural_hive_ml.registry.alias_record import AliasRecord, read_record
from neural_hive_ml.rollout.check import Checked, document_of
from neural_hive_ml.settings import Settings, load_settings
from neural_hive_ml.state.port import StateStore

_HEADINGS = ("model", "champion", "made so by", "previous", "challenger", "since", "last look", "why")


@click.group("rollout")
def rollout_command() -> None:
    """Guarded rollout: a winner runs in shadow before it answers, and a champion that burns its budget goes back."""


@rollout_command.command("check")
@click.option("--once", is_flag=True, help="One look, then end; else every ROLLOUT_CHECK_MINUTES.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a look on stdout.")
def check_command(once: bool, as_json: bool) -> int:
    """Judge every challenger and every champion that automation made one; promote, abort or roll back; announce it.

    The drift job does the same at its start. What a person decided (pins, promotions, their own challengers) stands.

    \b
    Exit codes: 0 looked, whatever was decided; 1 a decision could not be carried out; 4 a store or registry unreachable.

    \b
    Example: hive-ml rollout check --once
    """
    settings = load_settings()
    console = Console(stderr=True, highlight=False)
    console.print(describe(settings), soft_wrap=True)
    if once:
        found = _look(settings, console, as_json=as_json)
        return EXIT_FAILURE if any(one.fault for one in found) else EXIT_OK
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    minutes = settings.number("ROLLOUT_CHECK_MINUTES")
    console.print(f"looking every {minutes:g} minutes; end with Ctrl-C or SIGTERM")
    while not stop.is_set():
        try:
            _look(settings, console, as_json=as_json)
        except HiveError as error:  # one failed look does not end the watch
            console.print(f"[red]error:[/red] {error}")
        stop.wait(minutes * 60)
    return EXIT_OK


def _look(settings: Settings, console: Console, *, as_json: bool) -> Sequence[Checked]:
    with open_workspace(settings) as workspace:
        found = check_rollouts(settings, workspace, lambda line: console.print(f"  {line}", soft_wrap=True))
    if as_json:
        click.echo(json.dumps([document_of(one) for one in found], indent=2))
    elif not found:
        click.echo("no model has a champion yet (next: hive-ml train --promote-if-better)")
    else:
        for one in found:
            done = " (done)" if one.done else f" ({one.fault})" if one.fault else ""
            click.echo(f"{one.name} version {one.version}, {one.stage}: {one.decision.action}{done}")
    return found


@rollout_command.command("status")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def status_command(as_json: bool) -> None:
    """Show champion, previous, challenger and the last look at each model; then the newest decisions.

    Example: hive-ml rollout status
    """
    state = open_state(load_settings())
    try:
        # Another algorithm's name is shown once a version of it was ever moved.
        named = [name for name in MODELS if name in GUIDE_MODELS or read_record(state, name).token]
        models = {name: _standing(state, name) for name in named}
        decisions = [{"at": iso(r.at_ms), **r.document} for r in state.find(ROLLOUTS, newest_first=True, limit=10)]
        waiting = state.count(ANNOUNCEMENTS, where={"status": "pending"})
        failed = state.count(ANNOUNCEMENTS, where={"status": "failed"})
    finally:
        state.close()
    if as_json:
        announcements = {"pending": waiting, "failed": failed}
        click.echo(
            json.dumps({"models": models, "decisions": decisions, "announcements": announcements}, indent=2)
        )
        return
    table = Table(title="Rollouts")
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    for name, standing in models.items():
        table.add_row(name, *(str(standing[key]) for key in ("champion", "crowned", "previous", "challenger", "since",
                                                             "last_look", "why")))  # fmt: skip
    console = Console()
    console.print(table)
    for one in decisions:
        console.print(
            f"{one['at']}  {one['model_name']} version {one['version']}: {one['action']}: "
            + "; ".join(filter(None, (str(one.get("fault") or ""), *map(str, one["reasons"])))),
            soft_wrap=True,
            highlight=False,
        )
    if waiting or failed:
        click.echo(f"announcements: {waiting} wait, {failed} could not be sent (ROLLOUT_WEBHOOK_URL)")


def _standing(state: StateStore, name: str) -> dict[str, object]:
    record: AliasRecord = read_record(state, name)
    looked = state.get(ROLLOUT_CHECKS, name)
    begun, crowned = record.challenged, record.crowned
    pinned = f" (pinned by {record.pin.actor})" if record.pin is not None else ""
    told: dict[str, object] = {
        "champion": "-" if record.champion is None else f"{record.champion}{pinned}",
        "crowned": "-" if crowned is None else f"{crowned.actor}, {crowned.kind}",
        "previous": "-" if record.previous is None else record.previous,
        "challenger": "-" if record.challenger is None else record.challenger,
        "since": "-" if begun is None else f"{(SystemClock().now_ms() - begun.at_ms) / 3_600_000:.1f} h",
        "last_look": "-",
        "why": "",
    }
    if looked is not None:
        d = looked.document
        why = filter(None, (str(d.get("fault") or ""), *map(str, d["reasons"])))
        told |= {"last_look": f"{iso(looked.at_ms)}: {d['action']}", "why": "; ".join(why)}
    return told
