"""Figures against scikit-learn and NumPy, and intervals that hold the truth as often as they say."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from neural_hive_ml.evaluation.intervals import block_sums, bootstrap_interval, resample
from neural_hive_ml.evaluation.metrics import (
    anomaly_metrics,
    average_precision,
    confusion,
    duration_metrics,
    f1_of,
    pinball,
    precision_of,
    recall_of,
)

Floats = npt.NDArray[np.float64]


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 6)), min_size=1, max_size=60))
@settings(max_examples=100, deadline=None)
def test_anomaly_figures_are_scikit_learn_s(cases: list[tuple[bool, bool, int]]) -> None:
    truth, flagged, score = (np.array(column, dtype=float) for column in zip(*cases, strict=True))
    block = np.arange(len(cases)) // 5
    told = {m.name: m for m in anomaly_metrics(truth, flagged, score, block, rng())}
    for name, function in (
        ("precision", theirs.precision_score), ("recall", theirs.recall_score), ("f1", theirs.f1_score),
    ):  # fmt: skip
        assert told[name].value == pytest.approx(function(truth, flagged, zero_division=0.0))
        assert (told[name].n, told[name].positives) == (len(cases), truth.sum())
        assert (told[name].low is None) == (len(cases) <= 5)
        if told[name].low is not None:
            assert 0 <= told[name].low <= told[name].high <= 1
    expected = theirs.average_precision_score(truth, score) if truth.any() else 0.0
    assert told["average_precision"].value == pytest.approx(expected)
    assert told["flagged_share"].value == flagged.mean()


def test_ties_of_the_score_count_together() -> None:
    truth, score = np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0, 0.0])
    assert average_precision(truth, score) == average_precision(truth[::-1], score[::-1]) == 0.5


def test_nothing_judged_is_no_figure_and_no_crash() -> None:
    none = np.zeros(0)
    told = {m.name: m for m in anomaly_metrics(none, none, none, np.zeros(0, dtype=np.int64), rng())}
    assert {(m.value, m.n, m.low) for m in told.values()} == {(0.0, 0, None)}


def test_duration_figures_are_numpy_s() -> None:
    random = np.random.default_rng(2)
    truth = random.exponential(5_000, 300)
    center = truth * random.lognormal(0, 0.3, 300)
    quantiles = np.stack([center * 0.6, center, center * 1.7], axis=1)
    told = {m.name: m for m in duration_metrics(truth, quantiles, np.arange(300) // 10, rng())}
    assert told["mae"].value == pytest.approx(theirs.mean_absolute_error(truth, center))
    assert told["median_ae"].value == pytest.approx(theirs.median_absolute_error(truth, center))
    assert told["relative_mae"].value == pytest.approx(told["mae"].value / truth.mean())
    loss = [theirs.mean_pinball_loss(truth, quantiles[:, k], alpha=a) for k, a in enumerate((0.1, 0.5, 0.9))]
    assert told["pinball"].value == pytest.approx(np.mean(loss)) == pytest.approx(pinball(truth, quantiles))
    assert told["coverage_80"].value == ((truth >= quantiles[:, 0]) & (truth <= quantiles[:, 2])).mean()
    for name in ("mae", "relative_mae", "coverage_80"):
        assert told[name].low < told[name].value < told[name].high
    assert [m.higher_is_better for m in told.values()] == [False, False, False, False, True]


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_blocks_add_up(cases: list[tuple[int, float, float]]) -> None:
    block = np.array([c[0] for c in cases])
    values = np.array([c[1:] for c in cases])
    sums = block_sums(block, values)
    expected = [values[block == b].sum(axis=0) for b in sorted(set(block.tolist()))]
    assert sums == pytest.approx(np.array(expected), abs=1e-6)


def test_a_resample_draws_as_many_blocks_as_there_are() -> None:
    sums = np.column_stack([np.ones(17), np.arange(17.0)])
    drawn = resample(sums, rng(), 400)
    assert (drawn[:, 0] == 17).all()
    assert drawn[:, 1].mean() == pytest.approx(sums[:, 1].sum(), rel=0.02)
    assert drawn[:, 1].std() == pytest.approx(np.sqrt(17) * sums[:, 1].std(), rel=0.1)


def test_one_block_has_no_interval_and_the_rng_decides() -> None:
    values = np.random.default_rng(1).normal(size=(40, 1))
    mean = lambda totals: totals[:, 0]  # noqa: E731 - the smallest statistic
    assert bootstrap_interval(np.zeros(40, dtype=np.int64), values, mean, rng()) is None
    one, again = (bootstrap_interval(np.arange(40), values, mean, rng()) for _ in range(2))
    assert one == again
    assert one is not None
    assert one.low < values.sum() < one.high


def covered(draw: object, truth: float, statistic: object, rounds: int = 200) -> float:
    """Share of intervals that hold the truth."""
    random = np.random.default_rng(11)
    held = 0
    for _ in range(rounds):
        block, values = draw(random)  # type: ignore[operator] - one of the functions below
        interval = bootstrap_interval(block, values, statistic, random)  # type: ignore[arg-type]
        assert interval is not None
        held += interval.low <= truth <= interval.high
    return held / rounds


def test_intervals_of_correlated_neighbours_hold_the_truth() -> None:
    """Blocks of 20 neighbours share an effect: by block nine in ten hold it and more, case by case far fewer."""

    def draw(random: np.random.Generator) -> tuple[npt.NDArray[np.int64], Floats]:
        shared = np.repeat(random.normal(size=60), 20)
        return np.repeat(np.arange(60), 20), np.stack([shared + random.normal(size=1200), np.ones(1200)], axis=1)

    def alone(random: np.random.Generator) -> tuple[npt.NDArray[np.int64], Floats]:
        return np.arange(1200), draw(random)[1]

    def mean(totals: Floats) -> Floats:
        return totals[:, 0] / totals[:, 1]

    assert 0.90 <= covered(draw, 0.0, mean) <= 0.98
    assert covered(alone, 0.0, mean, 25) < 0.6


@pytest.mark.parametrize(
    ("statistic", "truth"), [(precision_of, 0.8), (recall_of, 0.7), (f1_of, 2 * 0.8 * 0.7 / (0.8 + 0.7))]
)
def test_intervals_of_the_anomaly_figures_hold_the_truth(statistic: object, truth: float) -> None:
    """5 % anomalies, 70 % of them flagged, one flag in five wrong."""

    def draw(random: np.random.Generator) -> tuple[npt.NDArray[np.int64], Floats]:
        label = (random.random(6_000) < 0.05).astype(float)
        # False alarms at the rate that makes precision 0.8.
        alarm = np.where(label > 0, random.random(6_000) < 0.7, random.random(6_000) < 0.05 * 0.7 * 0.25 / 0.95)
        return np.arange(6_000) // 60, confusion(label, alarm.astype(float))

    assert 0.90 <= covered(draw, truth, statistic) <= 0.99
