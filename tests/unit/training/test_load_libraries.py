"""What leaves the forecasting libraries as arrays says what the libraries say."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.support.load_series import weekly
from tests.support.trained import flights, request

from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.errors import ArtifactRefused, TrainingFailed, UsageError
from neural_hive_ml.features.series import CountSeries, week_slot
from neural_hive_ml.scoring.load_ets import EtsModel
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.training.families import search_family, space_of
from neural_hive_ml.training.load import settings_of, train_load
from neural_hive_ml.training.load_fit import backtest_load
from neural_hive_ml.training.load_holidays import checked_country, holiday_effects
from neural_hive_ml.training.load_prophet import ProphetSettings, _frame, _model, components, fit_prophet
from neural_hive_ml.training.load_shape import week_shape
from neural_hive_ml.training.load_statsforecast import fit_ets, fit_mstl


def test_prophets_components_add_up_to_its_forecast() -> None:
    """With holidays: at the end of training base and `predict` agree hour by hour."""
    start_ms = 15_706 * DAY_MS  # 2013-01-01
    counts = weekly(24 * 42).counts
    counts[:24] *= 0.1  # New Year's Day
    series = CountSeries(start_ms, HOUR_MS, counts)
    settings = ProphetSettings(growth="flat", holidays="US")
    local, value = series.times_ms(), np.log1p(series.counts)
    shape = week_shape(value, week_slot(local, HOUR_MS))
    model = _model(settings).fit(_frame(local, value, shape), seed=1)
    base = components(model, shape, "US")
    expected = model.predict(_frame(local, value, shape))["yhat"].to_numpy()
    assert np.abs(base.at(local) - expected).max() < 1e-8
    new_year_2014 = base.at(np.array([16_071 * DAY_MS + 12 * HOUR_MS]))
    day_after = base.at(np.array([16_071 * DAY_MS + 7 * DAY_MS + 12 * HOUR_MS]))
    assert new_year_2014 < day_after - 1.0


def test_holidays_are_of_a_known_country() -> None:
    assert checked_country(" us ") == "US"
    assert checked_country("") == ""
    with pytest.raises(UsageError, match="LOAD_HOLIDAYS_COUNTRY=ATLANTIS"):
        checked_country("Atlantis")
    columns = columns_of(flights())
    with pytest.raises(UsageError, match="NOWHERE"):
        train_load(columns, request("load", columns, horizon_minutes=60, holidays="nowhere"))
    day, effect = holiday_effects({"Independence Day": -1.0, "unheard of": 5.0}, "US", 15_706 * DAY_MS)
    named = pd.to_datetime(day, unit="D")
    assert {(d.month, d.day) for d in named} == {(7, 4)}
    assert set(effect) == {-1.0}
    assert 2014 in named.year


def test_ets_runs_as_statsforecast_does() -> None:
    """On the series it was fitted to, the recursion in NumPy ends where the library's ends."""
    from statsforecast.models import AutoETS

    series = weekly(24 * 28)
    model = fit_ets(series, "UTC")
    value, slot = np.log1p(series.counts), week_slot(series.times_ms(), HOUR_MS)
    off = value - model.shape[slot]
    kind = "ANA" if model.gamma else "ANN"
    library = AutoETS(season_length=24, model=kind).fit(off).predict(24)["mean"]
    ahead = series.end_ms + np.arange(24) * HOUR_MS
    expected = np.expm1(library + model.shape[week_slot(ahead, HOUR_MS)])
    got = model.ahead(series.counts[None], ahead[None])[0]
    assert got == pytest.approx(expected, rel=0.05, abs=0.3)


def test_ets_follows_what_it_sees_and_skips_what_it_does_not() -> None:
    model = EtsModel(0.5, 0.0, np.zeros(24), np.zeros(168))
    local = np.arange(6)[None] * HOUR_MS
    counts = np.full((1, 672), np.nan)
    counts[0, -3:] = 7.0
    assert model.ahead(counts, local) == pytest.approx(np.full((1, 6), 7.0))
    broken = {**model.to_arrays(), "ets.season": np.zeros(23)}
    with pytest.raises(ArtifactRefused, match=r"ets\.season"):
        EtsModel.from_arrays(broken)
    assert EtsModel.from_arrays({}) is None


def test_mstl_needs_two_weeks() -> None:
    with pytest.raises(TrainingFailed, match="weekly season needs 336"):
        fit_mstl(weekly(24 * 10), "UTC")
    base = fit_mstl(weekly(24 * 28), "UTC")
    noon_monday, noon_sunday = base.shape[12], base.shape[6 * 24 + 12]
    assert noon_monday - noon_sunday > 0.7


def test_what_never_changes_needs_no_library() -> None:
    still = CountSeries(0, HOUR_MS, np.full(24 * 21, 5.0))
    local = still.times_ms()
    for base in (fit_mstl(still, "UTC"), fit_prophet(still, "UTC", ProphetSettings(), 1)):
        assert np.expm1(base.at(local)) == pytest.approx(np.full(len(local), 5.0))
    assert fit_ets(still, "UTC").alpha == 0.0


def test_the_search_judges_by_the_backtest_and_not_by_the_hold_out() -> None:
    columns = columns_of(flights())
    asked = request("load", columns, algorithm="lags", horizon_minutes=360)
    search = search_family(columns, asked)
    assert search is not None
    assert search.name == "load-predictor-360m"
    task, settings = search.objective.task, search.objective.settings  # type: ignore[attr-defined] - a LoadObjective
    few = {**search.defaults, "rounds": 5}
    loss = search.objective(few, lambda *_: False)
    assert loss == backtest_load(task, "lags", settings.having(few.items())).wape
    holdout_from = train_load(columns, replace(asked, algorithm="seasonal_mean")).evaluation.holdout_from_ms
    assert task.hours.end_ms <= holdout_from
    other = search_family(columns, replace(asked, seed=43))
    assert other is not None
    assert other.key != search.key
    assert search_family(columns, replace(asked, algorithm="seasonal_mean")) is None


def test_parameters_reach_the_algorithm_they_belong_to() -> None:
    columns = columns_of(flights())
    asked = request("load", columns, horizon_minutes=60, parameters=(("rounds", 9), ("daily_order", 2)))
    found = settings_of(asked)
    assert (found.lags.rounds, found.prophet.daily_order) == (9, 2)
    names = [knob.name for knob in space_of("load")]
    assert len(names) == len(set(names))


def test_arima_is_refused_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(hive_ml, ["train", "--model-type", "load", "--model-algorithm", "arima"]) == 2
    said = capsys.readouterr().err
    assert "no ARIMA is trained" in said
    assert "--model-algorithm ets" in said
