"""Load models by algorithm: what is learned, what is chosen, what an artifact holds."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from tests.support.load_series import rate, weekly
from tests.support.trained import flights, request

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.errors import ArtifactRefused, UsageError
from neural_hive_ml.features.series import CountSeries
from neural_hive_ml.scoring.load import LoadForecaster
from neural_hive_ml.scoring.load_scorer import load_scorer
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.training.load import choose_and_fit, rescore_load, train_load
from neural_hive_ml.training.load_backtest import Backtest
from neural_hive_ml.training.load_choice import MARGIN, choose
from neural_hive_ml.training.load_fit import FittedLoad, LoadTask, backtest_load, fit_load
from neural_hive_ml.training.load_origins import origins_at, seasonal_naive
from neural_hive_ml.training.request import Candidate

ALGORITHMS = ("prophet", "seasonal_mean", "ets", "mstl", "lags")
HELD = 24 * 14


@cache
def fitted(algorithm: str, hours_ahead: int = 6) -> FittedLoad:
    series = weekly()
    return fit_load(LoadTask(series, hours_ahead, threads=1).before(len(series) - HELD), algorithm)


@cache
def flights_candidate(algorithm: str) -> Candidate:
    columns = columns_of(flights())
    return train_load(columns, request("load", columns, algorithm=algorithm, horizon_minutes=360))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_algorithm_finds_the_rhythm_and_says_how_sure_it_is(algorithm: str) -> None:
    """Near the error of who knows the rate, and far from last week's; 80 % of the outcomes inside."""
    series, ahead = weekly(), 6
    origins = origins_at(series, np.arange(len(series) - HELD, len(series) - ahead + 1), ahead)
    forecaster = fitted(algorithm).forecaster
    said = forecaster.hourly(origins.counts, origins.at_ms).sum(axis=1)
    truth, known = origins.totals, rate(len(series))
    oracle = np.array([known[h : h + ahead].sum() for h in range(len(series) - HELD, len(series) - ahead + 1)])
    error = np.abs(said - truth).mean()
    assert error < 1.35 * np.abs(oracle - truth).mean()
    assert error < 0.95 * np.abs(seasonal_naive(origins).sum(axis=1) - truth).mean()
    lower, upper = forecaster.spread.interval(said)
    assert 0.68 <= np.mean((lower <= truth) & (truth <= upper)) <= 0.92
    assert (lower >= 0).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_candidate_of_flights_is_whole(algorithm: str) -> None:
    """Name without the algorithm, the tag with it, golden rows reproduced after arrays only, small, without history."""
    candidate = flights_candidate(algorithm)
    model = candidate.model
    assert (model.name, model.algorithm) == ("load-predictor-360m", algorithm)
    again = load_scorer(model).reproduce(model.golden.rows)
    assert np.abs(again - model.golden.expected).max() <= model.golden.tolerance
    assert sum(array.nbytes for array in model.arrays.values()) < 600_000
    assert all(array.dtype != object for array in model.arrays.values())
    columns = columns_of(flights())
    cases = rescore_load(model, columns, request("load", columns, horizon_minutes=360))
    assert np.array_equal(cases.predicted, candidate.cases.predicted)
    assert cases.digest == candidate.cases.digest
    assert candidate.evaluation.metric("mape_poisson_bound").value > 0
    assert {b.name for b in candidate.evaluation.baselines} >= {"seasonal_naive_168h", "hour_of_week_level"}
    assert f"algorithm {algorithm}: asked for" in " ".join(candidate.evaluation.notes)


def test_trees_on_lags_travel_without_pickle() -> None:
    model = flights_candidate("lags").model
    assert list(model.provenance) == ["lags.ubj"]
    forecaster = load_scorer(model)
    assert isinstance(forecaster, LoadForecaster)
    assert forecaster.second is not None
    assert len(forecaster.weights) == 8
    assert forecaster.weights.sum() == pytest.approx(1.0)


def test_an_artifact_whose_trees_are_damaged_is_refused() -> None:
    model = flights_candidate("lags").model
    for name, wrong in (
        ("lags.columns", np.array([3])),
        ("lags.factor", np.array([np.nan])),
        ("mix.weights", np.ones(7) / 7),
    ):
        with pytest.raises(ArtifactRefused):
            LoadForecaster.load(replace(model, arrays={**model.arrays, name: wrong}))


def test_the_same_seed_gives_the_same_arrays() -> None:
    task = LoadTask(weekly(24 * 28), 6, threads=1)
    one, two = (fit_load(task, "lags").forecaster.to_arrays() for _ in range(2))
    assert one.keys() == two.keys()
    assert [name for name in one if one[name].tobytes() != two[name].tobytes()] == []


def test_the_future_changes_nothing() -> None:
    series = weekly(24 * 42)
    other = series.counts.copy()
    other[24 * 35 :] = 1_000.0
    ends = 24 * 35
    same = [
        fit_load(LoadTask(CountSeries(series.start_ms, HOUR_MS, counts), 6, threads=1).before(ends), "lags")
        for counts in (series.counts, other)
    ]
    one, two = (f.forecaster.to_arrays() for f in same)
    assert [name for name in one if one[name].tobytes() != two[name].tobytes()] == []


def test_the_backtest_judges_what_it_had_not_learned() -> None:
    """Noise has nothing to be learned from: a backtest that looked would promise less error than there is."""
    counts = np.random.default_rng(1).poisson(20.0, 24 * 28).astype(float)
    found = backtest_load(LoadTask(CountSeries(0, HOUR_MS, counts), 6, threads=1), "seasonal_mean")
    assert found.said.shape == found.totals.shape
    oracle = np.abs(found.totals - 20.0 * 6).sum() / found.totals.sum()
    assert found.wape >= oracle
    lower, upper = found.spread.interval(found.said)
    assert np.mean((lower <= found.totals) & (found.totals <= upper)) >= 0.79


def _backtest(wape: float, days: int = 40, noise: float = 0.0) -> Backtest:
    found = backtest_load(LoadTask(weekly(24 * 14), 1, threads=1), "seasonal_mean")
    off = wape * (1.0 + noise * np.random.default_rng(days).normal(size=days))
    return replace(found, totals=np.full(days, 100.0), said=100.0 * (1 - off), day=np.arange(days))


def test_prophet_stays_unless_beaten_by_the_margin() -> None:
    close = choose({"prophet": _backtest(0.100), "lags": _backtest(0.100 * (1 - MARGIN) + 1e-4)})
    assert close.algorithm == "prophet"
    clear = choose({"prophet": _backtest(0.100), "seasonal_mean": _backtest(0.095), "lags": _backtest(0.090)})
    assert clear.algorithm == "lags"
    assert "10% (standard error 0.0%) less error than prophet" in clear.reason
    assert clear.wapes["seasonal_mean"] == pytest.approx(0.095)


def test_a_few_days_do_not_unseat_prophet() -> None:
    """The same gain, uncertain over four days and sure over four hundred."""
    few = choose({"prophet": _backtest(0.100, 4), "lags": _backtest(0.093, 4, noise=0.5)})
    many = choose({"prophet": _backtest(0.100, 400), "lags": _backtest(0.093, 400, noise=0.5)})
    assert (few.algorithm, many.algorithm) == ("prophet", "lags")
    one = choose({"prophet": _backtest(0.100, 1), "lags": _backtest(0.010, 1)})
    assert one.algorithm == "prophet"


def test_what_was_not_asked_for_is_chosen_by_the_backtest() -> None:
    said = weekly(24 * 28)
    fit, choice = choose_and_fit(LoadTask(said, 1, threads=1))
    assert set(choice.wapes) == {"prophet", "seasonal_mean", "lags"}
    assert (fit.forecaster.second is not None) == (choice.algorithm == "lags")


def test_no_other_algorithm_and_no_other_horizon() -> None:
    columns = columns_of(flights()[:50])
    with pytest.raises(UsageError, match="xgboost"):
        train_load(columns, request("load", columns, algorithm="xgboost", horizon_minutes=60))
    with pytest.raises(UsageError, match="90 minutes"):
        train_load(columns, request("load", columns, horizon_minutes=90))
