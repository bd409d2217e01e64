"""The policy: what asks, what holds back, and what never happens whatever the history."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_hive_ml.clock import DAY_MS, HOUR_MS, WEEK_MS
from neural_hive_ml.drift.report import DriftReport, DriftStatus
from neural_hive_ml.retraining.backtest import replay
from neural_hive_ml.retraining.policy import (
    Attempt,
    DriftCheck,
    ModelSituation,
    Policy,
    QualityCheck,
    decide,
    decide_model,
)

NOW = 1_700_000_000_000
POLICY = Policy()
CALM = ModelSituation("anomaly-detector-isolation_forest", 3, NOW - 5 * DAY_MS, new_tickets=5_000)


def check(
    hours_ago: float = 0, score: float = 0.4, *, detected: bool = True, lasting: float | None = 0.4
) -> DriftCheck:
    return DriftCheck(NOW - round(hours_ago * HOUR_MS), detected, score, 3, ("retry_count",), lasting)


def quality(hours_ago: float, *, lost: bool | None = True, version: int = 3) -> QualityCheck:
    return QualityCheck(NOW - round(hours_ago * HOUR_MS), lost, 0.52, 0.75, version, "f1")


def decided(situation: ModelSituation, policy: Policy = POLICY) -> tuple[str, str, str]:
    found = decide_model(situation, policy, now_ms=NOW)
    return found.action, found.trigger, "; ".join(found.reasons)


def test_drift_that_lasts_retrains_with_its_reasons() -> None:
    action, trigger, why = decided(replace(CALM, checks=(check(),)))
    assert (action, trigger) == ("retrain", "drift")
    assert "drift that lasts, score 0.400" in why
    assert "retry_count" in why


@pytest.mark.parametrize(
    ("checks", "because"),
    [
        ((), "no drift check"),
        ((check(lasting=0.15),), "may be a burst"),
        ((check(lasting=0.0),), "may be a burst"),
        ((check(score=0.2),), "score 0.200"),
        ((check(detected=False),), "not detected"),
        ((check(lasting=None),), "1 check in a row"),
        ((replace(check(), version=2),), "no drift check"),
        ((check(lasting=None), check(6, score=0.1), check(12)), "1 check in a row"),
    ],
)
def test_what_does_not_last_or_is_small_does_not(checks: tuple[DriftCheck, ...], because: str) -> None:
    action, _, why = decided(replace(CALM, checks=checks))
    assert action == "nothing"
    assert because in why


def test_where_lasting_cannot_be_told_two_checks_in_a_row_do() -> None:
    assert decided(replace(CALM, checks=(check(lasting=None), check(6, lasting=None))))[0] == "retrain"


def test_quality_lost_twice_in_a_row_by_this_version_retrains() -> None:
    action, trigger, why = decided(replace(CALM, quality=(quality(1), quality(7))))
    assert (action, trigger) == ("retrain", "live_quality")
    assert "live quality (f1) 0.52 lost its objective 0.75 in 2 measurements in a row" in why
    assert decided(replace(CALM, quality=(quality(1),)))[0] == "nothing"
    # Checks by hand minutes apart are one measurement.
    assert decided(replace(CALM, quality=(quality(1), quality(1.1), quality(1.2))))[0] == "nothing"
    assert decided(replace(CALM, quality=(quality(1), quality(1.1), quality(7))))[0] == "retrain"
    assert decided(replace(CALM, quality=(quality(1), quality(7, version=2))))[0] == "nothing"
    assert decided(replace(CALM, quality=(quality(1), quality(7, lost=False), quality(13))))[0] == "nothing"
    # Unknown is neither lost nor kept.
    assert decided(replace(CALM, quality=(quality(1), quality(7, lost=None), quality(13))))[0] == "retrain"


def test_what_retraining_did_not_cure_waits_for_a_quiet_check_or_two_cooldowns() -> None:
    tried = replace(CALM, attempts=(Attempt(NOW - 30 * HOUR_MS, success=True),))
    drifting = replace(tried, checks=(check(), check(6), check(12)))
    assert decided(drifting)[0] == "nothing"
    assert decided(replace(drifting, checks=(check(), check(6), check(12, score=0.05))))[0] == "retrain"
    assert decided(replace(drifting, attempts=(Attempt(NOW - 49 * HOUR_MS, success=True),)))[0] == "retrain"
    losing = replace(tried, quality=(quality(1), quality(7)))
    assert decided(losing)[0] == "nothing"
    assert decided(replace(losing, quality=(quality(1), quality(7), quality(13, lost=False))))[0] == "retrain"
    assert decided(replace(losing, attempts=(Attempt(NOW - 49 * HOUR_MS, success=False),)))[0] == "retrain"


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"new_tickets": 12}, "12 new tickets"),
        ({"challenger": 4}, "version 4 is in shadow"),
        ({"attempts": (Attempt(NOW - 3 * HOUR_MS, success=False, automatic=False),)}, "cooldown"),
        ({"attempts": tuple(Attempt(NOW - d * DAY_MS, success=True) for d in (3, 4, 5))}, "weekly budget"),
    ],
)
def test_what_is_asked_for_may_have_to_wait(change: dict, because: str) -> None:
    action, trigger, why = decided(replace(CALM, checks=(check(),), **change))
    assert (action, trigger) == ("wait", "drift")
    assert because in why


def test_a_pause_holds_and_says_how_long() -> None:
    found = decide([replace(CALM, checks=(check(),))], POLICY, now_ms=NOW, paused_until_ms=NOW + 2 * HOUR_MS)
    assert (found.action, found.models) == ("wait", ())
    assert "paused retraining for 2.0 h more" in found.reasons[1]


def test_age_and_labels_ask_once_not_at_every_cooldown() -> None:
    old = replace(CALM, trained_at_ms=NOW - 40 * DAY_MS)
    assert decided(old)[:2] == ("retrain", "age")
    assert decided(replace(old, attempts=(Attempt(NOW - 2 * DAY_MS, success=True),)))[0] == "nothing"
    assert decided(replace(CALM, new_labels=200))[:2] == ("retrain", "new_labels")
    assert decided(replace(CALM, new_labels=199))[0] == "nothing"


@dataclass
class Any:
    """A world in which anything may be found at any check."""

    found: list[tuple[bool, float, float | None]]
    step: int = 0
    trained: list[int] = field(default_factory=list)

    def check(self, at_ms: int) -> DriftReport:
        detected, score, lasting = self.found[self.step % len(self.found)]
        self.step += 1
        status = DriftStatus.DRIFT if detected else DriftStatus.OK
        return DriftReport(status, score, (), 500, 9_000, 0, 1, 0.003, "hour_of_week", (), lasting)

    def retrain(self, at_ms: int) -> None:
        self.trained.append(at_ms)

    def new_tickets(self, since_ms: int, until_ms: int) -> int:
        return (until_ms - since_ms) // 60_000

    def loss(self, at_ms: int) -> float | None:
        return None


found_checks = st.tuples(st.booleans(), st.floats(0, 2), st.none() | st.floats(0, 2))


@given(
    st.lists(found_checks, min_size=1, max_size=60),
    st.integers(1, 5),
    st.integers(1, 48),
    st.sampled_from([1.0, 6.0, 24.0]),
    st.integers(0, 2**32),
)
@settings(max_examples=150, deadline=None)
def test_budget_and_cooldown_hold_whatever_is_found(
    found: list[tuple[bool, float, float | None]], budget: int, cooldown: int, step: float, seed: int
) -> None:
    np.random.default_rng(seed).shuffle(found)  # type: ignore[arg-type] # a list is shuffled in place
    world = Any(found)
    policy = Policy(weekly_budget=budget, cooldown_hours=cooldown)
    result = replay(world, policy, from_ms=NOW, until_ms=NOW + 40 * DAY_MS, step_hours=step)
    assert world.trained == [at for at, _ in result.retrains]
    for at in world.trained:
        assert sum(at - WEEK_MS < other <= at for other in world.trained) <= budget
    gaps = [b - a for a, b in zip(world.trained, world.trained[1:], strict=False)]
    assert all(gap >= cooldown * HOUR_MS for gap in gaps)
