"""The champion moves at one point; whatever breaks around it is mended at the next start."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.registry import NAME, LinearScorer, evaluation, linear_model, verdict

from neural_hive_ml.conventions import CHALLENGER, CHAMPION, PREVIOUS
from neural_hive_ml.errors import ArtifactRefused, Conflict, NotFound
from neural_hive_ml.registry import promotion
from neural_hive_ml.registry.alias_desk import AliasMove
from neural_hive_ml.registry.alias_record import LEASE_MS, read_record
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.registry.port import ModelVersion
from neural_hive_ml.registry.published import FilePointerSource
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.state.port import StateStore

AT_MS = 1_700_000_000_000
WHO: dict[str, Any] = {"actor": "ana", "reason": "better on Mondays", "at_ms": AT_MS}


@pytest.fixture
def registry(tmp_path: Path) -> MemoryRegistry:
    registry = MemoryRegistry(tmp_path)
    for seed in (1, 2, 3):
        registry.register(linear_model(seed=seed), evaluation(), verdict(), {})
    return registry


@pytest.fixture
def state() -> Iterator[StateStore]:
    store = MemoryStateStore()
    yield store
    store.close()


def promote(registry: MemoryRegistry, state: StateStore, number: int, **more: Any) -> AliasMove:
    version = registry.version(NAME, number)
    return promotion.promote(registry, state, version, load_scorer=LinearScorer, **{**WHO, **more})


def alias(registry: MemoryRegistry, name: str) -> int | None:
    held = registry.resolve(NAME, name)
    return None if held is None else held.version


def published(registry: MemoryRegistry, name: str = CHAMPION) -> int | None:
    found = FilePointerSource(registry.data_dir).current(NAME, name)
    return None if found is None else found.version


def test_a_promotion_moves_everything_in_step(registry: MemoryRegistry, state: StateStore) -> None:
    notes: list[AliasMove] = []
    promote(registry, state, 1, note=notes.append)
    move = promote(registry, state, 2, note=notes.append)

    assert (alias(registry, CHAMPION), alias(registry, PREVIOUS), published(registry)) == (2, 1, 2)
    assert [v.stage for v in registry.versions(NAME)] == ["None", "Production", "Archived"]
    assert (move.kind, move.version, move.previous, move.actor, move.reason) == (
        "promote",
        2,
        1,
        "ana",
        "better on Mondays",
    )
    assert [n.version for n in notes] == [1, 2]
    assert notes[1].token > notes[0].token


def test_promoting_the_champion_again_changes_nothing(registry: MemoryRegistry, state: StateStore) -> None:
    promote(registry, state, 1)
    promote(registry, state, 2)
    promote(registry, state, 2)

    assert (alias(registry, CHAMPION), alias(registry, PREVIOUS)) == (2, 1)


def test_a_rollback_returns_and_can_be_undone(registry: MemoryRegistry, state: StateStore) -> None:
    promote(registry, state, 1)
    promote(registry, state, 2)

    back = promotion.rollback(registry, state, NAME, load_scorer=LinearScorer, **WHO)
    assert (back.kind, alias(registry, CHAMPION), alias(registry, PREVIOUS), published(registry)) == (
        "rollback",
        1,
        2,
        1,
    )
    promotion.rollback(registry, state, NAME, load_scorer=LinearScorer, **WHO)
    assert (alias(registry, CHAMPION), alias(registry, PREVIOUS)) == (2, 1)
    promotion.rollback(registry, state, NAME, to=3, load_scorer=LinearScorer, **WHO)
    assert (alias(registry, CHAMPION), alias(registry, PREVIOUS)) == (3, 2)


def test_there_is_nothing_to_roll_back_to_at_first(registry: MemoryRegistry, state: StateStore) -> None:
    promote(registry, state, 1)

    with pytest.raises(NotFound, match="--to VERSION"):
        promotion.rollback(registry, state, NAME, load_scorer=LinearScorer, **WHO)


def test_a_pinned_model_stays_until_it_is_unpinned(registry: MemoryRegistry, state: StateStore) -> None:
    promote(registry, state, 1)
    promotion.pin(registry, state, NAME, **WHO)

    with pytest.raises(Conflict, match=r"pinned to version 1 by ana: better on Mondays.*unpin"):
        promote(registry, state, 2)
    assert (alias(registry, CHAMPION), published(registry)) == (1, 1)
    promote(registry, state, 1)
    assert promotion.unpin(registry, state, NAME, **WHO) is not None
    assert promotion.unpin(registry, state, NAME, **WHO) is None
    promote(registry, state, 2)
    assert alias(registry, CHAMPION) == 2


def test_a_challenger_is_published_beside_the_champion(registry: MemoryRegistry, state: StateStore) -> None:
    promote(registry, state, 1)

    promotion.challenge(registry, state, NAME, 3, **WHO)
    assert (published(registry), published(registry, CHALLENGER)) == (1, 3)
    promotion.challenge(registry, state, NAME, None, **WHO)
    assert published(registry, CHALLENGER) is None


def test_an_artifact_that_cannot_serve_is_not_promoted(registry: MemoryRegistry, state: StateStore) -> None:
    promote(registry, state, 1)
    model = linear_model(seed=9)
    wrong = replace(model, golden=replace(model.golden, expected=model.golden.expected + 1e-6))
    bad = registry.register(wrong, evaluation(), verdict(), {})

    with pytest.raises(ArtifactRefused, match="golden rows"):
        promote(registry, state, bad.version)
    assert (alias(registry, CHAMPION), alias(registry, PREVIOUS), published(registry)) == (1, None, 1)
    assert read_record(state, NAME).pending is None


def test_two_processes_cannot_move_at_once(registry: MemoryRegistry, state: StateStore) -> None:
    held = state.acquire(f"aliases:{NAME}", "another process", now_ms=AT_MS, ttl_ms=LEASE_MS)

    with pytest.raises(Conflict):
        promote(registry, state, 1)
    assert alias(registry, CHAMPION) is None
    state.release(held)
    promote(registry, state, 1)
    assert alias(registry, CHAMPION) == 1


def test_a_champion_chosen_outside_is_adopted(registry: MemoryRegistry, state: StateStore) -> None:
    promote(registry, state, 1)
    registry.move_alias(NAME, CHAMPION, 3)  # somebody's hand in MLflow's page

    (move,) = promotion.reconcile(registry, state, [NAME], at_ms=AT_MS)

    assert (move.kind, move.version, move.previous) == ("adopt", 3, 1)
    assert (alias(registry, PREVIOUS), published(registry)) == (1, 3)
    assert promotion.reconcile(registry, state, [NAME], at_ms=AT_MS) == ()


def test_a_champion_taken_away_outside_is_noticed(registry: MemoryRegistry, state: StateStore) -> None:
    promote(registry, state, 1)
    registry.move_alias(NAME, CHAMPION, None)

    (move,) = promotion.reconcile(registry, state, [NAME], at_ms=AT_MS)

    assert (move.kind, move.version, move.previous) == ("adopt", None, 1)
    assert published(registry) is None
    promotion.rollback(registry, state, NAME, load_scorer=LinearScorer, **WHO)
    assert alias(registry, CHAMPION) == 1


def test_all_is_well_is_no_move(registry: MemoryRegistry, state: StateStore) -> None:
    promote(registry, state, 1)

    assert promotion.reconcile(registry, state, [NAME, "never-heard-of"], at_ms=AT_MS) == ()


class Dies(Exception):
    """The process ends here."""


class Mortal:
    """A registry or state store whose process dies before its n-th write."""

    WRITES = ("move_alias", "publish", "put", "replace", "insert")

    def __init__(self, real: Any, lives: list[int]) -> None:
        self._real, self._lives = real, lives

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        if name not in self.WRITES:
            return method

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._lives[0] -= 1
            if self._lives[0] < 0:
                raise Dies
            return method(*args, **kwargs)

        return counted


@pytest.mark.parametrize("lives", range(7))
def test_death_at_any_step_is_mended_at_the_next_start(
    registry: MemoryRegistry, state: StateStore, lives: int
) -> None:
    promote(registry, state, 1)
    left = [lives]
    notes: list[AliasMove] = []
    died = False
    try:
        promotion.promote(
            Mortal(registry, left), Mortal(state, left), registry.version(NAME, 2), note=notes.append,
            load_scorer=LinearScorer, **WHO,
        )  # fmt: skip
    except Dies:
        died = True

    promotion.reconcile(registry, state, [NAME], at_ms=AT_MS + LEASE_MS + 1, note=notes.append)

    # intent (1), commit (2), previous (3), publish (4), record (5): before the commit nothing, after it all
    committed = lives >= 2
    assert died == (lives < 5)
    assert alias(registry, CHAMPION) == (2 if committed else 1)
    assert alias(registry, PREVIOUS) == (1 if committed else None)
    assert published(registry) == (2 if committed else 1)
    assert registry.version(NAME, 2).stage == ("Production" if committed else "None")
    assert {(n.kind, n.version, n.previous, n.actor) for n in notes} == (
        {("promote", 2, 1, "ana")} if committed else set()
    )
    assert len({(n.name, n.token, n.kind) for n in notes}) == committed
    record = read_record(state, NAME)
    assert (record.champion, record.previous, record.pending) == ((2, 1, None) if committed else (1, None, None))


def test_a_sleeper_who_wakes_after_being_overtaken_undoes_its_own_move(
    registry: MemoryRegistry, state: StateStore
) -> None:
    promote(registry, state, 1)
    later = AT_MS + LEASE_MS + 1

    class Sleeper:
        """Falls asleep just before the commit point, for longer than its lease."""

        def __init__(self) -> None:
            self.slept = False

        def __getattr__(self, name: str) -> Any:
            if name == "move_alias" and not self.slept:
                self.slept = True
                promote(registry, state, 3, actor="bea", at_ms=later)
            return getattr(registry, name)

    with pytest.raises(Conflict):
        promotion.promote(Sleeper(), state, version(registry, 2), load_scorer=LinearScorer, **WHO)

    assert (alias(registry, CHAMPION), published(registry)) == (3, 3)
    assert registry.version(NAME, 3).stage == "Production"
    assert read_record(state, NAME).champion == 3


def version(registry: MemoryRegistry, number: int) -> ModelVersion:
    return registry.version(NAME, number)
