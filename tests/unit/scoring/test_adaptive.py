"""The interval that follows the world: long-run coverage whatever comes, labels at completion only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_hive_ml.scoring.adaptive import AdaptiveInterval, adapted

HOUR_MS = 3_600_000


def drifting(n: int = 6_000, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log run times whose level rises and whose spread doubles halfway, with an interval that knows nothing of it."""
    rng = np.random.default_rng(seed)
    created = np.sort(rng.integers(0, 60 * 24 * HOUR_MS, n))
    late = np.arange(n) > n // 2
    truth = 10.0 + np.where(late, 0.8, 0.0) + rng.normal(0, np.where(late, 1.0, 0.5))
    quantiles = np.tile(10.0 + 0.5 * np.array([-1.2816, 0.0, 1.2816]), (n, 1))
    return quantiles, truth, created, created + np.expm1(truth).astype(np.int64)


def covered(quantiles: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean((truth >= quantiles[:, 0]) & (truth <= quantiles[:, 2])))


def test_a_fixed_interval_loses_its_coverage_and_the_adaptive_one_does_not() -> None:
    quantiles, truth, created, ended = drifting()
    assert covered(quantiles, truth) < 0.7
    moved = adapted(quantiles, truth, created, ended, 0.02)
    assert 0.78 <= covered(moved, truth) <= 0.82
    assert np.array_equal(moved[:, 1], quantiles[:, 1])
    assert np.array_equal(adapted(quantiles, truth, created, ended, 0.0), quantiles)


def test_what_has_not_ended_moves_nothing() -> None:
    quantiles, truth, created, _ = drifting(400)
    never = np.full(400, created.max() + 1)
    assert np.array_equal(adapted(quantiles, truth, created, never, 0.1), quantiles)
    one = never.copy()
    one[7] = created[200]
    moved = adapted(quantiles, truth, created, one, 0.1)
    assert np.array_equal(moved[:200], quantiles[:200])
    assert not np.array_equal(moved[200:], quantiles[200:])


@pytest.mark.parametrize("later", [50, 399])
def test_the_future_changes_no_answer_before_it(later: int) -> None:
    quantiles, truth, created, ended = drifting(400)
    changed = truth.copy()
    unknown = ended > created[later]
    changed[unknown] += 9.0
    before = created <= created[later]
    same = (
        adapted(quantiles, truth, created, ended, 0.1)[before]
        == adapted(quantiles, changed, created, ended, 0.1)[before]
    )
    assert same.all()


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=200), st.floats(0.001, 1.0))
def test_the_ends_never_cross_and_stay_bounded(durations: list[float], step: float) -> None:
    interval = AdaptiveInterval(step)
    for i, duration in enumerate(durations):
        low, middle, high = interval.apply(str(i), np.array([-1.0, 0.0, 1.0]))
        assert low <= middle <= high
        interval.ended(str(i), duration)
        interval.ended(str(i), duration)
        interval.ended("never predicted", duration)
    assert max(abs(interval.low), abs(interval.high)) <= 5.0
    assert not interval.open


def test_open_tickets_are_bounded() -> None:
    interval = AdaptiveInterval(0.1)
    for i in range(100_050):
        interval.apply(str(i), np.zeros(3))
    assert len(interval.open) == 100_000
    assert "0" not in interval.open
