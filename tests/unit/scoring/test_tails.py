"""Rarity: decimal orders of the share of rows as high, growing beyond what was ever seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neural_hive_ml.scoring.tails import LEVELS, MOST, Tails, fit_tails

SCALE = np.array([0.5])
ORDERS = -np.log10(LEVELS)


def rarity(tails: Tails, values: object) -> np.ndarray:
    return tails.rarity(np.asarray(values, dtype=float)[:, None])[:, 0]


def test_at_the_remembered_levels_it_is_their_order_of_magnitude() -> None:
    x = np.random.default_rng(0).exponential(size=20_000)
    tails = fit_tails(x[:, None], SCALE)
    share = np.array([(x >= knot).mean() for knot in tails.knots[0]])
    assert share == pytest.approx(LEVELS, abs=1e-4)
    assert rarity(tails, tails.knots[0][1:]) == pytest.approx(ORDERS[1:])


def test_it_is_close_to_the_true_tail_of_a_known_distribution() -> None:
    tails = fit_tails(np.random.default_rng(1).exponential(size=(200_000, 1)), SCALE)
    at = np.linspace(1.0, 6.0, 40)
    assert rarity(tails, at) == pytest.approx(-np.log10(stats.expon.sf(at)), abs=0.12)


@given(
    st.lists(st.floats(0, 1e6) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=60),
    st.lists(st.floats(-1e6, 1e9), min_size=2, max_size=20),
)
@settings(max_examples=100, deadline=None)
def test_higher_is_never_less_rare(seen: list[float], asked: list[float]) -> None:
    tails = fit_tails(np.array(seen)[:, None], SCALE)
    got = rarity(tails, sorted(asked))
    assert ((got >= 0) & (got <= MOST)).all()
    assert (np.diff(got) >= 0).all()
    assert not rarity(tails, [np.median(seen), min(seen)]).any() or np.median(seen) > tails.knots[0, 0]


def test_beyond_everything_seen_it_grows_by_the_scale_until_the_most() -> None:
    tails = fit_tails(np.zeros((1_000, 1)), SCALE)
    got = rarity(tails, [0.0, 1e-9, 0.5, 1.0, 1e9])
    assert got[0] == 0
    assert got[1:] == pytest.approx([4.0, 5.0, 6.0, MOST], abs=1e-6)


def test_signals_do_not_mix() -> None:
    x = np.random.default_rng(2).normal(size=(500, 3)) * [1.0, 10.0, 0.1]
    together = fit_tails(x, np.full(3, 0.5)).rarity(x)
    for j in range(3):
        assert np.array_equal(together[:, j], rarity(fit_tails(x[:, j : j + 1], SCALE), x[:, j]))


@given(st.integers(1, 5), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_the_kernel_is_the_definition_to_the_last_bit(signals: int, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Few distinct values, so that knots coincide and signals lie upon them.
    seen = np.round(rng.normal(size=(200, signals)) * rng.choice([0.0, 1.0, 5.0], signals), 1)
    tails = fit_tails(seen, np.full(signals, 0.5))
    asked = np.vstack([np.round(rng.normal(size=(rows, signals)) * 8, 1), seen[:5], np.full((1, signals), 1e300)])
    assert tails.rarity(asked).tobytes() == tails.rarity(asked, compiled=False).tobytes()
