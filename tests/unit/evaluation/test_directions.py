"""Directions in which a feature may move, and what quiet windows leave of their freedom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neural_hive_ml.evaluation.binning import Binning
from neural_hive_ml.evaluation.directions import directions, effective_freedom, quiet_shifts, shifts
from neural_hive_ml.evaluation.distances import expect


def moved(scores: np.ndarray, reference: np.ndarray, window: np.ndarray) -> np.ndarray:
    expected = expect(reference[None], window.sum(keepdims=True))
    return shifts(scores, window, expected.shares, float(window.sum()), expected.effective_rows)


@given(st.integers(0, 2**32 - 1), st.integers(3, 12))
def test_a_numbers_direction_is_mann_and_whitneys_probability(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    before, now = rng.integers(0, bins, 150), rng.integers(0, bins + 1, 90).clip(0, bins - 1)
    binning = Binning("numeric", tuple(np.arange(1.0, bins)), 0.0, float(bins))
    reference = np.bincount(before, minlength=bins + 1).astype(float)
    ridits = directions(binning, reference)[0]
    theirs = stats.mannwhitneyu(now, before).statistic / (len(now) * len(before))
    assert ridits[now].mean() == pytest.approx(theirs, abs=1e-12)


def test_a_category_moves_by_every_value_but_the_most_frequent_one() -> None:
    found = directions(Binning("category", (1.0, 2.0, 5.0), 1.0, 5.0), np.array([10.0, 70.0, 20.0, 0.0, 3.0]))
    assert found.tolist() == [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1]]


def test_shifts_of_independent_rows_are_standard_normal() -> None:
    rng = np.random.default_rng(1)
    binning = Binning("numeric", tuple(np.arange(1.0, 10.0)), 0.0, 10.0)
    shares = np.array([*rng.dirichlet(np.full(10, 5.0)) * 0.9, 0.1])
    found = []
    for _ in range(2_000):
        reference = rng.multinomial(3_000, shares).astype(float)
        scores = directions(binning, reference)
        window = rng.multinomial(400, shares).astype(float)
        found.append(moved(scores, reference, window))
    assert np.mean(found, axis=0) == pytest.approx([0.0, 0.0], abs=0.1)
    assert np.std(found, axis=0) == pytest.approx([1.0, 1.0], abs=0.06)


def test_a_direction_with_hardly_any_rows_says_nothing() -> None:
    binning = Binning("category", (0.0, 1.0), 0.0, 1.0)
    reference = np.array([5_000.0, 40.0, 0.0, 0.0])
    found = moved(directions(binning, reference), reference, np.array([300.0, 3.0, 0.0, 0.0]))
    assert np.isnan(found).all()
    assert quiet_shifts(6, 303.0, np.tile(found, (9, 1)), np.arange(9), 5).freedom == (0.0, 0.0)


@given(
    st.lists(st.floats(-50.0, 50.0, allow_subnormal=False), min_size=2, max_size=40),
    st.integers(1, 9),
)
def test_freedom_lies_between_that_of_groups_and_that_of_values(values: list[float], size: int) -> None:
    groups = np.arange(len(values)) // size
    found = effective_freedom(np.array(values), groups)
    assert len(set(groups.tolist())) - 1 <= found <= len(values) - 1


def test_freedom_is_that_of_the_variances_own_scatter() -> None:
    """A variance of f degrees of freedom has a relative variance of 2 / f, whatever hides behind f."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(12), 6)
    for of_groups in (0.0, 1.0, 3.0):
        drawn = [
            rng.normal(size=12)[groups] * np.sqrt(of_groups) + rng.normal(size=len(groups)) for _ in range(3_000)
        ]
        variances = np.array([values.var(ddof=1) for values in drawn])
        known = 2.0 * variances.mean() ** 2 / variances.var()
        told = np.median([effective_freedom(values, groups) for values in drawn[:500]])
        assert told == pytest.approx(known, rel=0.25)
