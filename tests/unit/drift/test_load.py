"""Load models: the load itself and what the model says of it, against the profile; silent while nothing changes."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.load_series import rate
from tests.support.trained import MONDAY_MS

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.drift.lasting import lasting_load_score
from neural_hive_ml.drift.load import check_load
from neural_hive_ml.drift.report import DriftReport, DriftStatus
from neural_hive_ml.evaluation.load_answers import load_answers
from neural_hive_ml.evaluation.load_profile import LoadProfile, build_load_profile
from neural_hive_ml.features.series import CountSeries
from neural_hive_ml.scoring.load import LoadForecaster
from neural_hive_ml.scoring.load_replay import LoadReplay, replay_load
from neural_hive_ml.training.load_fit import LoadTask, fit_load
from neural_hive_ml.training.load_origins import split_hours

LEARNED, LATER = 8 * 168, 2 * 168
WORLDS = 26
ANSWERS = {"load_forecast", "load_residual", "load_residual_shape"}


@dataclass(frozen=True)
class World:
    """Ten weeks of hours that share the luck of their day, a model of the first eight, and its profile."""

    series: CountSeries
    usual: np.ndarray
    forecaster: LoadForecaster
    document: dict[str, object]

    @property
    def profile(self) -> LoadProfile:
        return LoadProfile.from_document(self.document)

    def said(self, begin: int, hours: int, counts: np.ndarray | None = None) -> LoadReplay:
        known = self.series.counts if counts is None else counts
        series = CountSeries(MONDAY_MS, HOUR_MS, known[: begin + hours])
        return replay_load(self.forecaster, series, begin).part(slice(begin, begin + hours))

    def check(self, begin: int, hours: int, counts: np.ndarray | None = None, bias: float = 1.0) -> DriftReport:
        known = self.series.counts if counts is None else counts
        replay = self.said(begin, hours, counts)
        replay = LoadReplay(bias * replay.said, replay.repeated)
        return check_load(self.profile, known[begin : begin + hours], first_ms(begin), replay=replay)


def first_ms(hour: int) -> int:
    return MONDAY_MS + hour * HOUR_MS


@cache
def world(seed: int, ahead: int = 6, day_spread: float = 0.05) -> World:
    rng = np.random.default_rng([31, seed])
    hours = LEARNED + LATER
    usual = rate(hours) / 1.01 ** (np.arange(hours) / 168) + 10.0  # as many each week
    usual = usual * np.exp(np.repeat(rng.normal(0.0, day_spread, hours // 24), 24))
    series = CountSeries(MONDAY_MS, HOUR_MS, rng.poisson(usual).astype(float))
    learned = CountSeries(MONDAY_MS, HOUR_MS, series.counts[:LEARNED])
    first = split_hours(learned, ahead)
    forecaster = fit_load(LoadTask(learned, ahead, threads=1).before(first), "seasonal_mean").forecaster
    answers = load_answers(learned.counts, replay_load(forecaster, learned, first), MONDAY_MS)
    return World(series, usual, forecaster, build_load_profile(learned.counts, MONDAY_MS, answers=answers))


def test_unchanged_load_alarms_in_at_most_one_check_of_a_hundred() -> None:
    alarms = checks = 0
    for seed in range(WORLDS):
        here, rng = world(seed, (1, 6, 24)[seed % 3]), np.random.default_rng([32, seed])
        for hours in (24,) * 8 + (168,) * 4:
            report = here.check(LEARNED + int(rng.integers(0, LATER - hours + 1)), hours)
            assert report.status is not DriftStatus.INSUFFICIENT_DATA
            told = {f.name for f in report.features}
            assert told >= (ANSWERS if hours == 24 else {"load_forecast", "load_residual"})
            alarms += report.drift_detected
            checks += 1
    assert checks > 300
    assert alarms <= checks // 100


@pytest.mark.parametrize("ahead", [1, 6, 24])
def test_a_model_that_says_too_much_is_drift_though_load_is_as_ever(ahead: int) -> None:
    here, begin = world(0, ahead), LEARNED + 40
    report = here.check(begin, 24, bias=1.4)
    assert "load_forecast" in {f.name for f in report.drifted}
    assert not {"load_level", "load_shape"} & {f.name for f in report.drifted}
    assert report.drift_score > 0.2
    replay = here.said(begin, 24)
    said = LoadReplay(1.4 * replay.said, replay.repeated)
    counts = here.series.counts[begin : begin + 24]
    lasting = lasting_load_score(report, here.profile, counts, first_ms(begin), replay=said)
    assert lasting is not None
    assert lasting > 0.2
    # As many as were said in the last six hours only: nothing that lasts.
    burst = replay.said.copy()
    burst[-6:] *= 8.0
    late = LoadReplay(burst, replay.repeated)
    rushed = check_load(here.profile, counts, first_ms(begin), replay=late)
    assert rushed.drift_detected
    assert lasting_load_score(rushed, here.profile, counts, first_ms(begin), replay=late) == 0.0


def test_a_sentence_tells_by_how_much_forecasts_miss() -> None:
    residual = next(f for f in world(0).check(LEARNED + 40, 24, bias=2.0).drifted if f.name == "load_residual")
    assert residual.current is not None
    assert residual.reference is not None
    assert residual.current == pytest.approx(residual.reference / 2.0, rel=0.2)
    assert "times the forecast" in residual.sentence


@pytest.mark.parametrize("hours", [24, 168])
def test_load_that_doubles_is_drift_of_level_and_residual(hours: int) -> None:
    here, begin = world(1), LEARNED + 5
    counts = here.series.counts.copy()
    counts[begin : begin + 24] *= 2.0
    drifted = {f.name for f in here.check(begin, 24, counts).drifted}
    assert {"load_level", "load_residual"} <= drifted
    assert here.check(begin, hours).status is DriftStatus.OK


def test_load_at_other_hours_is_drift_of_both_shapes() -> None:
    here, begin = world(2), LEARNED + 24
    counts = here.series.counts.copy()
    counts[begin : begin + 24] = np.roll(counts[begin : begin + 24], 6)
    drifted = {f.name for f in here.check(begin, 24, counts).drifted}
    assert {"load_shape", "load_residual_shape"} <= drifted


def test_an_artifact_without_answers_is_checked_as_before() -> None:
    here, begin = world(3), LEARNED + 30
    old = {k: v for k, v in here.document.items() if k != "answers"}
    profile = LoadProfile.from_document(old)
    assert profile.answers is None
    assert profile.to_document() == old
    assert here.profile.to_document() == here.document
    counts = here.series.counts[begin : begin + 24]
    with_answers = check_load(profile, counts, first_ms(begin), replay=here.said(begin, 24))
    assert with_answers == check_load(profile, counts, first_ms(begin))
    assert {f.name for f in with_answers.features} == {"load_level", "load_shape"}


def test_what_is_not_known_is_said_and_not_judged() -> None:
    here, begin = world(3), LEARNED + 30
    replay = here.said(begin, 24)
    said = np.where(np.arange(24) < 20, np.nan, replay.said)
    report = check_load(
        here.profile,
        here.series.counts[begin : begin + 24],
        first_ms(begin),
        replay=LoadReplay(said, replay.repeated),
    )
    assert not ANSWERS & {f.name for f in report.features}
    assert "forecasts not judged: they are known of 4 hours" in report.reasons


def test_a_short_reference_knows_nothing_of_the_answers() -> None:
    here = world(4)
    replay = here.said(LEARNED, 24)
    counts = here.series.counts[LEARNED : LEARNED + 24]
    assert load_answers(counts, replay, first_ms(LEARNED)) is None  # four windows of six hours
    nothing = LoadReplay(np.full(24, np.nan), replay.repeated)
    assert load_answers(counts, nothing, first_ms(LEARNED)) is None


def test_few_days_of_answers_do_not_judge_the_shape_of_a_week() -> None:
    here, begin = world(4, 24), LEARNED
    part = slice(LEARNED - 6 * 24, LEARNED)
    answers = load_answers(here.series.counts[part], here.said(part.start, 6 * 24), first_ms(part.start))
    assert answers is not None
    assert max(q.width_hours for q in answers.residual) == 24
    learned = here.series.counts[:LEARNED]
    profile = LoadProfile.from_document(build_load_profile(learned, MONDAY_MS, answers=answers))
    for hours, judged in ((24, True), (168, False)):
        counts = here.series.counts[begin : begin + hours]
        report = check_load(profile, counts, first_ms(begin), replay=here.said(begin, hours))
        assert ("load_residual_shape" in {f.name for f in report.features}) is judged


@pytest.mark.parametrize("ahead", [1, 24])
def test_an_hour_is_told_by_every_forecast_that_served_it(ahead: int) -> None:
    here, hour = world(5, ahead), LEARNED + 50
    told = []
    for lead in range(ahead):
        now_ms = first_ms(hour - lead)
        forecast = here.forecaster.forecast(here.series.until(now_ms), now_ms)
        parts = 60 // forecast.bucket_minutes
        told.append(forecast.mean[lead * parts : (lead + 1) * parts].sum())
    replay = here.said(hour, 24)
    assert replay.said[0] == pytest.approx(np.mean(told))
    assert replay.repeated[0] == here.series.counts[[hour - 168 * w for w in (1, 2, 3, 4)]].mean()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 47), st.floats(0.0, 5.0))
def test_no_forecast_sees_its_hour_or_later_ones(hour: int, factor: float) -> None:
    here, begin = world(5), LEARNED + 50
    counts = here.series.counts.copy()
    counts[begin + hour :] *= factor
    before, after = here.said(begin, 48), here.said(begin, 48, counts)
    assert np.array_equal(before.said[: hour + 1], after.said[: hour + 1])
    assert np.array_equal(before.repeated[: hour + 1], after.repeated[: hour + 1])


def test_with_less_than_six_days_before_it_nothing_was_said() -> None:
    here = world(5)
    replay = replay_load(here.forecaster, CountSeries(MONDAY_MS, HOUR_MS, here.series.counts[:200]), 0)
    # The first of the six forecasts of an hour was made five hours before it.
    assert np.isnan(replay.said[:149]).all()
    assert np.isfinite(replay.said[149:]).all()
    assert np.isnan(replay.repeated[:168]).all()
    assert np.isfinite(replay.repeated[168:]).all()
