"""Blocks of columns: regrouping changes their sizes and nothing else."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.support.trained import generated_tickets

from neural_hive_ml.tickets.columns import columns_of, concat, digest_of, regrouped


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 7))
def test_regrouped_blocks_hold_the_same_tickets_in_full_blocks(sizes: list[int], rows: int) -> None:
    whole = columns_of(generated_tickets()[: sum(sizes)])
    ends = np.cumsum(sizes, dtype=int)
    blocks = [whole.take(np.arange(end - size, end)) for end, size in zip(ends, sizes, strict=True)]
    again = list(regrouped(blocks, rows))
    assert [len(block) for block in again] == [rows] * (sum(sizes) // rows) + [sum(sizes) % rows] * (
        sum(sizes) % rows > 0
    )
    assert digest_of(concat(again)) == digest_of(whole)
