"""The shipped sample is what data/README.md says, and nothing in it tells the outcome beforehand."""

from collections import Counter
from itertools import pairwise
from uuid import UUID, uuid5

import pytest

from neural_hive_ml.clock import HOUR_MS, parse_instant
from neural_hive_ml.tickets import sample
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.sample import SAMPLE_COUNT, SAMPLE_FILE, sample_tickets
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.tickets.validate import fault_of


@pytest.fixture(scope="module")
def march() -> list[Ticket]:
    return list(sample_tickets(parse_instant("2013-03-08T00:00:00Z"), parse_instant("2013-03-13T00:00:00Z")))


def test_the_file_is_complete_and_small() -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(SAMPLE_FILE)
    assert len(table) == SAMPLE_COUNT
    assert Counter(table["outcome"].to_pylist()) == {0: 327_346, 1: 8_255, 2: 1_175}
    assert SAMPLE_FILE.stat().st_size < 3_000_000


def test_tickets_are_valid_ordered_and_distinct(march: list[Ticket]) -> None:
    assert all(fault_of(t) is None for t in march)
    assert all(a.created_at <= b.created_at for a, b in pairwise(march))
    assert len({t.ticket_id for t in march}) == len(march) > 4_000
    assert all(UUID(t.ticket_id).version == 5 for t in march[:100])
    assert sample._id("name") == str(uuid5(sample._NAMESPACE, "name"))


def test_windows_cut_the_sample(march: list[Ticket]) -> None:
    since, until = march[1_000].created_at, march[2_000].created_at
    cut = list(sample_tickets(since, until))
    assert cut == [t for t in march if since <= t.created_at < until]


def test_a_known_flight() -> None:
    # UA 1545 of 1 January: planned 5:15 EST from Newark, left 5:17, planned 8:19 CST in Houston, arrived 8:30.
    first = next(t for t in sample_tickets() if t.task_id == "UA1545 EWR-IAH")
    planned = parse_instant("2013-01-01T10:15:00Z")
    assert first.created_at == planned - HOUR_MS
    assert first.started_at == planned + 2 * 60_000
    assert first.completed_at == parse_instant("2013-01-01T14:30:00Z")
    assert first.estimated_duration_ms == (4 * 60 + 4) * 60_000
    assert (first.owner, first.status, first.risk_band) == ("UA", "COMPLETED", "high")


def test_outcomes(march: list[Ticket]) -> None:
    for t in march:
        if t.error_message == "flight cancelled":
            assert (t.status, t.started_at, t.actual_duration_ms) == ("FAILED", None, None)
            assert t.completed_at == t.created_at + HOUR_MS
        elif t.error_message == "flight diverted":
            assert t.status == "FAILED"
            assert t.started_at is not None
            assert t.completed_at is not None
            assert t.completed_at > t.started_at
        else:
            assert t.status == "COMPLETED"
            assert t.actual_duration_ms == t.completed_at - t.started_at  # type: ignore[operator] - both set


def test_parameters_do_not_tell_the_outcome(march: list[Ticket]) -> None:
    names = {frozenset(t.parameters) for t in march}
    assert names == {frozenset({"flight", "origin", "dest", "distance_miles"})}
    assert len(columns_of(march)) == len(march)
