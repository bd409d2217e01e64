"""ClickHouse's own sums against the replay of every event: the same series, and the same statistics within 1e-9."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import islice

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.clickhouse_server import ClickHouseAddress, clickhouse_store
from tests.support.tickets import START_MS, flights, ticket, tickets

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.features import layout as at
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.series import completions
from neural_hive_ml.features.sql_series import sql_completions
from neural_hive_ml.features.sql_statistics import sql_statistics
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
from neural_hive_ml.tickets.clickhouse_client import HEAVY_PATIENCE
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.generator import GeneratorPlan, generate
from neural_hive_ml.tickets.ticket import Ticket

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("clickhouse")]
_TABLES = {**dict.fromkeys(at.FULL_SCOPES, "full"), **dict.fromkeys(at.SLIM_SCOPES, "slim")}
_TABLES |= {**dict.fromkeys(at.PAIR_SCOPES, "pairs"), **dict.fromkeys(at.HOUR_SCOPES, "hours")}


@pytest.fixture
def store(clickhouse_address: ClickHouseAddress) -> Iterator[ClickHouseTicketStore]:
    with closing(clickhouse_store(clickhouse_address)) as opened:
        yield opened


def by_key(statistics: Statistics, scope: str) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    table = getattr(statistics.tables, _TABLES[scope])
    return {key: table[slot] for key, slot in statistics.slots[at.SCOPES.index(scope)].items()}


def replayed(held: list[Ticket], at_ms: int, since_ms: int | None, timezone: str) -> Statistics:
    columns = columns_of([t for t in held if since_ms is None or t.created_at >= since_ms])
    return build_frame(as_of(columns, at_ms), FeatureBinding((), timezone))[1]


def assert_same(
    store: ClickHouseTicketStore,
    held: list[Ticket],
    at_ms: int,
    since_ms: int | None = None,
    timezone: str = "UTC",
) -> Statistics:
    query = partial(store.database.query, patience=HEAVY_PATIENCE)
    computed = sql_statistics(query, store.table, at_ms, created_since_ms=since_ms, timezone=timezone)
    expected = replayed(held, at_ms, since_ms, timezone)
    assert (computed.as_of_ms, computed.sequence) == (expected.as_of_ms, expected.sequence)
    for scope in at.SCOPES:
        ours, theirs = by_key(computed, scope), by_key(expected, scope)
        assert ours.keys() == theirs.keys()
        for key, record in theirs.items():
            # Numbers near zero are differences of larger ones: an absolute 1e-12 stands beside the relative 1e-9.
            np.testing.assert_allclose(ours[key], record, rtol=1e-9, atol=1e-12, err_msg=f"{scope} {key!r}")
    return computed


def moments(held: list[Ticket]) -> tuple[int, int]:
    """A moment in the middle, when many are open, and one after all."""
    created = sorted(t.created_at for t in held)
    return created[len(created) // 2] + 1, max(max(t.created_at, t.completed_at or 0) for t in held) + 1


def generated(count: int, tasks: int = 40) -> list[Ticket]:
    plan = GeneratorPlan(start_ms=START_MS, seed=7, per_hour=200.0, tasks=tasks, owners=9)
    return list(islice(generate(plan), count))


@pytest.mark.parametrize("timezone", ["UTC", "America/Sao_Paulo", "Asia/Kolkata"])
def test_generated_tickets(store: ClickHouseTicketStore, timezone: str) -> None:
    held = generated(6_000)
    store.upsert(held)
    for at_ms in moments(held):
        computed = assert_same(store, held, at_ms, timezone=timezone)
    # More than the newest thousand of a key were needed: the widest scope saw them all.
    assert by_key(computed, "everything")["everything"][at.N_CREATED] == 6_000


def test_real_tickets_and_a_window(store: ClickHouseTicketStore) -> None:
    held = flights(8_000)
    store.upsert(held)
    middle, end = moments(held)
    assert_same(store, held, end)
    assert_same(store, held, end, since_ms=middle - 6 * HOUR_MS)
    assert_same(store, held, held[0].created_at)


def test_odd_numbers_and_names_in_parameters(store: ClickHouseTicketStore) -> None:
    texts = [
        "1e3",
        " 7 ",
        "-2.5",
        "1_000",
        "_1",
        "1__0",
        "inf",
        "nan",
        "0x10",
        "1e400",
        "",
        ".5",
        "5.",
        "+3",
        "1,5",
    ]
    odd = [
        ticket(f"t-{i}", START_MS + i, parameters={"a": text, "a.b": "1", "a=": "x\x1f'\\"}, task_id="t'\\\n")
        for i, text in enumerate(texts)
    ]
    bare = [ticket(f"u-{i}", START_MS + i, task_id="", metadata={}, parameters={}) for i in range(3)]
    store.upsert([*odd, *bare])
    assert_same(store, [*odd, *bare], START_MS + DAY_MS)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(tickets(), max_size=12, unique_by=lambda t: t.ticket_id), st.data())
def test_any_tickets(clickhouse_address: ClickHouseAddress, held: list[Ticket], data: st.DataObject) -> None:
    if not held:
        return
    with closing(clickhouse_store(clickhouse_address)) as store:
        store.upsert(held)
        known = sorted({m for t in held for m in (t.created_at, t.started_at, t.completed_at) if m is not None})
        assert_same(store, held, data.draw(st.sampled_from(known)) + data.draw(st.integers(0, 1)))


@pytest.mark.parametrize("bucket_ms", [HOUR_MS, 5 * 60_000])
def test_the_load_series(store: ClickHouseTicketStore, bucket_ms: int) -> None:
    held = generated(4_000)
    store.upsert(held)
    for until_ms in (*moments(held), START_MS + 12_345_678):
        for since_ms in (None, START_MS + 3 * HOUR_MS + 1, START_MS - 5 * DAY_MS):
            for created_since_ms in (None, START_MS + 2 * HOUR_MS):
                columns = columns_of([t for t in held if t.created_at >= (created_since_ms or 0)])
                expected = completions(as_of(columns, until_ms), until_ms, since_ms, bucket_ms)
                counted = sql_completions(
                    store.database.query,
                    store.table,
                    until_ms,
                    since_ms,
                    bucket_ms,
                    created_since_ms=created_since_ms,
                )
                assert (counted.start_ms, counted.bucket_ms) == (expected.start_ms, expected.bucket_ms)
                np.testing.assert_array_equal(counted.counts, expected.counts)


def test_nothing_is_known_of_nothing(store: ClickHouseTicketStore) -> None:
    store.create()
    computed = assert_same(store, [], START_MS)
    assert computed.sequence == 0
    assert len(sql_completions(store.database.query, store.table, START_MS)) == 0
