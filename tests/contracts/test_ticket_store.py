"""What every ticket store does, run over each of them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from tests.support.clickhouse_server import clickhouse_store
from tests.support.tickets import START_MS, flights, ticket

from neural_hive_ml.tickets.columns import TicketColumns, columns_of, concat, digest_of
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.memory import MemoryTicketStore
from neural_hive_ml.tickets.port import StoreExtent, TicketStore, TicketWindow, UpsertSummary

ADAPTERS = (
    "memory",
    "embedded",
    pytest.param("mongo", marks=[pytest.mark.services, pytest.mark.xdist_group("mongo")]),
    pytest.param("clickhouse", marks=[pytest.mark.services, pytest.mark.xdist_group("clickhouse")]),
)
ALL = TicketWindow()


@pytest.fixture(params=ADAPTERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TicketStore]:
    with closing(_open(request, tmp_path)) as opened:
        yield opened


def _open(request: pytest.FixtureRequest, tmp_path: Path) -> TicketStore:
    match request.param:
        case "memory":
            return MemoryTicketStore()
        case "embedded":
            return EmbeddedTicketStore(tmp_path / "tickets")
        case "clickhouse":
            return clickhouse_store(request.getfixturevalue("clickhouse_address"))
        case _:
            from neural_hive_ml.tickets.mongo import MongoTicketStore

            return MongoTicketStore(request.getfixturevalue("mongo_uri"), f"test_{uuid4().hex[:12]}", 10.0)


def equal(a: TicketColumns, b: TicketColumns) -> bool:
    same_types = all(getattr(a, f.name).dtype == getattr(b, f.name).dtype for f in fields(a))
    return same_types and digest_of(a) == digest_of(b)


def test_an_empty_store(store: TicketStore) -> None:
    assert store.extent() == StoreExtent(0, None, None, None)
    assert list(store.tickets(ALL)) == []
    assert list(store.blocks(ALL)) == []
    assert store.get("absent") is None
    assert store.upsert([]) == UpsertSummary()


def test_a_ticket_comes_back_as_it_was(store: TicketStore) -> None:
    sparse = ticket(
        "t-2", started_at=None, completed_at=None, status="PENDING", actual_duration_ms=None, metadata={}
    )
    odd = ticket(
        "t-3", parameters={"a.b": "1", "$c": "", "": "Ação ✓"}, dependencies=("t-1", "t-2"), error_message=""
    )
    assert store.upsert([ticket("t-1"), sparse, odd]) == UpsertSummary(stored=3)
    assert [store.get(f"t-{i}") for i in (1, 2, 3)] == [ticket("t-1"), sparse, odd]
    assert list(store.tickets(ALL)) == [ticket("t-1"), sparse, odd]


def test_the_last_document_wins_and_is_counted(store: TicketStore) -> None:
    first, second = ticket(retry_count=0), ticket(retry_count=1)
    assert store.upsert([first]) == UpsertSummary(stored=1)
    assert store.upsert([first]) == UpsertSummary(unchanged=1)
    assert store.upsert([second]) == UpsertSummary(updated=1)
    assert store.upsert([first, second, second, ticket("new")]) == UpsertSummary(stored=1, updated=2, unchanged=1)
    assert store.get("t-1") == second
    assert store.extent().tickets == 2


def test_windows_are_half_open_and_ordered(store: TicketStore) -> None:
    held = [ticket(name, START_MS + at) for name, at in (("c", 2), ("b", 1), ("a", 1), ("d", 3))]
    store.upsert(held)
    assert [t.ticket_id for t in store.tickets(ALL)] == ["a", "b", "c", "d"]
    assert [t.ticket_id for t in store.tickets(TicketWindow(START_MS + 1, START_MS + 3))] == ["a", "b", "c"]
    assert [t.ticket_id for t in store.tickets(TicketWindow(until_ms=START_MS + 1))] == []
    assert [t.ticket_id for t in store.tickets(TicketWindow(since_ms=START_MS + 2))] == ["c", "d"]


def test_blocks_hold_what_tickets_hold(store: TicketStore) -> None:
    held = flights(5_000)
    store.upsert(held[2_500:])
    store.upsert(held[:2_500])
    window = TicketWindow(held[700].created_at, held[4_200].created_at)
    expected = sorted(
        (t for t in held if window.since_ms <= t.created_at < window.until_ms),  # type: ignore[operator] - both set
        key=lambda t: (t.created_at, t.ticket_id),
    )
    assert list(store.tickets(window)) == expected
    blocks = list(store.blocks(window, block_rows=1_000))
    assert all(0 < len(block) <= 1_000 for block in blocks)
    assert equal(concat(blocks), columns_of(expected))


def test_a_moved_ticket_is_found_once(store: TicketStore) -> None:
    held = flights(3_000)
    store.upsert(held)
    moved = [replace(t, created_at=t.created_at - 86_400_000) for t in held[::3]]
    assert store.upsert(moved) == UpsertSummary(updated=1_000)
    found = list(store.tickets(ALL))
    assert len(found) == 3_000
    assert {t.ticket_id: t for t in found} == {t.ticket_id: t for t in held} | {t.ticket_id: t for t in moved}
    assert all((a.created_at, a.ticket_id) < (b.created_at, b.ticket_id) for a, b in pairwise(found))


def test_extent_follows_updates(store: TicketStore) -> None:
    open_ticket = ticket("b", START_MS + 10, status="RUNNING", completed_at=None, actual_duration_ms=None)
    store.upsert([ticket("a"), open_ticket])
    assert store.extent() == StoreExtent(2, START_MS, START_MS + 10, START_MS + 61_000)
    store.upsert([ticket("b", START_MS + 10)])
    assert store.extent() == StoreExtent(2, START_MS, START_MS + 10, START_MS + 61_010)


def test_synthetic_and_errors_are_seen(store: TicketStore) -> None:
    store.upsert([ticket("a"), ticket("b", metadata={"synthetic": "true"}, error_message="x", status="FAILED")])
    [block] = store.blocks(ALL)
    np.testing.assert_array_equal(block.synthetic, [False, True])
    np.testing.assert_array_equal(block.error, [False, True])
    assert list(block.owner) == ["team-a", ""]


def test_describe_says_where(store: TicketStore) -> None:
    assert store.describe().startswith("tickets in ")


def test_erased_tickets_are_gone_and_the_others_are_what_they_were(store: TicketStore) -> None:
    held = [ticket(f"t-{i}", START_MS + i, metadata={"owner": f"o-{i % 3}"}) for i in range(300)]
    store.upsert(held)
    store.upsert([replace(held[7], retry_count=2)])
    gone = [t.ticket_id for t in held if t.owner == "o-1"]
    assert store.erase([*gone, "absent"]) == 100
    assert store.erase(gone) == 0
    assert store.get(gone[0]) is None
    assert list(store.tickets(ALL)) == [t for t in held if t.owner != "o-1"]
    assert store.upsert(held[:3]) == UpsertSummary(stored=1, unchanged=2)


def test_pruning_takes_what_was_created_before(store: TicketStore) -> None:
    held = [ticket(f"t-{i}", START_MS + i) for i in range(120)]
    store.upsert(held)
    assert store.prune(START_MS) == 0
    assert store.prune(START_MS + 50) == 50
    assert store.prune(START_MS + 50) == 0
    assert list(store.tickets(ALL)) == held[50:]
    assert store.extent().oldest_ms == START_MS + 50
