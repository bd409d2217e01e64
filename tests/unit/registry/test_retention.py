"""Which versions may go: the pure decision and what it deletes."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.support.registry import NAME, LinearScorer, evaluation, linear_model, verdict

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.conventions import CHALLENGER
from neural_hive_ml.registry import promotion
from neural_hive_ml.registry.alias_record import AliasRecord, Pending, Pin
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.registry.port import ModelVersion
from neural_hive_ml.registry.retention import Retention, plan, prune
from neural_hive_ml.state.memory import MemoryStateStore

NOW_MS = 1_700_000_000_000


def version(number: int, age_days: float = 100, aliases: tuple[str, ...] = ()) -> ModelVersion:
    return ModelVersion(NAME, number, "", "", NOW_MS - int(age_days * DAY_MS), aliases)


def kept(versions: list[ModelVersion], record: AliasRecord, last: int = 1, days: float = 7) -> dict[int, str]:
    planned = plan(versions, record, Retention(last, days), now_ms=NOW_MS)
    return {k.version.version: k.why for k in planned if k.kept}


def test_each_reason_to_keep_is_named() -> None:
    record = AliasRecord(
        champion=1,
        previous=2,
        challenger=3,
        pin=Pin(4, "ana", "", 0),
        pending=Pending("promote", 5, "ana", "", 0, 1),
    )
    versions = [version(n) for n in range(1, 9)] + [version(9, age_days=6), version(10, 1)]
    versions[5] = version(6, aliases=("shadow",))

    assert kept(versions, record) == {
        1: "champion",
        2: "previous champion",
        3: "challenger",
        4: "pinned",
        5: "being promoted",
        6: "shadow",
        9: "younger than 7 days",
        10: "one of the newest 1",
    }


@given(
    ages=st.lists(st.floats(0, 400), min_size=1, max_size=30),
    last=st.integers(1, 12),
    days=st.floats(0, 60),
    champion=st.integers(1, 30),
)
def test_never_less_than_asked_for_and_never_the_champion(
    ages: list[float], last: int, days: float, champion: int
) -> None:
    versions = [version(n, age) for n, age in enumerate(ages, start=1)]

    held = kept(versions, AliasRecord(champion=champion), last, days)

    assert len(held) >= min(last, len(versions))
    assert champion in held or champion > len(versions)
    assert all(v.version in held for v in versions if (NOW_MS - v.created_at_ms) / DAY_MS < days)


def test_pruning_deletes_what_the_plan_lets_go_and_a_dry_run_nothing(tmp_path: Path) -> None:
    registry, state = MemoryRegistry(tmp_path), MemoryStateStore()
    for seed in range(1, 7):
        registry.register(linear_model(seed=seed), evaluation(), verdict(), {})
    who = {"actor": "ana", "reason": "test", "at_ms": NOW_MS}
    for number in (1, 2):
        found = registry.version(NAME, number)
        promotion.promote(registry, state, found, load_scorer=LinearScorer, **who)
    promotion.challenge(registry, state, NAME, 3, **who)

    prune(registry, state, NAME, Retention(1, 1), now_ms=NOW_MS, dry_run=True)
    assert len(registry.versions(NAME)) == 6
    prune(registry, state, NAME, Retention(1, 1), now_ms=NOW_MS)

    assert [v.version for v in registry.versions(NAME)] == [6, 3, 2, 1]
    assert registry.resolve(NAME, CHALLENGER) is not None
    state.close()
