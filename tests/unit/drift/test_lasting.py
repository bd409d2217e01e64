"""A burst of hours and a change that stays look alike over a day; their quarters do not."""

from functools import cache

import numpy as np
import pytest

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.drift.check import check_drift
from neural_hive_ml.drift.lasting import lasting_load_score, lasting_score
from neural_hive_ml.drift.load import check_load
from neural_hive_ml.evaluation.load_profile import LoadProfile, build_load_profile
from neural_hive_ml.evaluation.profile import Profile, build_profile

NAMES = ["a", "b", "c"]
NOW = 2_800 * 7 * DAY_MS


def drawn(begin_ms: int, hours: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    at = np.sort(begin_ms + rng.integers(0, hours * HOUR_MS, hours * 60))
    level = np.sin(2 * np.pi * (at / HOUR_MS % 24) / 24)[:, None]
    return rng.normal(size=(len(at), 3)) + level, at


@cache
def profile() -> Profile:
    rows, at = drawn(NOW - 28 * DAY_MS, 27 * 24, 1)
    return Profile.from_document(build_profile(rows, NAMES, at))


def scores(rows: np.ndarray, at: np.ndarray) -> tuple[float, float | None]:
    report = check_drift(profile(), rows, at, NAMES, window=(NOW - DAY_MS, NOW))
    assert report.drift_detected
    return report.drift_score, lasting_score(report, profile(), rows, at, NAMES)


@pytest.mark.parametrize("ended_hours_ago", [0, 3, 9, 16])
def test_a_burst_does_not_last(ended_hours_ago: int) -> None:
    rows, at = drawn(NOW - DAY_MS, 24, 2)
    end = NOW - ended_hours_ago * HOUR_MS
    rows[(at >= end - 6 * HOUR_MS) & (at < end), 1] += 4.0
    score, lasting = scores(rows, at)
    assert score > 0.2
    assert lasting == 0.0


def test_a_change_that_stays_lasts_from_its_eighteenth_hour_on() -> None:
    rows, at = drawn(NOW - DAY_MS, 24, 3)
    rows[at >= NOW - 18 * HOUR_MS, 1] += 1.0
    score, lasting = scores(rows, at)
    assert lasting == score > 0.2


def test_a_burst_beside_a_small_change_does_not_lend_it_its_score() -> None:
    rows, at = drawn(NOW - DAY_MS, 24, 4)
    rows[:, 0] += 0.4
    rows[(at >= NOW - 10 * HOUR_MS) & (at < NOW - 5 * HOUR_MS), 1] += 4.0
    score, lasting = scores(rows, at)
    assert lasting is not None
    assert score > 0.2
    assert lasting > 0.0
    assert lasting < 1.0 / 3 + 0.01  # the share of what lasts, one of three, not the burst's effect


def test_too_few_tickets_in_the_quarters_cannot_tell() -> None:
    rows, at = drawn(NOW - DAY_MS, 24, 5)
    rows[:, 1] += 2.0
    kept = (at >= NOW - 5 * HOUR_MS) | (np.arange(len(at)) % 60 == 0)
    assert scores(rows[kept], at[kept])[1] is None


def forecast(begin_ms: int, hours: int, seed: int, *, holds: bool) -> tuple[np.ndarray, ...]:
    """Rows, times, the model's answers, and what came: the answers' own column, or another of the same shape."""
    rows, at = drawn(begin_ms, hours, seed)
    noise = np.random.default_rng(seed + 100).normal(0, 0.3, len(at))
    return rows, at, rows[:, 0] * 0.5, rows[:, 0 if holds else 1] * 0.5 + noise


def test_residuals_alone_can_last() -> None:
    """What is asked looks as ever, and what comes of it does not: only the residuals tell, and they must retrain."""
    rows, at, answers, truth = forecast(NOW - 28 * DAY_MS, 27 * 24, 1, holds=True)
    known = Profile.from_document(build_profile(rows, NAMES, at, predictions=answers, truth=truth))
    rows, at, answers, truth = forecast(NOW - DAY_MS, 24, 2, holds=False)
    window = (NOW - DAY_MS, NOW)
    report = check_drift(known, rows, at, NAMES, predictions=answers, truth=truth, window=window)
    assert [f.name for f in report.drifted] == ["residual"]
    lasting = lasting_score(report, known, rows, at, NAMES, predictions=answers, truth=truth)
    assert lasting is not None
    assert lasting > 0.2
    # Residuals of a few hours are a burst, and with too few answers in the quarters nothing can be told.
    known_again = rows[:, 0] * 0.5 + (truth - rows[:, 1] * 0.5)
    burst = np.where(at >= NOW - 11 * HOUR_MS, truth, known_again)
    burst_report = check_drift(known, rows, at, NAMES, predictions=answers, truth=burst, window=window)
    assert burst_report.drift_detected
    assert lasting_score(burst_report, known, rows, at, NAMES, predictions=answers, truth=burst) == 0.0
    few = np.where((at >= NOW - 5 * HOUR_MS) | (np.arange(len(at)) % 60 == 0), answers, np.nan)
    few_report = check_drift(known, rows, at, NAMES, predictions=few, truth=truth, window=window)
    assert few_report.drift_detected
    assert lasting_score(few_report, known, rows, at, NAMES, predictions=few, truth=truth) is None


def test_load_that_stays_doubled_lasts_and_a_rush_of_hours_does_not() -> None:
    rng = np.random.default_rng(6)
    rate = 40 + 30 * np.sin(2 * np.pi * np.arange(35 * 24) / 24)
    counts = rng.poisson(rate).astype(float)
    begin = NOW - 35 * DAY_MS
    known = LoadProfile.from_document(build_load_profile(counts[: 28 * 24], begin))
    day, first = counts[-24:].copy(), NOW - DAY_MS
    doubled, rush = day * 2, day.copy()
    rush[-12:-7] *= 8
    for hours, lasts in ((doubled, True), (rush, False)):
        report = check_load(known, hours, first)
        assert report.drift_detected
        found = lasting_load_score(report, known, hours, first)
        assert found is not None
        assert (found > 0.2) == lasts
