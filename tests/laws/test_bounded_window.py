"""A window with more tickets than rows are made of: its rows, statistics and load are those of the whole."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.laws.test_feature_parity import BINDING, bits
from tests.support.histories import histories
from tests.support.memory import assert_same_memory
from tests.support.tickets import flights

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.series import completions
from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.columns import TicketColumns, columns_of
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.load import hours_of
from neural_hive_ml.training.request import TrainingRequest
from neural_hive_ml.training.window import bounded_window, window_frame

STAGES = ("created", "ended")


def blocks_of(tickets: list[Ticket], cuts: list[int]) -> list[TicketColumns]:
    ordered = sorted(tickets, key=lambda t: (t.created_at, t.ticket_id))
    edges = sorted({0, len(ordered), *(c for c in cuts if c <= len(ordered))})
    return [columns_of(ordered[low:high]) for low, high in pairwise(edges)]


def assert_as_of_the_whole(tickets: list[Ticket], cuts: list[int], most: int, at_ms: int) -> None:
    whole = as_of(columns_of(tickets), at_ms)
    columns, earlier = bounded_window(blocks_of(tickets, cuts), at_ms, most, BINDING.timezone)
    frame, memory = window_frame(columns, BINDING, STAGES, earlier)
    expected, expected_memory = build_frame(whole, BINDING, STAGES)

    since_ms = 0 if earlier is None else earlier.until_ms
    later = expected.at_ms >= since_ms
    assert np.array_equal(bits(frame.rows), bits(expected.rows[later]))
    assert np.array_equal(frame.at_ms, expected.at_ms[later])
    assert list(columns.ticket_id[frame.ticket]) == list(whole.ticket_id[expected.ticket[later]])
    assert_same_memory(memory, expected_memory)
    assert (columns.created_at_ms >= since_ms).sum() >= min(most, len(whole))
    if earlier is None:
        assert len(columns) == len(whole)
        return
    hours = completions(whole, at_ms, bucket_ms=HOUR_MS)
    assert earlier.tickets == (whole.created_at_ms < since_ms).sum()
    assert earlier.oldest_ms == int(whole.created_at_ms.min())
    assert np.array_equal(earlier.hours.counts, hours.counts)
    if len(hours):
        assert earlier.hours.start_ms == hours.start_ms
    # A load model of the bounded window learns from the same hours.
    asked = TrainingRequest("load", at_ms, min_samples=0, horizon_minutes=60)
    bounded, of_all = hours_of(columns, replace(asked, earlier=earlier)), hours_of(whole, asked)
    assert bounded.counts.tolist() == of_all.counts.tolist()


@given(histories(), st.lists(st.integers(0, 14), max_size=6), st.integers(1, 10), st.data())
@settings(max_examples=150, deadline=None)
def test_cut_anywhere(tickets: list[Ticket], cuts: list[int], most: int, data: st.DataObject) -> None:
    times = sorted({m for t in tickets for m in (t.created_at, t.started_at, t.completed_at) if m is not None})
    at_ms = data.draw(st.sampled_from(times)) + 1 if times else 1
    assert_as_of_the_whole(tickets, cuts, most, at_ms)


def test_real_tickets() -> None:
    tickets = flights(3_000)
    at_ms = max(t.completed_at or t.created_at for t in tickets) + 1
    assert_as_of_the_whole(tickets, list(range(0, 3_000, 250)), 800, at_ms)


def test_nothing_is_a_window_too() -> None:
    columns, earlier = bounded_window([columns_of([])], 1, 10, "UTC")
    assert len(columns) == 0
    assert earlier is None
