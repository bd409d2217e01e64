"""A load forecast: from now, in buckets, never negative, honest about what it does not know."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.load_series import rate, weekly

from neural_hive_ml.clock import HOUR_MS, MINUTE_MS
from neural_hive_ml.features.series import CountSeries, count_events
from neural_hive_ml.scoring.load import BUCKET_MINUTES, LoadForecaster
from neural_hive_ml.training.load_fit import LoadTask, fit_load

ALGORITHMS = ("seasonal_mean", "ets", "lags")


@cache
def forecaster(algorithm: str = "seasonal_mean", horizon_minutes: int = 360) -> LoadForecaster:
    return fit_load(LoadTask(weekly(24 * 28), horizon_minutes // 60, threads=1), algorithm).forecaster


@pytest.mark.parametrize("horizon", sorted(BUCKET_MINUTES))
def test_it_starts_at_now_and_fills_the_horizon(horizon: int) -> None:
    history = weekly(24 * 28)
    now = history.end_ms + 17 * MINUTE_MS
    told = forecaster("seasonal_mean", horizon).forecast(history, now)
    bucket = BUCKET_MINUTES[horizon]
    assert told.timestamps_ms[0] == now
    assert (np.diff(told.timestamps_ms) == bucket * MINUTE_MS).all()
    assert len(told.mean) * bucket == horizon
    assert told.mean.sum() == pytest.approx(told.total_mean)
    assert told.total_lower <= told.total_mean <= told.total_upper
    assert (told.lower <= told.mean).all()
    assert (told.mean <= told.upper).all()


def test_the_next_hours_are_near_their_rate() -> None:
    history = weekly(24 * 28)
    told = forecaster("seasonal_mean", 1440).forecast(history, history.end_ms)
    expected = rate(24 * 29)[-24:].sum()
    assert told.total_mean == pytest.approx(expected, rel=0.12)


def test_five_minute_counts_end_at_now() -> None:
    """The hours of the history end with the newest bucket, so the last minutes are not lost to the clock's hour."""
    rng = np.random.default_rng(2)
    now = weekly().start_ms + 24 * 21 * HOUR_MS + 25 * MINUTE_MS
    at_ms = np.sort(rng.integers(now - 24 * 21 * HOUR_MS, now, 24 * 21 * 30))
    series = count_events(at_ms, int(at_ms[0]), now)
    burst = CountSeries(series.start_ms, series.bucket_ms, series.counts.copy())
    burst.counts[-5:] += 100.0
    calm, busy = (forecaster("seasonal_mean", 60).forecast(s, now).total_mean for s in (series, burst))
    assert busy > 1.05 * calm


def test_a_short_history_or_an_old_one_is_said() -> None:
    full = weekly(24 * 28)
    short = full.since(full.end_ms - 30 * HOUR_MS)
    assert "only 30 hours of history" in forecaster().forecast(short, full.end_ms).notes[0]
    old = forecaster().forecast(full, full.end_ms + 5 * HOUR_MS)
    assert "last 5 hours are not known" in old.notes[0]
    assert forecaster().forecast(full, full.end_ms).notes == ()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=0, max_size=60),
    st.integers(0, 7 * 24),
)
def test_whatever_the_history_the_forecast_is_a_finite_count(
    algorithm: str, newest: list[float | None], shift: int
) -> None:
    base = weekly(24 * 28)
    tail = np.array([np.nan if v is None else v for v in newest])
    history = CountSeries(base.start_ms + shift * HOUR_MS, HOUR_MS, np.concatenate([base.counts[shift:], tail]))
    told = forecaster(algorithm).forecast(history, history.end_ms)
    for values in (told.mean, told.lower, told.upper, [told.total_lower, told.total_upper]):
        assert np.isfinite(values).all()
        assert (np.asarray(values) >= 0).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nothing_known_is_no_crash(algorithm: str) -> None:
    told = forecaster(algorithm).forecast(CountSeries(0, HOUR_MS, np.zeros(0)), weekly().end_ms)
    assert np.isfinite(told.mean).all()
    assert "only 0 hours" in told.notes[0]


def test_an_old_model_follows_a_new_level() -> None:
    """Four weeks after the fit load is three times as high: the history says so, no refit is needed."""
    counts = np.concatenate([weekly(24 * 28).counts, weekly(24 * 28, level=90.0, seed=9).counts])
    history = CountSeries(weekly().start_ms, HOUR_MS, counts)
    expected = rate(24 * 29, 90.0)[-24:].sum()
    told = forecaster("seasonal_mean", 1440).forecast(history, history.end_ms)
    assert told.total_mean == pytest.approx(expected, rel=0.15)
