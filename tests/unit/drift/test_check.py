"""What a check answers: about seasons, clusters, timetables, new values, missing values, too few rows."""

from functools import cache

import numpy as np
import pytest

from neural_hive_ml.clock import DAY_MS, HOUR_MS, WEEK_MS
from neural_hive_ml.drift.check import check_drift, judge
from neural_hive_ml.drift.feature import MODERATE_PSI, Distance
from neural_hive_ml.drift.report import DriftReport, DriftStatus
from neural_hive_ml.evaluation.distances import Expectation
from neural_hive_ml.evaluation.profile import Profile, build_profile

NAMES = ["size", "kind"]
MONDAY = 4 * DAY_MS + 2_800 * WEEK_MS
WEEKS, AN_HOUR = 8, 40
Rows = tuple[np.ndarray, np.ndarray]


def drawn(begin_ms: int, hours: int, seed: int) -> Rows:
    """Rows of independent draws whose level and mix follow the hour of the day."""
    rng = np.random.default_rng(seed)
    at = np.sort(begin_ms + rng.integers(0, hours * HOUR_MS, hours * AN_HOUR))
    phase = 2 * np.pi * (at / HOUR_MS % 24) / 24
    size = rng.normal(size=len(at)) + np.sin(phase)
    kind = (rng.random(len(at)) > 0.5 + 0.3 * np.cos(phase)).astype(float) * (1 + rng.integers(0, 3, len(at)))
    return np.column_stack([size, kind]), at


@cache
def profile() -> Profile:
    rows, at = drawn(MONDAY - WEEKS * WEEK_MS, WEEKS * 168, 1)
    return Profile.from_document(build_profile(rows, NAMES, at))


def check(rows: np.ndarray, at: np.ndarray, hours: int = 24) -> DriftReport:
    return check_drift(profile(), rows, at, NAMES, window=(MONDAY, MONDAY + hours * HOUR_MS))


def test_a_day_like_the_others_is_ok() -> None:
    report = check(*drawn(MONDAY, 24, 2))
    assert report.status is DriftStatus.OK
    assert not report.drift_detected
    assert report.drift_score < 0.05


def test_another_mix_of_hours_is_no_drift() -> None:
    rows, at = drawn(MONDAY, 24, 3)
    evening = at % DAY_MS >= 16 * HOUR_MS
    assert check(rows[evening], at[evening]).status is DriftStatus.OK


def test_the_afternoons_tickets_at_night_are_drift() -> None:
    rows, at = drawn(MONDAY, 24, 4)
    afternoon = (at >= MONDAY + 12 * HOUR_MS) & (at < MONDAY + 18 * HOUR_MS)
    assert check(rows[afternoon], at[afternoon]).status is DriftStatus.OK
    report = check(rows[afternoon], at[afternoon] - 12 * HOUR_MS)
    assert {f.name for f in report.drifted} == {"size", "kind"}


def test_a_shifted_number_is_told_in_its_unit_with_its_direction() -> None:
    rows, at = drawn(MONDAY, 24, 5)
    rows[:, 0] += 0.6
    [found] = check(rows, at).drifted
    assert found.name == "size"
    assert found.reference is not None
    assert found.current is not None
    assert found.current - found.reference == pytest.approx(0.6, abs=0.15)


def test_a_value_never_seen_is_drift_and_names_itself_new() -> None:
    rows, at = drawn(MONDAY, 24, 6)
    rows[::20, 1] = 9.0
    [found] = check(rows, at).drifted
    assert found.name == "kind"
    assert found.new_share == pytest.approx(0.05, abs=0.01)
    assert "never seen" in found.sentence


def test_values_that_go_missing_are_drift() -> None:
    rows, at = drawn(MONDAY, 24, 7)
    rows[::5, 0] = np.nan
    [found] = check(rows, at).drifted
    assert found.missing_current == pytest.approx(0.2, abs=0.01)
    assert found.missing_reference < 0.001


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows, at = drawn(MONDAY, 24, 8)
    order = np.random.default_rng(0).permutation(len(at))
    assert check(rows, at) == check(rows[order], at[order])


def test_too_few_rows_are_no_answer() -> None:
    rows, at = drawn(MONDAY, 24, 9)
    report = check(rows[:199] + 50.0, at[:199])
    assert report.status is DriftStatus.INSUFFICIENT_DATA
    assert not report.drift_detected
    assert "199 rows" in report.reasons[0]


def test_a_column_that_is_not_there_is_named_and_none_at_all_is_no_answer() -> None:
    rows, at = drawn(MONDAY, 24, 10)
    some = check_drift(profile(), rows[:, :1], at, ["size"])
    assert some.status is DriftStatus.OK
    assert any("no such column: kind" in reason for reason in some.reasons)
    none = check_drift(profile(), rows, at, ["a", "b"])
    assert none.status is DriftStatus.INSUFFICIENT_DATA


def scheduled(weeks: int, first_ms: int, plan: int, seed: int) -> Rows:
    """Rows of a timetable: every week the same sizes at the same hours, but for one in fifty."""
    of_week = np.random.default_rng(plan)
    minute = np.sort(of_week.integers(0, 168 * 60, 168 * AN_HOUR))
    size = of_week.normal(size=len(minute))
    rng = np.random.default_rng(seed)
    at = np.concatenate([first_ms + week * WEEK_MS + minute * 60_000 for week in range(weeks)])
    sizes = np.tile(size, weeks)
    other = rng.random(len(sizes)) < 0.02
    sizes[other] = rng.normal(size=int(other.sum()))
    return sizes[:, None], at


def test_the_next_timetable_is_not_judged_as_if_rows_were_independent() -> None:
    rows, at = scheduled(WEEKS, MONDAY - WEEKS * WEEK_MS, plan=1, seed=1)
    known = Profile.from_document(build_profile(rows, ["size"], at))
    following, later = scheduled(1, MONDAY, plan=2, seed=2)
    day = later < MONDAY + DAY_MS
    window = (MONDAY, MONDAY + DAY_MS)
    assert check_drift(known, following[day], later[day], ["size"], window=window).status is DriftStatus.OK
    # A change of the world is still seen.
    report = check_drift(known, following[day] + 1.0, later[day], ["size"], window=window)
    assert report.drift_detected


def test_what_few_quiet_windows_speak_against_needs_a_moderate_effect_in_a_distance() -> None:
    """A week has eight quiet windows here: spread alone must be far out, a direction is told by its own windows."""
    window = (MONDAY, MONDAY + WEEK_MS)
    rows, at = drawn(MONDAY, 168, 11)
    center = np.sin(2 * np.pi * (at / HOUR_MS % 24) / 24)
    wider = [((rows[:, 0] - center) * by + center, by) for by in (1.25, 2.0)]
    for size, by in wider:
        found = check_drift(profile(), np.column_stack([size, rows[:, 1]]), at, NAMES, window=window)
        [of_size, _] = found.features
        assert (of_size.psi >= MODERATE_PSI) is (by == 2.0)
        assert of_size.drifted is (by == 2.0)
    rows[:, 0] += 0.2
    [shifted] = check_drift(profile(), rows, at, NAMES, window=window).drifted
    assert shifted.name == "size"
    assert shifted.psi < MODERATE_PSI


def test_an_effect_that_is_trivial_is_no_drift_however_unlikely() -> None:
    [feature, _] = profile().features
    counts = feature.counts.sum(axis=0).astype(float)
    expected = Expectation(counts / counts.sum(), 10.0, 10.0, 500.0)
    for psi, drifted in ((0.009, False), (0.05, True)):
        found = Distance(feature, counts, expected, 1e-9, psi, psi, None)
        report = judge([found], profile(), rows=1_000, window=(0, 1), false_alarm_rate=0.003, reasons=())
        assert report.drift_detected is drifted
        assert report.drift_score == pytest.approx(1.0 if drifted else psi)


def clustered(begin_ms: int, hours: int, seed: int) -> Rows:
    """Rows that arrive forty at a time, those of one cluster nearly alike."""
    rng = np.random.default_rng(seed)
    clusters = hours * AN_HOUR // 20
    at = np.repeat(np.sort(begin_ms + rng.integers(0, hours * HOUR_MS, clusters)), 40)
    size = np.repeat(rng.normal(size=clusters), 40) + rng.normal(size=len(at)) * 0.1
    return np.column_stack([size, np.zeros(len(at))]), at


@cache
def of_clusters() -> Profile:
    rows, at = clustered(MONDAY - WEEKS * WEEK_MS, WEEKS * 168, 31)
    return Profile.from_document(build_profile(rows, NAMES, at))


def test_clusters_are_no_drift_and_a_shift_of_clusters_is() -> None:
    width = (MONDAY, MONDAY + DAY_MS)
    quiet = [check_drift(of_clusters(), *clustered(MONDAY, 24, seed), NAMES, window=width) for seed in range(40)]
    assert not any(report.drift_detected for report in quiet)
    seen = 0
    for seed in range(40, 60):
        rows, at = clustered(MONDAY, 24, seed)
        rows[:, 0] += 1.2
        seen += check_drift(of_clusters(), rows, at, NAMES, window=width).drift_detected
    assert seen >= 18


def test_a_profile_of_before_directions_were_measured_is_checked_by_distances_alone() -> None:
    document = profile().to_document()
    for feature in document["features"]:
        del feature["shifts"]
        for quiet in (*feature["quiet"]["hellinger"], *feature["quiet"]["ks"]):
            del quiet["spread_freedom"]
            quiet["weeks"] = float(WEEKS)
    old = Profile.from_document(document)
    rows, at = drawn(MONDAY, 24, 5)
    assert check_drift(old, rows, at, NAMES).status is DriftStatus.OK
    rows[:, 0] += 0.6
    assert [f.name for f in check_drift(old, rows, at, NAMES).drifted] == ["size"]


def test_a_new_value_is_told_where_known_ones_come_in_clusters() -> None:
    """The known values of `kind` change from day to day; a value that nobody ever had is another thing."""

    def by_the_day(first_ms: int, days: int, seed: int) -> Rows:
        rng = np.random.default_rng(seed)
        day = np.repeat(np.arange(days), 400)
        at = np.sort(first_ms + day * DAY_MS + rng.integers(0, DAY_MS, len(day)))
        return (rng.random(len(day)) < rng.uniform(0.05, 0.95, days)[day]).astype(float)[:, None], at

    rows, at = by_the_day(MONDAY - WEEKS * WEEK_MS, WEEKS * 7, 41)
    known = Profile.from_document(build_profile(rows, ["kind"], at))
    window = (MONDAY, MONDAY + DAY_MS)
    for seed in range(42, 52):
        rows, at = by_the_day(MONDAY, 1, seed)
        assert check_drift(known, rows, at, ["kind"], window=window).status is DriftStatus.OK
        rows[:4] = 7.0  # one in a hundred: a rare value that had not been seen
        assert check_drift(known, rows, at, ["kind"], window=window).status is DriftStatus.OK
        rows[::20] = 7.0
        assert check_drift(known, rows, at, ["kind"], window=window).drift_detected


def test_what_the_reference_itself_reached_in_a_day_is_no_drift() -> None:
    rows, at = drawn(MONDAY - WEEKS * WEEK_MS, WEEKS * 168, 61)
    odd = (at >= MONDAY - 20 * DAY_MS) & (at < MONDAY - 19 * DAY_MS)
    rows[odd, 0] += 0.8
    known = Profile.from_document(build_profile(rows, NAMES, at))
    window = (MONDAY, MONDAY + DAY_MS)
    for by, drifted in ((0.6, False), (1.6, True)):
        rows, at = drawn(MONDAY, 24, 62)
        rows[:, 0] += by
        assert check_drift(known, rows, at, NAMES, window=window).drift_detected is drifted
        assert check_drift(profile(), rows, at, NAMES, window=window).drift_detected


def by_the_day(days: int, first_ms: int, seed: int) -> Rows:
    """A size whose level and a kind whose mix change from day to day."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), 400)
    at = np.sort(first_ms + day * DAY_MS + rng.integers(0, DAY_MS, len(day)))
    kind = (rng.random(len(day)) < rng.uniform(0.05, 0.95, days)[day]).astype(float)
    return np.column_stack([rng.normal(size=days)[day] + rng.normal(size=len(day)), kind]), at


def test_what_was_hardly_ever_is_told_where_all_else_varies_from_day_to_day() -> None:
    """Missing values of which there were none, and a value that five rows of 22,400 had."""
    rows, at = by_the_day(WEEKS * 7, MONDAY - WEEKS * WEEK_MS, 71)
    rows[::4_500, 1] = 5.0
    known = Profile.from_document(build_profile(rows, NAMES, at))
    window = (MONDAY, MONDAY + DAY_MS)
    for seed in range(72, 76):
        rows, at = by_the_day(1, MONDAY, seed)
        assert check_drift(known, rows, at, NAMES, window=window).status is DriftStatus.OK
        absent, frequent = rows.copy(), rows.copy()
        absent[::10, 0] = np.nan
        frequent[::20, 1] = 5.0
        assert [f.name for f in check_drift(known, absent, at, NAMES, window=window).drifted] == ["size"]
        assert [f.name for f in check_drift(known, frequent, at, NAMES, window=window).drifted] == ["kind"]


def test_a_reference_of_a_handful_of_rows_is_no_answer() -> None:
    """Five numbers are five values, and every other number would be a new one."""
    rows, at = drawn(MONDAY - WEEK_MS, 168, 81)
    few = Profile.from_document(build_profile(rows[:5], NAMES, at[:5]))
    report = check_drift(few, *drawn(MONDAY, 24, 82), NAMES)
    assert report.status is DriftStatus.INSUFFICIENT_DATA
    assert "5 rows in the reference" in report.reasons[0]


def test_a_reference_without_a_judged_column_is_no_answer() -> None:
    rows, at = drawn(MONDAY - WEEK_MS, 168, 83)
    nothing = Profile.from_document(build_profile(rows, ["hour_sin", "weekday_sin"], at))
    assert check_drift(nothing, rows, at, NAMES).status is DriftStatus.INSUFFICIENT_DATA


def test_a_reference_of_three_weeks_is_judged_and_named_short() -> None:
    rows, at = drawn(MONDAY - 3 * WEEK_MS, 3 * 168, 71)
    known = Profile.from_document(build_profile(rows, NAMES, at))
    report = check_drift(known, *drawn(MONDAY, 24, 72), NAMES, window=(MONDAY, MONDAY + DAY_MS))
    assert report.status is DriftStatus.OK
    assert any("spans 21 days" in reason for reason in report.reasons)
    assert not any("spans" in reason for reason in check(*drawn(MONDAY, 24, 2)).reasons)


def test_figures_are_plain_numbers_that_a_record_can_hold() -> None:
    rows, at = drawn(MONDAY, 24, 81)
    rows[::20, 1] = 9.0
    report = check(rows, at)
    figures = [report.drift_score, *(v for f in report.features for v in (f.p_value, f.psi, f.psi_raw))]
    assert {type(figure) for figure in figures} == {float}
