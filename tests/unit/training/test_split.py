"""Sixty, fifteen, twenty-five by creation, nothing shuffled; too little is said with the numbers."""

from dataclasses import replace

import numpy as np
import pytest
from tests.support.histories import START_MS
from tests.support.tickets import ticket

from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.tickets.columns import TicketColumns, columns_of
from neural_hive_ml.training.split import TimeSplit, split_by_time


def spread(count: int, step_ms: int = 1_000) -> TicketColumns:
    return columns_of([ticket(f"t-{i}", START_MS + i * step_ms) for i in range(count)])


def test_shares_and_borders() -> None:
    split = split_by_time(spread(200), START_MS + 10**9, 100)
    assert split == TimeSplit(START_MS + 120_000, START_MS + 150_000, START_MS + 10**9)
    assert np.bincount(split.part(spread(200).created_at_ms)).tolist() == [120, 30, 50]
    at = [START_MS + 119_999, START_MS + 120_000, START_MS + 149_999, START_MS + 150_000]
    assert split.part(np.array(at)).tolist() == [0, 1, 1, 2]


def test_the_order_of_the_tickets_does_not_matter() -> None:
    columns = spread(90)
    mixed = columns.take(np.random.default_rng(1).permutation(90))
    assert split_by_time(columns, 0, 20) == split_by_time(mixed, 0, 20)


@pytest.mark.parametrize(("have", "asked", "need"), [(99, 100, 100), (0, 100, 100), (19, 1, 20), (10, 5, 20)])
def test_too_few_says_how_many_there_are_and_how_many_it_takes(have: int, asked: int, need: int) -> None:
    with pytest.raises(NotEnoughData, match=f"^{have} tickets in the window, {need} needed") as caught:
        split_by_time(spread(have), START_MS, asked)
    assert (caught.value.have, caught.value.need) == (have, need)
    assert "--training-window-days" in caught.value.remedy


def test_tickets_of_one_moment_cannot_be_split_in_time() -> None:
    with pytest.raises(NotEnoughData, match="too few moments"):
        split_by_time(spread(500, step_ms=0), START_MS, 100)
    # A batch that fills the validation leaves no part of its own to it.
    columns = spread(100)
    batch = replace(columns, created_at_ms=np.where(np.arange(100) < 58, columns.created_at_ms, START_MS + 58_000))
    with pytest.raises(NotEnoughData, match="too few moments"):
        split_by_time(batch, START_MS, 100)
