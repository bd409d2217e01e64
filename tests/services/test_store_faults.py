"""MongoDB and ClickHouse killed, paused and silent in mid-work: clear errors in time, nothing lost, work goes on after."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest
from tests.support.clickhouse_server import ClickHouseAddress, clickhouse_store, running_clickhouse_process
from tests.support.clocks import HandClock
from tests.support.ports import black_hole, closed_port, free_port
from tests.support.servers import mongo_answers, mongo_command, running
from tests.support.tickets import START_MS, ticket

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.tickets import clickhouse
from neural_hive_ml.tickets import sync as syncing
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.mongo import MongoTicketStore
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.tickets.sync import SyncSummary, sync
from neural_hive_ml.tickets.ticket import Ticket

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("store-faults")]
ALL = TicketWindow()
TIMEOUT_SECONDS = 1.0
COUNT = 600


def held(count: int = COUNT) -> list[Ticket]:
    return [ticket(f"t-{i:04}", START_MS + i * HOUR_MS // 10) for i in range(count)]


@dataclass
class Server:
    """A server that can be paused, killed and started again on its data."""

    start: Callable[[ExitStack], int]
    open: Callable[[], TicketStore]
    # One that waits as long as a busy machine needs, to prepare by.
    patient: Callable[[], TicketStore]
    stack: ExitStack
    group: int = 0

    def holds(self, tickets: list[Ticket]) -> None:
        with closing(self.patient()) as store:
            store.upsert(tickets)

    def run(self) -> None:
        self.group = self.start(self.stack)

    def pause(self) -> None:
        os.killpg(self.group, signal.SIGSTOP)

    def wake(self) -> None:
        os.killpg(self.group, signal.SIGCONT)

    def kill(self) -> None:
        os.killpg(self.group, signal.SIGKILL)
        time.sleep(0.2)


@pytest.fixture(params=["mongo", "clickhouse"])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    port = free_port()
    # Read in small pages, so that faults happen between them.
    monkeypatch.setattr(clickhouse, "READ_ROWS", 100)

    def start_mongo(stack: ExitStack) -> int:
        command = [*mongo_command(tmp_path / "data", port), "--sync-on-commit"]
        log = tmp_path / f"mongo-{time.monotonic_ns()}.log"
        return stack.enter_context(running(command, lambda: mongo_answers(port), log, seconds=60)).pid

    def start_clickhouse(stack: ExitStack) -> int:
        return stack.enter_context(running_clickhouse_process(tmp_path, port)).process.pid

    def open_mongo(seconds: float = TIMEOUT_SECONDS) -> TicketStore:
        return MongoTicketStore(f"mongodb://127.0.0.1:{port}", "faults", seconds, batch_rows=100)

    def open_clickhouse(seconds: float = TIMEOUT_SECONDS) -> TicketStore:
        address = ClickHouseAddress("127.0.0.1", port)
        return clickhouse_store(address, "faults", timeout_seconds=seconds)

    with ExitStack() as stack:
        chosen = (start_mongo, open_mongo) if request.param == "mongo" else (start_clickhouse, open_clickhouse)
        start, opened = chosen
        made = Server(start, opened, lambda: opened(30.0), stack)
        made.run()
        yield made
        made.wake()


def in_time(action: Callable[[], object], seconds: float) -> str:
    """Return the error of an action that must fail, and fail soon."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as refused:
        action()
    assert time.monotonic() - began < seconds
    assert "127.0.0.1" in str(refused.value)
    assert "next: " in str(refused.value)
    return str(refused.value)


def test_a_paused_server_is_an_error_in_time_and_then_as_before(server: Server) -> None:
    server.holds(held())
    with closing(server.open()) as store:
        server.pause()
        # Several time-outs: the driver tries a read again, a write waits for the majority.
        for action in (
            lambda: store.get("t-0001"),
            store.extent,
            lambda: list(store.tickets(ALL)),
            lambda: store.upsert([ticket("new")]),
        ):
            in_time(action, 12 * TIMEOUT_SECONDS)
        server.wake()
        assert list(store.tickets(ALL))[:3] == held()[:3]
        store.upsert([ticket("new")])
        assert store.get("new") == ticket("new")
        assert store.extent().tickets == COUNT + 1


@pytest.mark.parametrize("server", ["mongo"], indirect=True)
def test_a_lost_server_is_found_again_at_once_whenever_it_comes_back(server: Server) -> None:
    # MongoDB's driver asks a server it lost only each half second: the moments of one such wait, one by one.
    server.holds(held(10))
    with closing(server.open()) as store:
        for tenth in range(11):
            server.pause()
            in_time(lambda: store.upsert([ticket("new")]), 12 * TIMEOUT_SECONDS)
            time.sleep(tenth / 10)
            server.wake()
            assert store.get("t-0001") == held(10)[1], f"{tenth} tenths of a second after the error"


def test_a_server_killed_in_mid_read_is_an_error_and_has_all_it_acknowledged(server: Server) -> None:
    server.holds(held())
    with closing(server.open()) as store:
        reading = store.tickets(ALL)
        assert len(list(islice(reading, 50))) == 50
        server.kill()
        in_time(lambda: list(reading), 12 * TIMEOUT_SECONDS)
        server.run()
        assert list(store.tickets(ALL)) == held()


def test_a_read_outlives_a_short_pause(server: Server) -> None:
    server.holds(held())
    with closing(server.open()) as store:
        reading = store.tickets(ALL)
        first = list(islice(reading, 50))
        server.pause()
        threading.Timer(TIMEOUT_SECONDS / 2, server.wake).start()
        assert first + list(reading) == held()


def test_writing_again_after_an_error_stores_each_once(server: Server) -> None:
    server.holds(held(10))
    with closing(server.open()) as store:
        server.kill()
        in_time(lambda: store.upsert(held()), 12 * TIMEOUT_SECONDS)
        server.run()
        # Whoever got the error writes all of it again.
        server.holds(held())
        assert list(store.tickets(ALL)) == held()
        assert store.extent().tickets == COUNT


@pytest.mark.parametrize("kind", ["mongo", "clickhouse"])
@pytest.mark.parametrize("hole", ["black hole", "closed"])
def test_nobody_there_is_known_in_time(kind: str, hole: str) -> None:
    with black_hole() as silent:
        port = int((silent if hole == "black hole" else closed_port()).rpartition(":")[2])
        store: TicketStore
        if kind == "mongo":
            store = MongoTicketStore(f"mongodb://127.0.0.1:{port}", "faults", TIMEOUT_SECONDS)
        else:
            address = ClickHouseAddress("127.0.0.1", port)
            store = clickhouse_store(address, "faults", timeout_seconds=TIMEOUT_SECONDS)
        with closing(store):
            for action in (store.extent, lambda: store.get("a"), lambda: store.upsert(held(1))):
                in_time(action, 4 * TIMEOUT_SECONDS)


def test_a_sync_through_kills_of_the_target_ends_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "BATCH", 50)
    port, clock = free_port(), HandClock(START_MS + 10 * DAY_MS)
    address = ClickHouseAddress("127.0.0.1", port)
    with closing(EmbeddedTicketStore(tmp_path / "tickets")) as source:
        source.upsert(held())
        kills: list[int] = []
        while True:
            with (
                running_clickhouse_process(tmp_path / "server", port) as process,
                closing(clickhouse_store(address, "faults", timeout_seconds=2.0)) as target,
            ):

                def kill_soon(so_far: SyncSummary, group: int = process.process.pid) -> None:
                    if len(kills) < 4 and so_far.read >= 100:
                        os.killpg(group, signal.SIGKILL)

                try:
                    sync(source, target, clock, progress=kill_soon)
                except StoreUnavailable:
                    kills.append(process.process.pid)
                    continue
                assert list(target.tickets(ALL)) == held()
                break
        assert len(kills) == 4
