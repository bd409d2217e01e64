"""What MongoDB really holds: times as numbers or dates, older spellings, no tickets, fields of others; read two ways."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from bson import DatetimeMS
from pymongo.errors import AutoReconnect
from tests.support.tickets import START_MS, flights, ticket

from neural_hive_ml.tickets import mongo_raw
from neural_hive_ml.tickets.columns import TicketColumns, columns_of, concat, digest_of
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.mongo import MongoTicketStore
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.tickets.ticket import Ticket

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("mongo")]
ALL = TicketWindow()
Json = dict[str, Any]


@pytest.fixture
def store(mongo_uri: str) -> Iterator[MongoTicketStore]:
    # Small batches, so that a few documents are several of them.
    opened = MongoTicketStore(mongo_uri, f"test_{uuid4().hex[:12]}", 10.0, batch_rows=7)
    yield opened
    opened.close()


def document(number: int, **changes: Any) -> Json:
    return {**msgspec.to_builtins(ticket(f"t-{number:03}", START_MS + number)), **changes}


def good() -> list[Json]:
    return [
        *(document(i) for i in range(60)),
        document(100, retry_count=2.0),
        document(101, created_at=float(START_MS + 101), started_at=None),
        document(102, status="completed", priority=9, parameters={"n": 3, "deep": {"a": [1]}}),
        document(103, owner="nobody", predictions={"text": "x" * 50}),
        document(104, metadata=None),
        document(105, description="Ação ✓ \0 🐝", required_capabilities=None),
    ]


def bad() -> list[Json]:
    return [
        document(200, status="LOST"),
        document(201, completed_at=START_MS - 1),
        document(202, created_at=START_MS // 1000),
        document(203, created_at="2023-11-14T22:13:20Z"),
        document(204, created_at=None),
        document(205, created_at=float("nan")),
        document(206, sla="none"),
        document(207, dependencies=["t-207"]),
        document(208, parameters={"$ref": "a", "$id": "b"}),
    ]


def with_dates(found: Mapping[str, Any]) -> Json:
    times = ("created_at", "started_at", "completed_at")
    moved = {n: datetime.fromtimestamp(v / 1000, UTC) for n in times if isinstance(v := found[n], int | float)}
    return {**found, **moved}


def expected(found: list[Json]) -> list[Ticket]:
    tickets = [decode_ticket({k: v for k, v in d.items() if k != "_id"}) for d in found]
    return sorted(tickets, key=lambda t: (t.created_at, t.ticket_id))


def assert_reads(store: MongoTicketStore, window: TicketWindow, tickets: list[Ticket]) -> None:
    assert list(store.tickets(window)) == tickets
    blocks: list[TicketColumns] = list(store.blocks(window, 25))
    assert all(len(b) == 25 for b in blocks[:-1])
    assert digest_of(concat(blocks)) == digest_of(columns_of(tickets))


@pytest.mark.parametrize("times", ["numbers", "dates", "both"])
def test_both_reads_see_the_same_and_quarantine_the_same(store: MongoTicketStore, times: str) -> None:
    held = good()
    if times != "numbers":
        held = [with_dates(d) if times == "dates" or i % 2 else d for i, d in enumerate(held)]
    refused = bad()
    store._tickets.insert_many([*held[::-1], *refused])
    tickets = expected(held)
    assert_reads(store, ALL, tickets)
    assert store._quarantine.count() == len(refused)
    assert {h.field for h in store._quarantine.held()} >= {"status", "completed_at", "created_at", "dependencies"}
    half = TicketWindow(START_MS + 10, START_MS + 103)
    assert_reads(store, half, [t for t in tickets if START_MS + 10 <= t.created_at < START_MS + 103])
    assert store._quarantine.count() == len(refused)


def test_a_date_that_python_has_not_is_nobody_elses_trouble(store: MongoTicketStore) -> None:
    beyond = DatetimeMS(2**60)
    others, ours = document(1, predictions={"at": beyond}), document(2, started_at=beyond, completed_at=None)
    store._tickets.insert_many([others, ours, document(3)])
    assert_reads(store, ALL, expected([document(1), document(3)]))
    assert store.get("t-001") == decode_ticket(document(1))
    assert store.get("t-002") is None
    assert store.extent().tickets == 3
    assert {refused.field for refused in store._quarantine.held()} == {"started_at"}


def test_fields_of_others_are_left_out_once_they_are_most_of_it(
    store: MongoTicketStore,
) -> None:
    held = flights(120)
    store._tickets.insert_many([{**msgspec.to_builtins(t), "predictions": "x" * 5_000} for t in held])
    sizes = [
        len(b)
        for b in mongo_raw.raw_batches(store._mongo, store._tickets, ALL, "number", alone=True, batch_rows=10)
    ]
    assert min(sizes[:4]) > 10 * 5_000
    assert max(sizes[4:]) < 10 * 5_000
    ordered = sorted(held, key=lambda t: (t.created_at, t.ticket_id))
    assert_reads(store, ALL, ordered)


def test_a_connection_lost_in_mid_read_is_taken_up_where_it_was(
    store: MongoTicketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [document(i) for i in range(40)]
    store._tickets.insert_many([*held, *bad()])
    find, lost = mongo_raw._find, []

    def losing(*arguments: Any) -> Iterator[bytes]:
        for number, batch in enumerate(find(*arguments)):
            if number == 2:
                lost.append(number)
                raise AutoReconnect("connection closed")
            yield batch

    monkeypatch.setattr(mongo_raw, "_find", losing)
    assert_reads(store, ALL, expected(held))
    assert len(lost) >= 4
