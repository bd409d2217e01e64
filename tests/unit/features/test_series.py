"""Counts by bucket against a plain count, for any span, grain and gap."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.histories import START_MS, TIMEZONES
from tests.support.tickets import ticket

from neural_hive_ml.clock import DAY_MS, HOUR_MS, MINUTE_MS, WEEK_MS
from neural_hive_ml.features.series import (
    GRAIN_MS,
    CountSeries,
    completions,
    count_events,
    from_pairs,
    local_ms,
    week_slot,
)
from neural_hive_ml.tickets.columns import columns_of

MOMENTS = st.lists(st.integers(-50, 400), max_size=40)


@given(MOMENTS, st.integers(-40, 100), st.integers(-40, 300), st.integers(1, 17))
@settings(max_examples=200, deadline=None)
def test_every_moment_of_a_whole_bucket_is_counted_once(
    at: list[int], since: int, until: int, bucket: int
) -> None:
    series = count_events(np.array(at, dtype=np.int64), since, until, bucket)
    assert series.start_ms % bucket == 0
    assert since <= series.start_ms < since + bucket
    assert series.end_ms <= max(until, series.start_ms)
    assert series.end_ms + bucket > until or len(series) == 0
    for start, count in zip(series.times_ms().tolist(), series.counts.tolist(), strict=True):
        assert count == sum(start <= m < start + bucket for m in at)


@given(st.lists(st.integers(0, 9) | st.none(), max_size=60), st.integers(0, 20), st.integers(1, 6))
@settings(max_examples=100, deadline=None)
def test_coarser_buckets_are_sums_of_whole_ones(counts: list[int | None], first: int, factor: int) -> None:
    known = [np.nan if c is None else float(c) for c in counts]
    series = CountSeries(first * 5, 5, np.array(known))
    coarse = series.coarser(5 * factor)
    assert coarse.start_ms % (5 * factor) == 0 or len(coarse) == 0
    fine = dict(zip(series.times_ms().tolist(), known, strict=True))
    whole = [s for s in range(0, series.end_ms + 1, 5 * factor) if all(s + 5 * k in fine for k in range(factor))]
    assert coarse.times_ms().tolist() == whole
    expected = [sum(fine[s + 5 * k] for k in range(factor)) for s in whole]
    assert np.array_equal(coarse.counts, expected, equal_nan=True)


@pytest.mark.parametrize(("start", "bucket", "coarse"), [(0, 10, 15), (3, 10, 20), (0, 10, 5)])
def test_buckets_that_do_not_add_up_are_an_error(start: int, bucket: int, coarse: int) -> None:
    with pytest.raises(ValueError, match="do not add up"):
        CountSeries(start, bucket, np.zeros(8)).coarser(coarse)


@given(st.integers(0, 12), st.integers(-30, 160))
def test_until_and_since_cut_between_buckets(n: int, at_ms: int) -> None:
    series = CountSeries(20, 10, np.arange(float(n)))
    early, late = series.until(at_ms), series.since(at_ms)
    assert early.counts.tolist() == [
        c for t, c in zip(series.times_ms(), series.counts, strict=True) if t + 10 <= at_ms
    ]
    assert late.counts.tolist() == [c for t, c in zip(series.times_ms(), series.counts, strict=True) if t >= at_ms]
    assert len(late) == 0 or late.start_ms == late.times_ms()[0] >= at_ms


@given(st.lists(st.tuples(st.integers(0, 90), st.floats(0, 100)), max_size=20), st.none() | st.integers(0, 120))
def test_pairs_are_laid_on_a_grid(pairs: list[tuple[int, float]], until: int | None) -> None:
    at, values = np.array([p[0] for p in pairs], dtype=np.int64), np.array([p[1] for p in pairs])
    series = from_pairs(at, values, 10, until)
    for start, count in zip(series.times_ms().tolist(), series.counts.tolist(), strict=True):
        assert count == pytest.approx(sum(v for m, v in pairs if start <= m < start + 10))
    end = max(at) // 10 * 10 + 10 if until is None and pairs else (until or 0) // 10 * 10
    assert series.end_ms == (max(end, min(at) // 10 * 10) if pairs else 0)


def test_only_completed_tickets_are_load_that_was_served() -> None:
    at = START_MS - START_MS % HOUR_MS + 7 * MINUTE_MS
    some = [
        ticket("a", at, completed_at=at + 3_600_000),
        ticket("b", at, completed_at=at + 3_600_000 + 5 * MINUTE_MS),
        ticket("c", at, status="FAILED", completed_at=at + 3_600_000),
        ticket("d", at, status="RUNNING", completed_at=None),
        ticket("later", at, completed_at=at + 3 * HOUR_MS),
    ]
    series = completions(columns_of(some), at + 2 * HOUR_MS)
    assert series.bucket_ms == GRAIN_MS
    assert series.start_ms == at + HOUR_MS - 2 * MINUTE_MS
    assert series.counts[:2].tolist() == [1.0, 1.0]
    assert series.counts.sum() == 2
    assert series.end_ms == at + 2 * HOUR_MS - 2 * MINUTE_MS
    assert len(completions(columns_of([]), START_MS)) == 0


@given(st.lists(st.integers(315_532_800_000, 4_000_000_000_000), max_size=12), st.sampled_from(TIMEZONES))
@settings(max_examples=100, deadline=None)
def test_local_time_is_the_clock_on_the_wall(at: list[int], timezone: str) -> None:
    local = local_ms(np.array(at, dtype=np.int64), timezone)
    for utc, wall in zip(at, local.tolist(), strict=True):
        offset = datetime.fromtimestamp(utc // 1000, UTC).astimezone(ZoneInfo(timezone)).utcoffset()
        assert offset is not None
        assert wall - utc == offset.total_seconds() * 1000


@given(st.integers(-(10**13), 10**13), st.sampled_from([5 * MINUTE_MS, HOUR_MS, DAY_MS]))
def test_week_slots_begin_on_monday(local: int, bucket: int) -> None:
    slot = int(week_slot(np.array([local]), bucket)[0])
    day = datetime.fromtimestamp(local // 1000, UTC)
    into = day.weekday() * DAY_MS + ((day.hour * 60 + day.minute) * 60 + day.second) * 1000
    assert slot == into // bucket
    assert 0 <= slot < WEEK_MS // bucket
