"""Tails and distances without scipy, against scipy's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neural_hive_ml.drift.null import benjamini_hochberg
from neural_hive_ml.evaluation.chance import (
    binomial_tail,
    chi2_tail,
    kolmogorov_tail,
    t_tail,
)
from neural_hive_ml.evaluation.distances import hellinger, kolmogorov_smirnov, psi

freedoms = st.floats(0.5, 400.0)
counts = st.lists(st.integers(1, 500), min_size=2, max_size=20)


@given(st.floats(0.0, 900.0), freedoms)
def test_chi_square(x: float, freedom: float) -> None:
    assert chi2_tail(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-9, abs=1e-15)


@given(st.floats(-40.0, 40.0), freedoms)
def test_student(t: float, freedom: float) -> None:
    # Of one degree of freedom it is Cauchy's, of which scipy's own is 1e-9 off close to 0.
    known = 0.5 - math.atan(t) / math.pi if freedom == 1.0 else stats.t.sf(t, freedom)
    assert t_tail(t, freedom) == pytest.approx(known, rel=1e-9, abs=1e-15)


@given(st.floats(0.0, 6.0))
def test_kolmogorov(x: float) -> None:
    assert kolmogorov_tail(x) == pytest.approx(stats.kstwobign.sf(x), rel=1e-9, abs=1e-13)


@given(st.integers(1, 300), st.floats(0.001, 0.999), st.data())
def test_binomial(n: int, p: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    assert binomial_tail(k, n, p) == pytest.approx(stats.binom.sf(k - 1, n, p), rel=1e-8, abs=1e-14)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40), st.floats(0.001, 0.2))
def test_benjamini_hochberg(p_values: list[float], rate: float) -> None:
    adjusted = stats.false_discovery_control(p_values, method="bh")
    near = np.isclose(adjusted, rate, rtol=1e-9)
    found = benjamini_hochberg(np.array(p_values), rate)
    assert (found == (adjusted <= rate))[~near].all()


@given(counts, st.data())
def test_hellinger_is_freeman_and_tukeys_statistic(observed: list[int], data: st.DataObject) -> None:
    weights = np.array(data.draw(st.lists(st.integers(1, 50), min_size=len(observed), max_size=len(observed))))
    seen, shares = np.array(observed, dtype=float), weights / weights.sum()
    theirs = stats.power_divergence(seen, seen.sum() * shares, lambda_="freeman-tukey").statistic
    assert hellinger(seen, shares) == pytest.approx(theirs, rel=1e-9, abs=1e-8)


@given(counts, st.data())
def test_psi_is_the_sum_of_both_relative_entropies(observed: list[int], data: st.DataObject) -> None:
    weights = np.array(data.draw(st.lists(st.integers(1, 50), min_size=len(observed), max_size=len(observed))))
    # Enough rows that the half pseudo-row which keeps empty bins finite does not show.
    seen, shares = np.array(observed, dtype=float) * 1e8, weights / weights.sum()
    p = seen / seen.sum()
    theirs = stats.entropy(p, shares) + stats.entropy(shares, p)
    assert psi(seen, shares) == pytest.approx(theirs, rel=1e-5, abs=1e-7)


@given(st.integers(0, 2**32 - 1), st.integers(3, 12))
def test_kolmogorov_smirnov_of_bins_is_that_of_the_values_they_hold(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    here, there = rng.integers(0, bins, 80), rng.integers(0, bins + 1, 120).clip(0, bins - 1)
    gap = kolmogorov_smirnov(
        np.bincount(here, minlength=bins).astype(float), np.bincount(there, minlength=bins) / len(there), bins
    )
    assert gap == pytest.approx(stats.ks_2samp(here, there, method="asymp").statistic, abs=1e-12)
