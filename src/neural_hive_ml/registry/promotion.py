"""Move the champion: one commit point, the rest derived from it and mended at the next start.

Order of a move: lease, artifact verified, intent written, **champion alias moved** (the commit point), then
`previous`, the guide's stage, the published pointer and the ledger, then the intent is cleared. A
process that dies in between leaves an intent; `reconcile` finishes it when the alias moved, drops it
when it did not, and adopts a champion that somebody chose outside of this system.
"""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from neural_hive_ml.conventions import CHALLENGER, CHAMPION
from neural_hive_ml.errors import Conflict, NotFound
from neural_hive_ml.registry.alias_desk import AliasMove, Note, alias_desk
from neural_hive_ml.registry.alias_record import AliasRecord, Moved, Pin, read_record
from neural_hive_ml.registry.port import ModelVersion, Registry
from neural_hive_ml.registry.verify import ScorerLoader, verify_artifact
from neural_hive_ml.state.port import StateStore

if TYPE_CHECKING:
    from neural_hive_ml.registry.sign import VerifyKey

__all__ = ["AliasMove", "challenge", "pin", "promote", "reconcile", "rollback", "unpin"]


def promote(
    registry: Registry,
    state: StateStore,
    version: ModelVersion,
    *,
    actor: str,
    reason: str,
    at_ms: int,
    note: Note | None = None,
    kind: str = "promote",
    load_scorer: ScorerLoader | None = None,
    keys: Sequence["VerifyKey"] = (),
    judged: AliasRecord | None = None,
) -> AliasMove:
    """Make a version the champion, and publish it to the services.

    `load_scorer` defaults to the serving one; `keys` to none, so that only digests and golden rows are checked. `judged` is
    the record that the decision was made on, where nobody may have decided otherwise since.

    Raises
    ------
    Conflict
        When the model is pinned to another version, another process is moving its aliases, or the record is not `judged`.
    ArtifactRefused
        When the version's artifact could not serve; nothing was moved.
    """
    with alias_desk(registry, state, version.name, at_ms=at_ms, note=note) as desk:
        record, _ = desk.reconcile()
        _still(record, judged, version.name)
        held = record.pin
        if held is not None and held.version != version.version:
            raise Conflict(
                f"{version.name} is pinned to version {held.version} by {held.actor}: {held.reason}",
                remedy=f"hive-ml models unpin {version.name}",
            )
        verify_version(registry, version, load_scorer, keys)
        begun = desk.begin(record, kind, version.version, actor, reason)
        registry.move_alias(version.name, CHAMPION, version.version)
        _, move = desk.settle(begun)
        return move


def rollback(
    registry: Registry,
    state: StateStore,
    name: str,
    *,
    actor: str,
    reason: str,
    at_ms: int,
    note: Note | None = None,
    to: int | None = None,
    load_scorer: ScorerLoader | None = None,
    keys: Sequence["VerifyKey"] = (),
    judged: AliasRecord | None = None,
) -> AliasMove:
    """Return to the champion before this one, or to version `to`; `judged` as in `promote`.

    Raises
    ------
    NotFound
        When there is nothing to return to.
    """
    reconcile(registry, state, [name], at_ms=at_ms, note=note)
    target = read_record(state, name).previous if to is None else to
    if target is None:
        raise NotFound(f"{name} has no previous champion", remedy=f"hive-ml models rollback {name} --to VERSION")
    version = registry.version(name, target)
    return promote(
        registry, state, version, actor=actor, reason=reason, at_ms=at_ms, note=note, kind="rollback",
        load_scorer=load_scorer, keys=keys, judged=judged,
    )  # fmt: skip


def pin(
    registry: Registry,
    state: StateStore,
    name: str,
    *,
    actor: str,
    reason: str,
    at_ms: int,
    note: Note | None = None,
) -> AliasMove:
    """Hold a model at its champion: no promotion, automatic or by hand, replaces it until `unpin`."""
    with alias_desk(registry, state, name, at_ms=at_ms, note=note) as desk:
        record, _ = desk.reconcile()
        if record.champion is None:
            raise NotFound(f"{name} has no champion to pin", remedy=f"hive-ml models promote {name} VERSION")
        desk.write(replace(record, pin=Pin(record.champion, actor, reason, at_ms)), record)
        return desk.noted("pin", record.champion, record.champion, actor, reason)


def unpin(
    registry: Registry,
    state: StateStore,
    name: str,
    *,
    actor: str,
    reason: str,
    at_ms: int,
    note: Note | None = None,
) -> AliasMove | None:
    """Let promotions move a model again; returns None when it was not pinned."""
    with alias_desk(registry, state, name, at_ms=at_ms, note=note) as desk:
        record, _ = desk.reconcile()
        if record.pin is None:
            return None
        desk.write(replace(record, pin=None), record)
        return desk.noted("unpin", record.champion, record.champion, actor, reason)


def challenge(
    registry: Registry,
    state: StateStore,
    name: str,
    version: int | None,
    *,
    actor: str,
    reason: str,
    at_ms: int,
    note: Note | None = None,
    kind: str = "challenge",
    judged: AliasRecord | None = None,
) -> AliasMove:
    """Let a version run in shadow beside the champion (alias `challenger`); None ends it. `judged` as in `promote`."""
    with alias_desk(registry, state, name, at_ms=at_ms, note=note) as desk:
        record, _ = desk.reconcile()
        _still(record, judged, name)
        registry.move_alias(name, CHALLENGER, version)
        registry.publish(name, CHALLENGER)
        begun = None if version is None else Moved(kind, actor, at_ms)
        desk.write(replace(record, challenger=version, challenged=begun), record)
        return desk.noted(kind, version, record.champion, actor, reason)


def reconcile(
    registry: Registry, state: StateStore, names: Iterable[str], *, at_ms: int, note: Note | None = None
) -> tuple[AliasMove, ...]:
    """Finish moves that were interrupted and adopt champions chosen elsewhere; return what was mended.

    Run it at the start of every job that may move aliases: two reads a model when all is well.
    """
    moves = []
    for name in names:
        with alias_desk(registry, state, name, at_ms=at_ms, note=note) as desk:
            _, move = desk.reconcile()
        if move is not None:
            moves.append(move)
    return tuple(moves)


def verify_version(
    registry: Registry,
    version: ModelVersion,
    load_scorer: ScorerLoader | None = None,
    keys: Sequence["VerifyKey"] = (),
) -> tuple[str, ...]:
    """Download a version and check that it may serve; return what was checked. Raises `ArtifactRefused`."""
    with tempfile.TemporaryDirectory(prefix="hive-verify-") as scratch:
        directory = registry.download(version, Path(scratch) / "artifact")
        return verify_artifact(
            directory,
            load_scorer=load_scorer or _serving_loader(),
            keys=keys,
            expected_digest=version.digest,
            expected_name=version.name,
        ).reasons()


def _still(record: AliasRecord, judged: AliasRecord | None, name: str) -> None:
    """Refuse a decision that was made on another record than the present one."""
    if judged is not None and replace(record, token=0) != replace(judged, token=0):
        raise Conflict(
            f"{name}: someone moved its aliases since this was decided", remedy="the next check decides again"
        )


def _serving_loader() -> ScorerLoader:
    from neural_hive_ml.scoring.load_scorer import load_scorer

    return load_scorer
