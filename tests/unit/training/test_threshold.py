"""Precision first, then recall; what was promised on validation is what the threshold does there."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_score, recall_score

from neural_hive_ml.training.threshold import LEAST_RECALL, PRECISION_FIRST, choose_threshold, fit_curve

Floats = npt.NDArray[np.float64]
SCORES = st.floats(0, 12) | st.sampled_from([1.0, np.nextafter(1.0, 2.0), 2.0])
JUDGED = st.lists(st.tuples(st.booleans(), SCORES), min_size=1, max_size=40)


def arrays(judged: list[tuple[bool, float]]) -> tuple[Floats, Floats]:
    return np.array([float(a) for a, _ in judged]), np.array([s for _, s in judged])


def sure(label: Floats, flagged: npt.NDArray[np.bool_]) -> float:
    """SciPy's Wilson bound of the precision, one-sided 90 %: the lower end of the two-sided 80 %."""
    hits, seen = int(label[flagged].sum()), int(flagged.sum())
    return float(stats.binomtest(hits, seen).proportion_ci(0.8, method="wilson").low)


def every_threshold(label: Floats, raw: Floats) -> list[tuple[float, float, float]]:
    """Sure precision, recall and F1 of each way to cut, the slow way."""
    cuts = [raw >= value for value in np.unique(raw)]
    return [(sure(label, cut), recall_score(label, cut), f1_score(label, cut)) for cut in cuts]


@given(JUDGED)
@settings(max_examples=80, deadline=None)
def test_the_best_cut_is_chosen_and_keeps_its_word(judged: list[tuple[bool, float]]) -> None:
    label, raw = arrays(judged)
    assume(label.any())
    chosen = choose_threshold(label, raw)
    flagged = raw >= chosen.raw
    assert chosen.precision == pytest.approx(precision_score(label, flagged))
    assert chosen.recall == pytest.approx(recall_score(label, flagged))
    good = [f for p, r, f in every_threshold(label, raw) if p >= PRECISION_FIRST and r >= LEAST_RECALL]
    if good:
        assert "surely" in chosen.rule
        assert sure(label, flagged) >= PRECISION_FIRST
        assert f1_score(label, flagged) == pytest.approx(max(good))
    else:
        assert "out of reach" in chosen.rule
        best = max(f1_score(label, raw >= value) for value in np.unique(raw))
        assert f1_score(label, flagged) == pytest.approx(best)


def test_precision_comes_before_f1() -> None:
    """Sixty clean hits, then a mixed region in which F1 would still rise."""
    raw = np.concatenate([np.linspace(10, 9, 60), np.linspace(5, 4, 60), np.linspace(2, 1, 300)])
    label = np.concatenate([np.ones(60), np.tile([0.0, 1.0], 30), np.zeros(300)])
    chosen = choose_threshold(label, raw)
    assert sure(label, raw >= chosen.raw) >= PRECISION_FIRST
    assert 0.7 < chosen.recall < 0.9
    assert f1_score(label, raw >= 3.0) > f1_score(label, raw >= chosen.raw)


def test_a_few_hits_by_luck_are_no_precision() -> None:
    """Six of six is not surely 0.80; seven of seven is."""
    for hits, rule in ((6, "out of reach"), (7, "surely")):
        raw = np.concatenate([np.linspace(10, 9, hits), np.zeros(100)])
        label = (raw > 0).astype(float)
        assert rule in choose_threshold(label, raw).rule


@pytest.mark.parametrize("raw", [[], [1.0, 3.0]])
def test_without_an_anomaly_nothing_is_flagged(raw: list[float]) -> None:
    chosen = choose_threshold(np.zeros(len(raw)), np.array(raw))
    assert chosen.raw > max(raw, default=0.0)
    assert "no anomaly" in chosen.rule


def probability(slope: float, intercept: float, raw: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-(slope * raw + intercept))))


@given(JUDGED)
@settings(max_examples=100, deadline=None)
def test_the_curve_rises_and_is_finite(judged: list[tuple[bool, float]]) -> None:
    slope, intercept = fit_curve(*arrays(judged))
    assert slope > 0
    assert np.isfinite([slope, intercept]).all()


def test_the_curve_is_a_logistic_regression_s() -> None:
    random = np.random.default_rng(3)
    raw = random.uniform(0, 10, 20_000)
    label = (random.random(20_000) < probability(1.4, -7.0, raw)).astype(float)
    slope, intercept = fit_curve(label, raw)
    theirs = LogisticRegression(C=1e6).fit(raw[:, None], label)
    assert slope == pytest.approx(theirs.coef_[0, 0], rel=0.01)
    assert intercept == pytest.approx(theirs.intercept_[0], rel=0.01)


def test_the_curve_is_calibrated_where_it_was_fitted() -> None:
    random = np.random.default_rng(4)
    raw = random.gamma(2.0, 1.0, 30_000)
    label = (random.random(30_000) < probability(1.0, -6.0, raw)).astype(float)
    told = probability(*fit_curve(label, raw), raw)
    assert told.mean() == pytest.approx(label.mean(), rel=0.05)
    some = (told > 0.3) & (told < 0.7)
    assert some.sum() > 100
    assert label[some].mean() == pytest.approx(told[some].mean(), abs=0.08)


def test_no_rows_give_a_curve_that_says_no() -> None:
    slope, intercept = fit_curve(np.zeros(0), np.zeros(0))
    assert 0 < probability(slope, intercept, np.array([0.0]))[0] < 0.05
