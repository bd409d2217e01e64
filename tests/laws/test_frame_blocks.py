"""Rows block by block are the rows of one piece, wherever the blocks are cut."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.laws.test_feature_parity import BINDING, bits
from tests.support.histories import histories
from tests.support.memory import assert_same_memory
from tests.support.tickets import ticket

from neural_hive_ml.errors import UsageError
from neural_hive_ml.features.blocks import frame_blocks
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.ticket import Ticket


@given(histories(), st.lists(st.integers(0, 14), max_size=5))
@settings(max_examples=150, deadline=None)
def test_blocks_cut_anywhere_give_the_same_bits(tickets: list[Ticket], cuts: list[int]) -> None:
    ordered = sorted(tickets, key=lambda t: (t.created_at, t.ticket_id))
    edges = sorted({0, len(ordered), *(c for c in cuts if c <= len(ordered))})
    blocks = [columns_of(ordered[low:high]) for low, high in pairwise(edges)]
    whole, memory = build_frame(columns_of(ordered), BINDING)

    learned = Statistics()
    parts = list(frame_blocks(blocks, BINDING, learned))

    rows = np.concatenate([frame.rows for frame, _ in parts])
    assert np.array_equal(bits(rows), bits(whole.rows))
    assert np.array_equal(np.concatenate([frame.at_ms for frame, _ in parts]), whole.at_ms)
    whose = [held.ticket_id[i] for frame, held in parts for i in frame.ticket]
    assert whose == [ordered[i].ticket_id for i in whole.ticket]
    assert_same_memory(memory, learned)


def test_blocks_out_of_order_are_refused() -> None:
    first, second = (columns_of([pending_at(ms)]) for ms in (5, 3))
    with pytest.raises(UsageError, match="not in order"):
        list(frame_blocks([first, second], BINDING, Statistics()))


def pending_at(ms: int) -> Ticket:
    made = ticket(f"t{ms}")
    return replace(
        made, created_at=ms, started_at=None, completed_at=None, status="PENDING", actual_duration_ms=None
    )
