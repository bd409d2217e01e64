"""One look at every model's rollout: judge the challenger in shadow, else guard the champion; act; write it down.

What a person decided stands: a pin, a champion that a person chose, a challenger that a person put in shadow. There the
decision is told and not acted on. Aliases that moved since the evidence was read are left for the next look.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neural_hive_ml.clock import Clock, iso
from neural_hive_ml.conventions import (
    AUTOMATION,
    MODELS,
    ROLLOUT_ACTOR,
    ROLLOUT_CHECKS,
    ROLLOUTS,
    family_of,
)
from neural_hive_ml.errors import ArtifactRefused, Conflict, NotFound
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.alias_desk import AliasMove
from neural_hive_ml.registry.alias_record import AliasRecord, Moved, read_record
from neural_hive_ml.registry.port import Registry
from neural_hive_ml.registry.promotion import challenge, promote, reconcile, rollback
from neural_hive_ml.registry.verify import ScorerLoader
from neural_hive_ml.rollout.announce import announce, noting
from neural_hive_ml.rollout.history import promised, read_champion, read_shadow
from neural_hive_ml.rollout.policy import Decision, Policy, judge_champion, judge_shadow
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.tickets.port import TicketStore

if TYPE_CHECKING:
    from neural_hive_ml.registry.sign import VerifyKey


@dataclass(frozen=True, slots=True)
class Desk:
    """What a check works with. `paused_until_ms`: automatic promotions rest until then; aborts and rollbacks do not."""

    state: StateStore
    registry: Registry
    ledger: Ledger
    clock: Clock
    policy: Policy
    tickets: TicketStore | None = None
    paused_until_ms: int = 0
    keys: Sequence["VerifyKey"] = ()
    load_scorer: ScorerLoader | None = None
    progress: Callable[[str], None] = lambda _line: None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check decided about one model, and whether it was carried out; `stage` is ``shadow`` or ``live``.

    `version` is what the decision is about: the challenger, or the champion. `fault`: why a decision could not be carried
    out, where a person must look.
    """

    name: str
    stage: str
    version: int
    decision: Decision
    done: bool
    fault: str = ""


def check(desk: Desk, names: Sequence[str] = MODELS) -> tuple[Checked, ...]:
    """Look at each model that has a champion, act on what was decided, and return it.

    Raises
    ------
    StoreUnavailable, RegistryUnavailable
        When one does not answer: nothing was judged then.
    """
    found = (check_model(desk, name) for name in names)
    return tuple(one for one in found if one is not None)


def check_model(desk: Desk, name: str) -> Checked | None:
    """Look at one model; None without a champion."""
    now_ms = desk.clock.now_ms()
    try:
        reconcile(desk.registry, desk.state, [name], at_ms=now_ms, note=noting(desk.ledger))
        record = read_record(desk.state, name)
        if record.champion is None:
            return None
        judged = _shadow(desk, name, record) if record.challenger is not None else _live(desk, name, record)
        return _carry_out(desk, name, record, judged)
    except Conflict as error:
        desk.progress(f"{name}: {error}")
        return Checked(name, "live", 0, Decision("wait", (str(error),)), done=False)
    except (ArtifactRefused, NotFound) as error:
        desk.progress(f"{name}: could not be judged: {error}")
        return Checked(name, "live", 0, Decision("wait", (str(error),)), done=False, fault=str(error))


def _shadow(desk: Desk, name: str, record: AliasRecord) -> Checked:
    assert record.challenger is not None
    version = desk.registry.version(name, record.challenger)
    evidence = read_shadow(
        desk.state, desk.tickets, family_of(name), name, record,
        now_ms=desk.clock.now_ms(), promised_share=promised(desk.registry, version),
    )  # fmt: skip
    decision = judge_shadow(evidence, desk.policy)
    crowned, began = record.crowned, record.challenged
    if crowned is not None and began is not None and _persons(crowned) and crowned.at_ms > began.at_ms:
        told = f"{crowned.actor} made version {record.champion} the champion since this shadow run began"
        decision = Decision("abort", (told,), decision.evidence)
    elif decision.action == "promote":
        held = _held(desk, record)
        decision = replace(decision, action="wait", reasons=(held, *decision.reasons)) if held else decision
    return Checked(name, "shadow", record.challenger, decision, done=False)


def _held(desk: Desk, record: AliasRecord) -> str:
    """Return why a person must promote, or nothing."""
    if record.pin is not None:
        return f"ready, but {record.pin.actor} pinned version {record.pin.version}: {record.pin.reason}"
    if desk.clock.now_ms() < desk.paused_until_ms:
        return f"ready, but paused until {iso(desk.paused_until_ms)}"
    return ""


def _live(desk: Desk, name: str, record: AliasRecord) -> Checked:
    assert record.champion is not None
    version = desk.registry.version(name, record.champion)
    evidence = read_champion(
        desk.state, family_of(name), name, record, desk.policy,
        now_ms=desk.clock.now_ms(), promised_share=promised(desk.registry, version),
    )  # fmt: skip
    return Checked(name, "live", record.champion, judge_champion(evidence, desk.policy), done=False)


def _carry_out(desk: Desk, name: str, record: AliasRecord, judged: Checked) -> Checked:
    decision = judged.decision
    desk.progress(f"{name} version {judged.version} ({judged.stage}): {decision.action}: {decision.reasons[0]}")
    if decision.action in {"wait", "keep"}:
        _remember(desk, judged)
        return judged
    whose = record.challenged if judged.stage == "shadow" else record.crowned
    if _persons(whose) or (record.pin is not None and decision.action == "rollback"):
        who = record.pin.actor if record.pin is not None else whose.actor if whose is not None else "a person"
        stands = f"not carried out: {who} decided, and automation does not undo it"
        told = replace(judged, decision=replace(decision, reasons=(stands, *decision.reasons)))
        _remember(desk, told)
        return told
    key = _intend(desk, record, judged)
    try:
        try:
            _move(desk, name, record, judged)
        except ArtifactRefused as error:
            if decision.action != "promote":
                raise
            desk.state.delete(ROLLOUTS, [key])
            judged = replace(judged, decision=Decision("abort", (f"cannot serve: {error}",), decision.evidence))
            key = _intend(desk, record, judged)
            _move(desk, name, record, judged)
    except Conflict:  # someone else moved its aliases: the next look decides anew
        desk.state.delete(ROLLOUTS, [key])
        raise
    except (ArtifactRefused, NotFound) as error:
        failed = replace(judged, fault=f"{judged.decision.action} could not be carried out: {error}")
        desk.state.put(ROLLOUTS, Record(key, desk.clock.now_ms(), document_of(failed)))
        _tell_failure(desk, failed)
        _remember(desk, failed)
        return failed
    done = replace(judged, done=True)
    desk.state.put(ROLLOUTS, Record(key, desk.clock.now_ms(), document_of(done)))
    _remember(desk, done)
    return done


def _intend(desk: Desk, record: AliasRecord, judged: Checked) -> str:
    """Write a decision down before it is carried out, so that a death in between loses nothing; return its record's key.

    Once for the aliases as they are: what could not be carried out is decided again at each look.
    """
    now_ms, decision = desk.clock.now_ms(), judged.decision
    payload = {
        "action": decision.action, "models": [judged.name], "stage": judged.stage, "version": judged.version,
        "reasons": list(decision.reasons), "evidence": dict(decision.evidence),
    }  # fmt: skip
    key = f"{judged.name}:{judged.version}:{decision.action}:{record.token}"
    desk.ledger.append("decision", judged.name, payload, at_ms=now_ms, actor=ROLLOUT_ACTOR, once=key)
    desk.state.put(ROLLOUTS, Record(key, now_ms, document_of(judged)))
    return key


def _tell_failure(desk: Desk, failed: Checked) -> None:
    """Put a failure into the ledger and the outbox, once a version: each look finds it again."""
    now_ms, action = desk.clock.now_ms(), failed.decision.action
    desk.progress(f"{failed.name}: {failed.fault}")
    once = f"{action}_failed:{failed.name}:{failed.version}"
    payload = {
        "action": f"{action} failed", "models": [failed.name], "version": failed.version,
        "reasons": [failed.fault, *failed.decision.reasons],
    }  # fmt: skip
    desk.ledger.append("decision", failed.name, payload, at_ms=now_ms, actor=ROLLOUT_ACTOR, once=once)
    reason = "; ".join((failed.fault, *failed.decision.reasons))
    fault = AliasMove(f"{action}_failed", failed.name, failed.version, None, ROLLOUT_ACTOR, reason, now_ms, 0)
    announce(desk.state, fault, once)


def _persons(moved: Moved | None) -> bool:
    """Whether a person made a move; what is not on record counts as theirs."""
    return moved is None or moved.actor not in AUTOMATION


def _move(desk: Desk, name: str, record: AliasRecord, judged: Checked) -> None:
    now_ms, note, reason = desk.clock.now_ms(), noting(desk.ledger), "; ".join(judged.decision.reasons)
    match judged.decision.action:
        case "promote":
            promote(
                desk.registry, desk.state, desk.registry.version(name, judged.version), actor=ROLLOUT_ACTOR,
                reason=reason, at_ms=now_ms, note=note, keys=desk.keys, load_scorer=desk.load_scorer, judged=record,
            )  # fmt: skip
        case "rollback":
            rollback(
                desk.registry, desk.state, name, actor=ROLLOUT_ACTOR, reason=reason, at_ms=now_ms, note=note,
                keys=desk.keys, load_scorer=desk.load_scorer, judged=record,
            )  # fmt: skip
        case "abort":
            challenge(
                desk.registry, desk.state, name, None, actor=ROLLOUT_ACTOR, reason=reason, at_ms=now_ms, note=note,
                kind="abort", judged=record,
            )  # fmt: skip


def _remember(desk: Desk, judged: Checked) -> None:
    desk.state.put(ROLLOUT_CHECKS, Record(judged.name, desk.clock.now_ms(), document_of(judged)))


def document_of(judged: Checked) -> dict[str, object]:
    """Return a check as it is stored and shown."""
    return {
        "model_name": judged.name, "stage": judged.stage, "version": judged.version,
        "action": judged.decision.action, "done": judged.done, "reasons": list(judged.decision.reasons),
        "evidence": dict(judged.decision.evidence), "fault": judged.fault,
    }  # fmt: skip
