"""`hive-ml models promote | rollback | pin | unpin | challenge | prune`: what people decide, and why."""

import functools
import getpass
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
import msgspec

from neural_hive_ml.bootstrap import open_ledger, open_registry, open_state
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.ledger.event import personal
from neural_hive_ml.registry import promotion
from neural_hive_ml.registry.alias_desk import AliasMove, Note
from neural_hive_ml.registry.port import Registry
from neural_hive_ml.registry.reference import find, parse_reference
from neural_hive_ml.registry.retention import Retention
from neural_hive_ml.registry.retention import prune as prune_model
from neural_hive_ml.registry.sign import load_verify_keys
from neural_hive_ml.rollout.announce import noting, send_waiting
from neural_hive_ml.rollout.webhook import Webhook
from neural_hive_ml.settings import load_settings
from neural_hive_ml.state.port import StateStore

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


def _decision(function: Callable[..., None]) -> Callable[..., None]:
    """Add --reason, --actor and --json; the command gets them as `who`, keywords of every move, and `as_json`."""

    @_AS_JSON
    @click.option(
        "--actor",
        default=None,
        help="Who decides, as the ledger keeps it; default: a digest of this shell's user.",
    )
    @click.option("--reason", required=True, help="Why, in a sentence; kept in the ledger.")
    @functools.wraps(function)
    def command(actor: str | None, reason: str, **rest: Any) -> None:
        who = {"actor": actor or _user(), "reason": reason, "at_ms": SystemClock().now_ms()}
        function(who=who, **rest)

    return command


def _user() -> str:
    """Return who this shell belongs to as the ledger may hold it: the records are kept for ever."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = f"uid {os.getuid()}"
    return "operator " + personal(user)[:14]


@dataclass(frozen=True, slots=True)
class _Desk:
    registry: Registry
    state: StateStore
    note: Note


@contextmanager
def _opened() -> Iterator[_Desk]:
    settings = load_settings()
    state = open_state(settings)
    try:
        note = noting(open_ledger(settings, state))
        yield _Desk(open_registry(settings), state, note)
        url = settings.text("ROLLOUT_WEBHOOK_URL")
        send_waiting(state, Webhook(url) if url else None, now_ms=SystemClock().now_ms())
    finally:
        state.close()


def _say(move: AliasMove | None, sentence: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(None if move is None else msgspec.to_builtins(move), indent=2))
    else:
        click.echo(sentence)


@click.command("promote")
@click.argument("reference", metavar="NAME/version")
@_decision
def promote(reference: str, who: dict[str, Any], as_json: bool) -> None:
    """Make a version the champion (stage Production), whatever the gate said.

    Example: hive-ml models promote load-predictor-60m/3 --reason "floor too strict for weekends"
    """
    keys = load_verify_keys(load_settings().text("HIVE_VERIFY_KEYS"))
    with _opened() as desk:
        version = find(desk.registry, reference)
        move = promotion.promote(desk.registry, desk.state, version, keys=keys, note=desk.note, **who)
    _say(move, f"{move.name}: version {move.version} is the champion, was {move.previous}", as_json)


@click.command("rollback")
@click.argument("name")
@click.option("--to", type=click.IntRange(1), help="Version to return to; default: the previous champion.")
@click.option("--pin", "hold", is_flag=True, help="Also pin it, so that no retraining replaces it.")
@_decision
def rollback(name: str, to: int | None, hold: bool, who: dict[str, Any], as_json: bool) -> None:
    """Return to the champion before this one.

    Example: hive-ml models rollback scheduling-predictor-xgboost --pin --reason "over-estimates since Monday"
    """
    with _opened() as desk:
        move = promotion.rollback(desk.registry, desk.state, name, to=to, note=desk.note, **who)
        if hold:
            promotion.pin(desk.registry, desk.state, name, note=desk.note, **who)
    pinned = ", pinned" if hold else ""
    _say(move, f"{move.name}: back to version {move.version} from {move.previous}{pinned}", as_json)


@click.command("pin")
@click.argument("name")
@_decision
def pin(name: str, who: dict[str, Any], as_json: bool) -> None:
    """Hold a model at its champion until it is unpinned."""
    with _opened() as desk:
        move = promotion.pin(desk.registry, desk.state, name, note=desk.note, **who)
    _say(move, f"{name} is pinned to version {move.version}", as_json)


@click.command("unpin")
@click.argument("name")
@_decision
def unpin(name: str, who: dict[str, Any], as_json: bool) -> None:
    """Let promotions move a pinned model again."""
    with _opened() as desk:
        move = promotion.unpin(desk.registry, desk.state, name, note=desk.note, **who)
    _say(move, f"{name} was not pinned" if move is None else f"{name} is free again", as_json)


@click.command("challenge")
@click.argument("reference", metavar="NAME[/version]")
@click.option("--end", is_flag=True, help="End the shadow run instead.")
@_decision
def challenge(reference: str, end: bool, who: dict[str, Any], as_json: bool) -> None:
    """Let a version run in shadow beside the champion (alias challenger).

    Example: hive-ml models challenge anomaly-detector-isolation_forest/4 --reason "new feature set"
    """
    with _opened() as desk:
        name = parse_reference(reference).name
        version = None if end else find(desk.registry, reference).version
        move = promotion.challenge(desk.registry, desk.state, name, version, note=desk.note, **who)
    _say(move, f"{name}: challenger is {'ended' if end else f'version {version}'}", as_json)


@click.command("prune")
@click.option("--name", "names", multiple=True, help="Only these models; default: all.")
@click.option("--keep", default=10, show_default=True, type=click.IntRange(1), help="Newest versions to keep.")
@click.option("--days", default=7.0, show_default=True, type=click.FloatRange(0), help="Keep what is younger.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@_AS_JSON
def prune(names: tuple[str, ...], keep: int, days: float, dry_run: bool, as_json: bool) -> None:
    """Delete old versions and their runs; champions, previous, challengers and pinned versions stay.

    Example: hive-ml models prune --keep 5 --dry-run
    """
    now_ms = SystemClock().now_ms()
    with _opened() as desk:
        rules = Retention(last=keep, days=days)
        gone = [
            keeping.version
            for name in names or desk.registry.names()
            for keeping in prune_model(desk.registry, desk.state, name, rules, now_ms=now_ms, dry_run=dry_run)
            if not keeping.kept
        ]
    if as_json:
        click.echo(json.dumps([{"name": v.name, "version": v.version} for v in gone], indent=2))
        return
    for version in gone:
        click.echo(f"{version.name} version {version.version} {'would go' if dry_run else 'is deleted'}")
    click.echo(f"{len(gone)} versions {'would go' if dry_run else 'deleted'}")
