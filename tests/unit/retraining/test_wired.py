"""The whole path as the CronJob runs it: drift, decision, claim, training through the flow, shadow; and what may stop it."""

import copy
import shutil
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.registry import verdict
from tests.support.trained import NEW_YEAR_2013_MS

from neural_hive_ml.automation import by_hand, desk_of, scheduled
from neural_hive_ml.clock import DAY_MS, HOUR_MS, FixedClock, iso
from neural_hive_ml.conventions import (
    DRIFT_RECORDS,
    JOB_RUNS,
    PREDICTIONS,
    RETRAINING_CLAIMS,
    RETRAINING_EVENTS,
    TRAINING_ACTOR,
)
from neural_hive_ml.errors import Conflict
from neural_hive_ml.flow import Rules, Workspace, _go_live, train
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.alias_record import alias_lease, read_record
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.registry.promotion import challenge
from neural_hive_ml.retraining.control import Pause, set_pause
from neural_hive_ml.retraining.events import TrainingOutcome
from neural_hive_ml.retraining.job import CycleResult, Desk, run_cycle
from neural_hive_ml.settings import load_settings
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.memory import MemoryTicketStore
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.request import TrainingRequest

NAME = "scheduling-predictor-xgboost"
CHANGED_MS, NOW_MS = NEW_YEAR_2013_MS + 28 * DAY_MS, NEW_YEAR_2013_MS + 60 * DAY_MS


def american() -> Iterator[Ticket]:
    return (t for t in sample_tickets(until_ms=NOW_MS + 3 * DAY_MS) if t.owner == "AA")


def run_as_told(tickets: Iterable[Ticket]) -> Iterator[Ticket]:
    """Tickets whose tasks take each its own time, longer from Thursday to Saturday, and twice as long since the change."""
    rng, own = np.random.default_rng(7), {}
    for t in tickets:
        if t.started_at is None or t.completed_at is None:
            yield t
            continue
        took = own.setdefault(t.task_id, 60_000 * (1 + len(own) % 7)) * (2 if t.created_at >= CHANGED_MS else 1)
        took = round(took * (1.15 if t.created_at // DAY_MS % 7 < 3 else 1.0) * rng.normal(1.0, 0.02))
        yield replace(t, actual_duration_ms=took, completed_at=t.started_at + took)


@dataclass
class World:
    """Two months of tickets, of which the champion learned the first four weeks."""

    workspace: Workspace
    folder: Path

    def desk(self, **changes: Any) -> Desk:
        told = {"FLOOR_PROFILE": "relative", "ROLLOUT_MODE": "auto", "HIVE_DATA_DIR": str(self.folder)}
        return replace(
            desk_of(load_settings(told), self.workspace, lambda _: None), patience_seconds=0.0, **changes
        )

    def cycle(self, as_of_ms: int = NOW_MS, *, dry_run: bool = False, **changes: Any) -> CycleResult:
        return run_cycle(self.desk(**changes), as_of_ms=as_of_ms, dry_run=dry_run)

    def asked(self, as_of_ms: int = NOW_MS) -> TrainingRequest:
        return TrainingRequest("scheduling", as_of_ms, min_samples=500, threads=1, algorithm="xgboost")

    def events(self) -> list[dict[str, Any]]:
        return [dict(r.document) for r in self.workspace.state.find(RETRAINING_EVENTS)]

    def runs(self) -> list[str]:
        return [r.document["outcome"] for r in self.workspace.state.find(JOB_RUNS, where={"job": "drift"})]

    def at(self, now_ms: int) -> None:
        self.workspace = replace(self.workspace, clock=FixedClock(now_ms))

    def pause(self) -> None:
        held = Pause(NOW_MS + DAY_MS, "ana", "release freeze")
        set_pause(self.workspace.state, self.workspace.ledger, held, at_ms=NOW_MS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryTicketStore, MemoryRegistry]:
    """The tickets, and a folder with state and registry in which the champion was trained and promoted."""
    store, folder = MemoryTicketStore(), tmp_path_factory.mktemp("trained")
    store.upsert(run_as_told(american()))
    state, registry = EmbeddedStateStore(folder / "state.db"), MemoryRegistry(folder)
    made = World(Workspace(store, state, registry, Ledger(state), FixedClock(CHANGED_MS)), folder)
    (first,) = train(
        [made.asked(CHANGED_MS)], made.workspace, Rules("relative", promote_if_better=True), lambda _: None
    )
    assert first.promoted, first
    answered = {"model_name": NAME, "model_version": 1, "ticket_id": "t", "latency_ms": 1.0}
    state.put(PREDICTIONS, Record("p1", NOW_MS - 1_000, answered))
    state.close()
    return store, registry


@pytest.fixture
def world(trained: tuple[MemoryTicketStore, MemoryRegistry], tmp_path: Path) -> Iterator[World]:
    store, made = trained
    folder = tmp_path / "world"
    shutil.copytree(made.data_dir, folder)
    registry = copy.deepcopy(made)
    registry.data_dir = folder
    state = EmbeddedStateStore(folder / "state.db")
    yield World(Workspace(store, state, registry, Ledger(state), FixedClock(NOW_MS)), folder)
    state.close()


def test_drift_is_claimed_trained_and_runs_in_shadow_and_is_not_answered_twice(world: World) -> None:
    state = world.workspace.state
    dry = world.cycle(dry_run=True)
    assert dry.decision is not None
    assert dry.decision.models == (NAME,), "a dry run decides on what it found, not on old records"
    assert (state.count(DRIFT_RECORDS), world.events(), world.runs()) == (0, [], [])
    done = world.cycle()
    assert done.decision is not None
    assert done.decision.reasons == dry.decision.reasons
    (outcome,) = done.outcomes
    assert (outcome.success, outcome.promoted, outcome.shadow, outcome.version) == (True, False, True, 2)
    record = read_record(state, NAME)
    assert (record.champion, record.challenger) == (1, 2)
    (event,) = world.events()
    assert (event["trigger"], event["success"], event["shadow"]) == ("drift", True, True)
    # The event and the check that it answers name each other.
    found = state.get(DRIFT_RECORDS, event["triggered_by_drift_event"])
    assert found is not None
    assert (found.document["retraining_triggered"], found.document["retraining_triggered_at"]) == (
        True,
        iso(NOW_MS),
    )
    assert [c.document["status"] for c in state.find(RETRAINING_CLAIMS)] == ["succeeded"]
    kinds = [e.kind for e in world.workspace.ledger.about(NAME)]
    told = [kind for kind in kinds if kind not in {"data_read", "run"}]
    assert told[-4:] == ["drift", "gate", "alias", "retraining"]
    # Days later the drift is still there: its answer is in shadow, and is judged before another one is trained.
    later = world.cycle(NOW_MS - 1)
    assert later.outcomes == ()
    reports = world.cycle(NOW_MS + 49 * HOUR_MS).decision
    assert reports is not None
    assert reports.action != "retrain"
    # Nor does the weekly training put it aside.
    with scheduled(world.workspace) as attend:
        (weekly,) = train(
            [world.asked()], world.workspace, Rules(actor=TRAINING_ACTOR), lambda _: None, attend=attend
        )
    assert (weekly.status, "version 2 is in shadow" in weekly.error) == ("held", True)


class Died(BaseException):
    """Stands for the end of the process: no handler of errors sees it."""


def test_a_training_that_kills_its_process_is_an_attempt_and_a_failure_on_record(world: World) -> None:
    begun: list[int] = []

    def die(_name: str, as_of_ms: int, _seconds: float) -> Any:
        begun.append((as_of_ms - NOW_MS) // HOUR_MS)
        raise Died

    for hours in range(-48, 6, 6):
        world.at(NOW_MS + hours * HOUR_MS)
        try:
            world.cycle(world.workspace.clock.now_ms(), train=die)
        except Died:
            continue
    # Two tries of the first trigger; then the drift is disarmed for two cooldowns, as after any attempt.
    assert begun == [-48, -42, 0]
    (event,) = world.events()
    assert (event["success"], event["tries"], "ended its process 2 times" in event["error"]) == (False, 2, True)
    assert world.runs()[:2] == ["failed", "failed"], "both deaths are on record, by the runs that found them"
    found = world.workspace.state.find(RETRAINING_CLAIMS)
    assert [c.document["status"] for c in found] == ["failed", "running"]


def test_a_pause_holds_what_a_dead_run_had_begun_and_the_weekly_training(world: World) -> None:
    def die(*_: Any) -> Any:
        raise Died

    with pytest.raises(Died):
        world.cycle(train=die)
    world.pause()
    paused = world.cycle(train=die)
    assert paused.outcomes == ()
    assert [c.document["status"] for c in world.workspace.state.find(RETRAINING_CLAIMS)] == ["running"]
    rules = Rules("relative", promote_if_better=True, actor=TRAINING_ACTOR)
    with scheduled(world.workspace) as attend:
        (held,) = train([world.asked()], world.workspace, rules, lambda _: None, attend=attend)
    assert (held.status, "paused until" in held.error) == ("held", True)
    # A winner whose training had begun before the pause is registered and goes no further; a person's does.
    made = world.workspace
    first = made.registry.version(NAME, 1)
    assert _go_live(first, verdict(), made, rules, lambda _: None) == "held"
    assert _go_live(first, verdict(), made, replace(rules, actor="ana"), lambda _: None) == "direct"


def test_the_weekly_and_a_persons_trainings_are_on_record_beside_the_policys(world: World) -> None:
    rules = Rules("relative", promote_if_better=True, actor=TRAINING_ACTOR)
    with scheduled(world.workspace) as attend:
        (weekly,) = train([world.asked()], world.workspace, rules, lambda _: None, attend=attend)
        again = attend(world.asked(), lambda: pytest.fail("it was claimed"))
    assert weekly.promoted
    assert again.status == "held"
    attend = by_hand(world.workspace, "operator", lambda _: None)
    attend(world.asked(), lambda: weekly)
    attend(world.asked(), lambda: replace(weekly, status="failed"))
    assert [(e["trigger"], e["success"], e["version"]) for e in world.events()] == [
        ("manual", True, 2),
        ("schedule", True, 2),
    ]
    waiting = world.cycle().decision
    assert waiting is not None
    assert waiting.action != "retrain"


def test_who_moves_an_alias_delays_that_model_and_not_the_job(world: World) -> None:
    with alias_lease(world.workspace.state, "load-predictor-60m", NOW_MS):
        found = world.cycle(train=lambda name, *_: TrainingOutcome(name, success=True))
    assert (found.held_elsewhere, [o.success for o in found.outcomes]) == ("", [True])
    assert world.runs() == ["succeeded"]
    world.workspace.state.acquire("retraining", "other", now_ms=NOW_MS, ttl_ms=1_000)
    assert "held by other" in world.cycle().held_elsewhere


def test_the_time_of_a_cycle_is_for_all_of_its_trainings(world: World) -> None:
    spent = world.cycle(train=lambda *_: pytest.fail("no time is left"), train_seconds=0.0)
    assert spent.outcomes == ()
    assert world.workspace.state.count(RETRAINING_CLAIMS) == 0, "the next run decides anew"
    told: list[float] = []

    def slow(_name: str, _as_of_ms: int, seconds: float) -> Any:
        told.append(seconds)
        return desk.train(NAME, NOW_MS, 0.05)

    desk = world.desk()
    (late,) = world.cycle(train=slow).outcomes
    assert told == [3600.0]
    assert (late.success, "took more than" in late.error) == (False, True)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_cycle_that_lost_its_lease_trains_nothing(world: World) -> None:
    """Another run took over meanwhile, and is done: what this one knows is old."""
    state = world.workspace.state

    def taken_over() -> tuple[str, ...]:
        late = FixedClock(NOW_MS + HOUR_MS)
        state.release(state.acquire("retraining", "other", now_ms=late.now_ms(), ttl_ms=1_000))
        return ()

    with pytest.raises(Conflict, match="ran out"):
        world.cycle(rollout=taken_over, train=lambda *_: pytest.fail("the lease is lost"))
    assert world.runs() == ["failed"]


def test_a_persons_challenger_is_not_put_aside_either(world: World) -> None:
    made = world.workspace
    challenge(made.registry, made.state, NAME, 1, actor="ana", reason="to compare", at_ms=NOW_MS)
    decision = world.cycle(train=lambda *_: pytest.fail("a version is in shadow")).decision
    assert decision is not None
    assert (decision.action, "version 1 is in shadow" in decision.reasons[-1]) == ("wait", True)
