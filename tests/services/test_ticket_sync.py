"""MongoDB into ClickHouse: after any history and any interruption, both hold the same tickets."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.clickhouse_server import ClickHouseAddress, clickhouse_store
from tests.support.clocks import HandClock
from tests.support.tickets import START_MS, flights, ticket, tickets

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.tickets import sync as syncing
from neural_hive_ml.tickets.changes import ChangeSource, changes_of
from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
from neural_hive_ml.tickets.clickhouse_days import day_figures
from neural_hive_ml.tickets.memory import MemoryTicketStore
from neural_hive_ml.tickets.mongo import MongoTicketStore
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.tickets.sync import SyncSummary, sync
from neural_hive_ml.tickets.sync_log import SyncLog
from neural_hive_ml.tickets.ticket import Ticket

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("clickhouse")]
NOW = START_MS + 30 * DAY_MS
ALL = TicketWindow()


@dataclass
class Pair:
    source: TicketStore
    target: ClickHouseTicketStore
    clock: HandClock

    def sync(self, **options: bool) -> SyncSummary:
        return sync(self.source, self.target, self.clock, **options)

    def agree(self) -> bool:
        return list(self.source.tickets(ALL)) == list(self.target.tickets(ALL))


@pytest.fixture(params=["mongo", "memory"])
def pair(request: pytest.FixtureRequest, clickhouse_address: ClickHouseAddress) -> Iterator[Pair]:
    with ExitStack() as opened:
        if request.param == "memory":
            source: TicketStore = MemoryTicketStore()
        else:
            uri = request.getfixturevalue("mongo_uri")
            source = MongoTicketStore(uri, f"test_{uuid4().hex[:12]}", 10.0)
            assert isinstance(source, ChangeSource)
        target = clickhouse_store(clickhouse_address)
        opened.enter_context(closing(source))
        opened.enter_context(closing(target))
        yield Pair(source, target, HandClock(NOW))


def held(count: int = 40) -> list[Ticket]:
    return [ticket(f"t-{i:03}", START_MS + i * HOUR_MS) for i in range(count)]


def test_a_copy_then_nothing_to_do(pair: Pair) -> None:
    pair.source.upsert(held())
    first = pair.sync()
    assert (first.kind, first.read, first.stored) == ("copy", 40, 40)
    assert pair.agree()
    pair.clock.at_ms += HOUR_MS
    again = pair.sync()
    # Nothing lies within the overlap before the watermark, and nothing is open.
    assert (again.kind, again.read) == ("changes", 0)
    note = SyncLog(pair.target.database).last()
    assert note is not None
    assert (note.state, note.watermark_ms, note.source) == ("done", pair.clock.at_ms, pair.source.describe())


def test_an_empty_source_is_synced_too(pair: Pair) -> None:
    assert pair.sync().read == 0
    pair.source.upsert([ticket("late", NOW)])
    pair.clock.at_ms += HOUR_MS
    assert pair.sync().stored == 1
    assert pair.agree()


def test_new_and_changed_tickets_come_over_once(pair: Pair) -> None:
    running = ticket("open", START_MS, status="RUNNING", completed_at=None, actual_duration_ms=None)
    old = ticket("old", START_MS - 20 * DAY_MS, status="PENDING", started_at=None, completed_at=None)
    pair.source.upsert([*held(), running, old])
    pair.sync()
    pair.clock.at_ms += 2 * HOUR_MS
    fresh = ticket("fresh", NOW + HOUR_MS)
    # Ended just now; and an old one that was given up without any time of its own.
    ended = replace(running, status="COMPLETED", completed_at=NOW + HOUR_MS, actual_duration_ms=1)
    given_up = replace(old, status="REJECTED", error_message="given up")
    pair.source.upsert([fresh, ended, given_up])
    summary = pair.sync()
    assert (summary.stored, summary.updated) == (1, 2)
    assert pair.agree()
    pair.clock.at_ms += HOUR_MS
    again = pair.sync()
    assert (again.stored, again.updated) == (0, 0)


def test_an_ended_ticket_that_changes_within_the_overlap_comes_over(pair: Pair) -> None:
    ended = ticket("a", NOW - HOUR_MS)
    pair.source.upsert([ended])
    pair.sync()
    pair.clock.at_ms += HOUR_MS
    pair.source.upsert([replace(ended, status="COMPENSATED", retry_count=2)])
    assert pair.sync().updated == 1
    assert pair.agree()


def test_reconciling_finds_what_no_time_tells(pair: Pair) -> None:
    pair.source.upsert(held())
    pair.sync()
    pair.clock.at_ms += HOUR_MS
    # Written late, changed long after its end, moved to another day.
    late = ticket("late", START_MS - 100 * DAY_MS)
    changed = replace(held()[3], retry_count=9)
    moved = replace(held()[30], created_at=held()[30].created_at - 5 * DAY_MS)
    pair.source.upsert([late, changed, moved])
    assert pair.sync().read == 0
    assert not pair.agree()
    pair.clock.at_ms += HOUR_MS
    found = pair.sync(reconcile=True)
    assert (found.stored, found.updated) == (1, 2)
    assert found.days >= 3
    assert pair.agree()
    assert pair.target.get(moved.ticket_id) == moved
    pair.clock.at_ms += HOUR_MS
    assert pair.sync(reconcile=True).days == 0


def test_reconciling_finds_what_is_gone_and_what_came_back(pair: Pair) -> None:
    if isinstance(pair.source, MongoTicketStore):
        pair.source.upsert(held())
        pair.sync()
        pair.source._tickets.delete_many({"ticket_id": {"$in": ["t-003", "t-004"]}})
        pair.clock.at_ms += HOUR_MS
        assert pair.sync(reconcile=True).removed == 2
        assert pair.agree()
        assert pair.target.get("t-003") is None
        assert pair.target.extent().tickets == 38
        pair.source.upsert(held()[3:5])
        pair.clock.at_ms += HOUR_MS
        assert pair.sync(reconcile=True).stored == 2
        assert pair.agree()
        assert pair.target.get("t-003") == held()[3]


def test_a_copy_that_was_cut_off_goes_on(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "BATCH", 7)
    pair.source.upsert(held())

    def cut_off(so_far: SyncSummary) -> None:
        if so_far.read == 21:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync(pair.source, pair.target, pair.clock, progress=cut_off)
    assert pair.target.extent().tickets == 21
    # Changed after it was copied, before the copy went on: the watermark is the copy's beginning.
    pair.clock.at_ms += HOUR_MS
    pair.source.upsert([replace(held()[0], retry_count=1), replace(held()[1], completed_at=NOW)])
    pair.clock.at_ms += HOUR_MS
    rest = pair.sync()
    assert rest.kind == "copy"
    assert rest.read < 21
    pair.clock.at_ms += HOUR_MS
    assert pair.sync().updated == 1
    assert pair.sync(full=True).kind == "copy"
    assert pair.agree()


def test_a_full_sync_buries_what_moved(pair: Pair) -> None:
    pair.source.upsert(held())
    pair.sync()
    pair.source.upsert([replace(t, created_at=t.created_at - 50 * DAY_MS) for t in held()[::4]])
    pair.sync(full=True)
    assert pair.agree()
    assert pair.target.extent().tickets == 40


def test_what_the_target_would_forget_is_left_out(pair: Pair, clickhouse_address: ClickHouseAddress) -> None:
    young, old = ticket("young", NOW - DAY_MS), ticket("old", NOW - 20 * DAY_MS)
    # The engine's own clock decides what it forgets; ours decides what is sent. Far future: nothing is forgotten.
    shift = 40 * 366 * DAY_MS
    pair.source.upsert([replace(t, **_shifted(t, shift)) for t in (young, old)])
    with closing(clickhouse_store(clickhouse_address, retention_days=10)) as target:
        summary = sync(pair.source, target, HandClock(NOW + shift))
        assert summary.read == 1
        assert [t.ticket_id for t in target.tickets(ALL)] == ["young"]
        assert sync(pair.source, target, HandClock(NOW + shift + 1), reconcile=True).days == 0


def _shifted(t: Ticket, by_ms: int) -> dict[str, int]:
    assert t.started_at is not None
    assert t.completed_at is not None
    return {
        "created_at": t.created_at + by_ms,
        "started_at": t.started_at + by_ms,
        "completed_at": t.completed_at + by_ms,
    }


def test_days_add_up_the_same_everywhere(pair: Pair) -> None:
    drawn = flights(300)
    pair.source.upsert(drawn)
    memory = MemoryTicketStore()
    memory.upsert(drawn)
    pair.target.upsert(drawn)
    assert dict(changes_of(pair.source).day_figures()) == dict(changes_of(memory).day_figures())
    assert dict(day_figures(pair.target)) == dict(changes_of(memory).day_figures())


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.lists(tickets(ids=st.sampled_from(["a", "b", "c'\\", "d\n"])), max_size=6), min_size=1, max_size=4)
)
def test_any_history_ends_the_same(
    mongo_uri: str, clickhouse_address: ClickHouseAddress, history: list[list[Ticket]]
) -> None:
    with ExitStack() as opened:
        source = opened.enter_context(closing(MongoTicketStore(mongo_uri, f"test_{uuid4().hex[:12]}", 10.0)))
        target = opened.enter_context(closing(clickhouse_store(clickhouse_address)))
        pair = Pair(source, target, HandClock(5_000_000_000_000))
        for step in history:
            source.upsert(_once(step))
            pair.sync(reconcile=True)
            pair.clock.at_ms += HOUR_MS
        pair.sync(full=True)
        assert pair.agree()
        assert target.extent() == source.extent()


def _once(drawn: Iterable[Ticket]) -> list[Ticket]:
    return list({t.ticket_id: t for t in drawn}.values())
