"""Duration quantiles: ordered whatever comes, calibrated on what no tree has seen, refused when damaged."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.trained import duration_candidate

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.features.spec import CREATION_COUNT, FEATURES, INDEX
from neural_hive_ml.scoring.duration import DurationQuantiles, DurationScorer
from neural_hive_ml.training.quantiles import conformal

LOW, HIGH = np.array([f.low for f in FEATURES]), np.array([f.high for f in FEATURES])


def scorer() -> DurationScorer:
    return DurationScorer.load(duration_candidate().model)


@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
)
@settings(max_examples=60, deadline=None)
def test_quantiles_are_ordered_finite_and_plausible(seed: int, weight: float, widen: tuple[float, float]) -> None:
    rows = np.random.default_rng(seed).uniform(LOW, HIGH, size=(20, len(FEATURES)))
    quantiles = replace(scorer().quantiles, weight=weight, widen=widen)
    forecast = DurationScorer(quantiles, scorer().binding).forecast(rows)
    assert (np.diff(forecast, axis=1) >= 0).all()
    assert ((forecast >= 0) & (forecast < 11 * 366 * 86_400_000.0)).all()


def test_the_mix_is_the_weighted_mean_of_both_ways() -> None:
    whole = replace(scorer().quantiles, widen=(0.0, 0.0))
    rows = duration_candidate().model.golden.rows
    assert whole.direct is not None
    assert whole.relative is not None
    alone = [replace(whole, weight=w).log_quantiles(rows)[:, 1] for w in (0.0, 1.0)]
    x = rows[:, :CREATION_COUNT]
    assert alone[0] == pytest.approx(whole.direct.margin(x)[:, 1].astype(float))
    assert alone[1] == pytest.approx(whole.relative.margin(x)[:, 1] + rows[:, INDEX["same_fast_mean"]])
    assert whole.log_quantiles(rows)[:, 1] == pytest.approx((alone[0] + alone[1]) / 2)
    one = replace(whole, direct=None, weight=1.0)
    assert np.array_equal(one.log_quantiles(rows)[:, 1], alone[1])


def test_only_what_is_known_at_creation_is_read() -> None:
    rows = duration_candidate().model.golden.rows.copy()
    before = scorer().forecast(rows)
    rows[:, CREATION_COUNT:] = 1e9
    assert np.array_equal(before, scorer().forecast(rows))
    assert np.array_equal(before, scorer().forecast(rows[:, :CREATION_COUNT]))


def test_golden_rows_are_reproduced() -> None:
    golden = duration_candidate().model.golden
    assert np.abs(scorer().reproduce(golden.rows) - golden.expected).max() <= golden.tolerance


@pytest.mark.parametrize("n", [9, 40, 333])
def test_conformal_holds_on_new_rows_of_the_same_kind(n: int) -> None:
    """Split conformal: over many draws at least nine in ten new outcomes lie on the right side of each bound."""
    random = np.random.default_rng(n)
    above, below, rounds = 0, 0, 3_000
    for _ in range(rounds):
        truth, new = random.normal(size=n), random.normal()
        low, high = conformal(truth, np.zeros((n, 3)))
        above += new >= -low
        below += new <= high
    assert min(above, below) / rounds >= 0.9 - 3 * np.sqrt(0.09 / rounds)
    if n >= 40:
        assert max(above, below) / rounds <= 0.95
    assert conformal(np.zeros(0), np.zeros((0, 3))) == (0.0, 0.0)


@pytest.mark.parametrize(
    "damage",
    [
        lambda a: a.pop("duration.mix"),
        lambda a: a.pop("duration.direct.roots"),
        lambda a: a.pop("duration.relative.leaf"),
        lambda a: a.update({"duration.mix": np.array([0.5, 0.0])}),
        lambda a: a.update({"duration.mix": np.array([np.nan, 0.0, 0.0])}),
        lambda a: a.update({"duration.mix": np.array([0.5, np.inf, 0.0])}),
        lambda a: a.update({"duration.mix": np.array([1.5, 0.0, 0.0])}),
        # Trees over other columns, or of other quantiles, would be read askew.
        lambda a: a.update({"duration.direct.columns": a["duration.direct.columns"] + 1}),
        lambda a: a.update({"duration.direct.base": np.zeros(4, dtype=np.float32)}),
    ],
)
def test_damaged_arrays_are_refused(damage: object) -> None:
    arrays = dict(duration_candidate().model.arrays)
    damage(arrays)  # type: ignore[operator] - one of the lambdas above
    with pytest.raises(ArtifactRefused):
        DurationQuantiles.from_arrays(arrays, "duration")
