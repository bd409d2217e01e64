"""A check acts on what it decided, once, writes it down and tells people; it never undoes what a person decided."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.registry import NAME, LinearScorer, evaluation, linear_model, verdict

from neural_hive_ml.clock import HOUR_MS, FixedClock
from neural_hive_ml.conventions import (
    ANNOUNCEMENTS,
    CHALLENGER,
    CHAMPION,
    MODEL_QUALITY,
    PREDICTIONS,
    RETRAINING_ACTOR,
    ROLLOUT_ACTOR,
    ROLLOUT_CHECKS,
    ROLLOUTS,
    SHADOW_PREDICTIONS,
)
from neural_hive_ml.errors import Conflict
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry import promotion
from neural_hive_ml.registry.alias_record import AliasRecord, Moved, read_record
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.registry.published import FilePointerSource
from neural_hive_ml.rollout.announce import noting
from neural_hive_ml.rollout.check import Checked, Desk, check_model
from neural_hive_ml.rollout.history import given_up, read_champion
from neural_hive_ml.rollout.policy import Policy
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.state.port import Record

AT_MS = 1_800_000_000_000


@dataclass
class World:
    """A registry with three versions, the first of which a person made the champion."""

    desk: Desk
    registry: MemoryRegistry
    state: MemoryStateStore

    def promote(self, version: int, actor: str, at_ms: int = AT_MS) -> None:
        promotion.promote(
            self.registry, self.state, self.registry.version(NAME, version), actor=actor, reason="for a test",
            at_ms=at_ms, note=noting(self.desk.ledger), load_scorer=LinearScorer,
        )  # fmt: skip

    def challenge(self, version: int, actor: str = RETRAINING_ACTOR, at_ms: int = AT_MS) -> None:
        promotion.challenge(
            self.registry, self.state, NAME, version, actor=actor, reason="won the gate", at_ms=at_ms,
            note=noting(self.desk.ledger),
        )  # fmt: skip

    def shadowed(self, flagged: int, champion_flagged: int = 6, count: int = 300, at_ms: int = AT_MS + 1) -> None:
        """What version 2 said beside version 1."""
        self.state.insert(SHADOW_PREDICTIONS, (
            Record(f"s{at_ms}:{i}", at_ms + i, {
                "model_name": NAME, "model_version": 2, "champion_version": 1, "ticket_id": f"t{i}", "score": 0.2,
                "champion_score": 0.2, "decision": "anomaly" if i < flagged else "normal",
                "champion_decision": "anomaly" if i < champion_flagged else "normal", "latency_ms": 0.2,
                "champion_latency_ms": 0.2, "agreed": True, "shadow": True, "review_probability": 1.0,
            }) for i in range(count)
        ))  # fmt: skip

    def answered(self, version: int, flagged: int, at_ms: int, count: int = 200) -> None:
        self.state.insert(PREDICTIONS, (
            Record(f"p{version}:{at_ms}:{i}", at_ms + i, {
                "model_name": NAME, "model_version": version, "ticket_id": f"t{i}", "latency_ms": 0.2,
                "decision": "anomaly" if i < flagged else "normal",
            }) for i in range(count)
        ))  # fmt: skip

    def look(self, hours: float = 25.0, **changes: Any) -> Checked:
        desk = replace(self.desk, clock=FixedClock(AT_MS + round(hours * HOUR_MS)), **changes)
        found = check_model(desk, NAME)
        assert found is not None
        return found

    def aliases(self) -> tuple[int | None, int | None]:
        held = [self.registry.resolve(NAME, alias) for alias in (CHAMPION, CHALLENGER)]
        champion, challenger = (None if one is None else one.version for one in held)
        return champion, challenger

    def told(self) -> list[str]:
        return [r.document["message"]["event"] for r in self.state.find(ANNOUNCEMENTS)]


def test_measurements_of_one_hour_are_one(tmp_path: Path) -> None:
    state = MemoryStateStore()
    for minutes in (0, 5, 10, 5 * 60):
        at_ms = AT_MS + 10 * HOUR_MS - minutes * 60_000
        state.put(
            MODEL_QUALITY, Record(str(minutes), at_ms, {"model_name": NAME, "model_version": 2, "lost": True})
        )
    record = AliasRecord(champion=2, crowned=Moved("promote", ROLLOUT_ACTOR, AT_MS))
    found = read_champion(
        state, "anomaly", NAME, record, Policy(), now_ms=AT_MS + 11 * HOUR_MS, promised_share=None
    )
    assert found.quality_lost == (True, True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    registry, state = MemoryRegistry(tmp_path), MemoryStateStore()
    for seed in (1, 2, 3):
        registry.register(linear_model(seed=seed), evaluation(), verdict(), {})
    desk = Desk(state, registry, Ledger(state), FixedClock(AT_MS), Policy(), load_scorer=LinearScorer)
    made = World(desk, registry, state)
    made.promote(1, "ana", AT_MS - 100 * HOUR_MS)
    yield made
    state.close()


def test_a_sound_challenger_waits_and_is_then_promoted(world: World) -> None:
    world.challenge(2)
    world.shadowed(flagged=7)
    early = world.look(hours=2.0)
    assert (early.stage, early.decision.action, world.aliases()) == ("shadow", "wait", (1, 2))
    late = world.look()
    assert (late.decision.action, late.done) == ("promote", True)
    assert world.aliases() == (2, None), "it is no challenger any more"
    assert FilePointerSource(world.registry.data_dir).current(NAME, CHALLENGER) is None
    record = read_record(world.state, NAME)
    assert record.crowned is not None
    assert (record.crowned.actor, record.previous) == (ROLLOUT_ACTOR, 1)
    assert world.told() == ["promote", "promote"]
    moves = [(e.kind, e.actor) for e in world.desk.ledger.about(NAME)][-2:]
    assert moves == [("decision", ROLLOUT_ACTOR), ("alias", ROLLOUT_ACTOR)]


def test_a_flooding_challenger_is_aborted_and_the_champion_stays(world: World) -> None:
    world.challenge(2)
    world.shadowed(flagged=280)
    found = world.look(hours=0.1)
    assert (found.decision.action, found.done, world.aliases()) == ("abort", True, (1, None))
    assert world.told()[-1] == "abort"
    again = world.look(hours=0.2)
    assert (again.stage, again.done) == ("live", False), "once"


def test_pairs_with_another_champion_do_not_count(world: World) -> None:
    world.challenge(2)
    world.shadowed(flagged=280)
    world.promote(3, RETRAINING_ACTOR, AT_MS + HOUR_MS)
    assert world.look(hours=2.0).decision.evidence["pairs"] == 0


def test_a_burning_champion_is_rolled_back_once_and_not_back_again(world: World) -> None:
    world.answered(1, flagged=4, at_ms=AT_MS - HOUR_MS)
    world.promote(2, RETRAINING_ACTOR)
    world.answered(2, flagged=150, at_ms=AT_MS + 1)
    found = world.look(hours=0.5)
    assert (found.stage, found.version, found.decision.action, found.done) == ("live", 2, "rollback", True)
    assert world.aliases() == (1, None)
    assert world.told()[-1] == "rollback"
    world.answered(1, flagged=150, at_ms=AT_MS + HOUR_MS)
    back = world.look(hours=2.0)
    assert (back.decision.action, back.done) == ("keep", False), "version 2 was given up: nothing to return to"
    assert world.aliases() == (1, None)


def test_what_a_person_promoted_is_told_and_not_undone(world: World) -> None:
    world.answered(1, flagged=4, at_ms=AT_MS - HOUR_MS)
    world.promote(2, "ana")
    world.answered(2, flagged=150, at_ms=AT_MS + 1)
    found = world.look(hours=0.5)
    assert (found.decision.action, found.done, world.aliases()) == ("rollback", False, (2, None))
    assert "ana decided" in found.decision.reasons[0]


def test_a_pin_holds_against_promotion_and_rollback(world: World) -> None:
    world.answered(1, flagged=4, at_ms=AT_MS - HOUR_MS)
    world.promote(2, RETRAINING_ACTOR)
    world.answered(2, flagged=150, at_ms=AT_MS + 1)
    promotion.pin(world.registry, world.state, NAME, actor="ana", reason="release", at_ms=AT_MS)
    assert (world.look(hours=0.5).done, world.aliases()) == (False, (2, None))


def test_a_pinned_model_keeps_its_champion_beside_a_ready_challenger(world: World) -> None:
    promotion.pin(world.registry, world.state, NAME, actor="ana", reason="release", at_ms=AT_MS)
    world.challenge(2)
    world.shadowed(flagged=7)
    found = world.look()
    assert (found.decision.action, world.aliases()) == ("wait", (1, 2))
    assert "ana pinned version 1: release" in found.decision.reasons[0]


def test_a_persons_challenger_is_judged_and_left_alone(world: World) -> None:
    world.challenge(2, actor="rui")
    world.shadowed(flagged=280)
    found = world.look(hours=0.1)
    assert (found.decision.action, found.done, world.aliases()) == ("abort", False, (1, 2))


def test_a_person_who_chose_meanwhile_ends_the_shadow_run(world: World) -> None:
    world.challenge(2)
    world.promote(3, "ana", AT_MS + HOUR_MS)
    found = world.look(hours=2.0)
    assert (found.decision.action, found.done, world.aliases()) == ("abort", True, (3, None))


def test_a_pause_holds_promotions_and_no_aborts(world: World) -> None:
    world.challenge(2)
    world.shadowed(flagged=7)
    paused = {"paused_until_ms": AT_MS + 1_000 * HOUR_MS}
    assert (world.look(**paused).decision.action, world.aliases()) == ("wait", (1, 2))
    world.shadowed(flagged=300, at_ms=AT_MS + HOUR_MS)
    assert (world.look(**paused).decision.action, world.aliases()) == ("abort", (1, None))


def test_a_challenger_that_cannot_serve_is_aborted_instead_of_promoted(world: World) -> None:
    world.challenge(2)
    world.shadowed(flagged=7)
    (world.registry.data_dir / "registered" / NAME / "2" / "policy.json").write_bytes(b"{}")
    found = world.look()
    assert (found.decision.action, found.done, world.aliases()) == ("abort", True, (1, None))
    assert "cannot serve" in found.decision.reasons[0]


def test_a_decision_on_an_old_record_is_not_carried_out(world: World) -> None:
    world.challenge(2)
    judged = read_record(world.state, NAME)
    world.promote(3, "ana", AT_MS + 1)
    with pytest.raises(Conflict, match="someone moved its aliases"):
        promotion.promote(
            world.registry, world.state, world.registry.version(NAME, 2), actor=ROLLOUT_ACTOR, reason="late",
            at_ms=AT_MS + 2, load_scorer=LinearScorer, judged=judged,
        )  # fmt: skip
    assert world.aliases()[0] == 3


def burning(world: World) -> None:
    """Version 2 is the champion, flags most tickets, and is to be rolled back to version 1."""
    world.answered(1, flagged=4, at_ms=AT_MS - HOUR_MS)
    world.promote(2, RETRAINING_ACTOR)
    world.answered(2, flagged=150, at_ms=AT_MS + 1)


def test_a_rollback_that_fails_is_told_once_and_is_a_fault_at_each_look(world: World) -> None:
    burning(world)
    (world.registry.data_dir / "registered" / NAME / "1" / "policy.json").write_bytes(b"{}")
    for hours in (0.5, 0.75):
        found = world.look(hours=hours)
        assert (found.version, found.decision.action, found.done) == (2, "rollback", False)
        assert "rollback could not be carried out" in found.fault
    assert world.aliases() == (2, None)
    assert world.told()[-1] == "rollback_failed"
    assert world.told().count("rollback_failed") == 1
    looked = world.state.get(ROLLOUT_CHECKS, NAME)
    assert looked is not None
    assert "rollback could not be carried out" in looked.document["fault"]
    decisions = [e.payload["action"] for e in world.desk.ledger.about(NAME) if e.kind == "decision"]
    assert decisions == ["rollback", "rollback failed"]
    (record,) = world.state.find(ROLLOUTS)
    assert (record.document["done"], bool(record.document["fault"])) == (False, True)


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_death_after_the_move_leaves_what_was_given_up_on_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    burning(world)
    put = world.state.put

    def dies(collection: str, record: Record) -> None:
        if collection == ROLLOUTS and record.document["done"]:
            raise Killed
        put(collection, record)

    monkeypatch.setattr(world.state, "put", dies)
    with pytest.raises(Killed):
        world.look(hours=0.5)
    monkeypatch.undo()
    assert world.aliases() == (1, None)
    assert given_up(world.state, NAME) == {2}
    world.answered(1, flagged=150, at_ms=AT_MS + HOUR_MS)
    assert world.look(hours=2.0).decision.action == "keep", "nothing good to return to"


def test_a_champion_whose_version_is_gone_is_a_fault_and_not_a_quiet_wait(world: World) -> None:
    del world.registry._held[NAME][1]
    found = world.look()
    assert (found.done, bool(found.fault)) == (False, True)
