"""Which store jobs read from: ClickHouse when it can be brought up to date, else the store of record, and why."""

import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from tests.support.clickhouse_server import (
    ClickHouseAddress,
    clickhouse_store,
    running_clickhouse_process,
)
from tests.support.ports import black_hole, closed_port
from tests.support.tickets import ticket

from neural_hive_ml.bootstrap import open_history
from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.clock import DAY_MS, HOUR_MS, SystemClock
from neural_hive_ml.diagnosis import Check, examine
from neural_hive_ml.settings import load_settings
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.tickets import clickhouse
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.tickets.sync import sync
from neural_hive_ml.tickets.ticket import Ticket

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("clickhouse")]
Logs = list[dict[str, object]]
Opened = Callable[..., tuple[TicketStore, Logs]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HIVE_PROFILE", "MONGODB_URI", "CLICKHOUSE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("STORE_TIMEOUT_SECONDS", "5")
    return tmp_path


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[ClickHouseAddress, str], None]:
    def point(address: ClickHouseAddress, database: str = "neural_hive") -> None:
        monkeypatch.setenv("CLICKHOUSE_HOST", address.host)
        monkeypatch.setenv("CLICKHOUSE_PORT", str(address.port))
        monkeypatch.setenv("CLICKHOUSE_USER", address.user)
        monkeypatch.setenv("CLICKHOUSE_PASSWORD", address.password)
        monkeypatch.setenv("CLICKHOUSE_DATABASE", database)

    return point


def opened() -> tuple[TicketStore, Logs]:
    with structlog.testing.capture_logs() as logs:
        store = open_history(load_settings(), MemoryStateStore(), SystemClock())
    return store, [dict(entry) for entry in logs]


@pytest.fixture
def held(folder: Path) -> list[Ticket]:
    now = SystemClock().now_ms()
    young = [ticket(f"t-{i}", now - i * HOUR_MS - DAY_MS) for i in range(50)]
    with closing(EmbeddedTicketStore(folder / "tickets")) as store:
        store.upsert([*young, ticket("ancient", now - 700 * DAY_MS)])
    return sorted(young, key=lambda t: t.created_at)


def test_without_a_host_the_store_of_record_serves_and_says_so_once(folder: Path, held: list[Ticket]) -> None:
    store, logs = opened()
    assert isinstance(store, EmbeddedTicketStore)
    store.close()
    assert [entry["reason"] for entry in logs] == ["CLICKHOUSE_HOST is not set"]


@pytest.mark.parametrize("kind", ["black hole", "closed"])
def test_a_host_that_does_not_answer_costs_one_warning(
    folder: Path, held: list[Ticket], point_at: Callable[..., None], kind: str
) -> None:
    with black_hole() as silent:
        address = silent if kind == "black hole" else closed_port()
        point_at(ClickHouseAddress("127.0.0.1", int(address.rpartition(":")[2])))
        store, [entry] = opened()
        assert isinstance(store, EmbeddedTicketStore)
        assert entry["log_level"] == "warning"
        assert "clickhouse://127.0.0.1" in str(entry["reason"])
        assert "hive-ml doctor" in str(entry["reason"])
        assert len(list(store.tickets(TicketWindow()))) == 51
        store.close()


def test_an_unsynced_clickhouse_does_not_serve(
    folder: Path, held: list[Ticket], point_at: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_clickhouse_process(tmp_path_factory.mktemp("ch"), password="secret") as server:
        point_at(server.address)
        store, [entry] = opened()
        assert isinstance(store, EmbeddedTicketStore)
        assert "hive-ml tickets sync" in str(entry["reason"])
        store.close()
        assert run(hive_ml, ["tickets", "sync"]) == 0
        store, [entry] = opened()
        assert entry["event"] == "tickets.from_clickhouse"
        assert "secret" not in str(entry)
        store.close()
        point_at(ClickHouseAddress(server.address.host, server.address.port, "default", "wrong"))
        store, [entry] = opened()
        assert isinstance(store, EmbeddedTicketStore)
        assert "CLICKHOUSE_PASSWORD" in str(entry["reason"])
        store.close()
        assert run(hive_ml, ["tickets", "sync"]) == 4


def test_what_was_written_since_the_sync_is_read(
    folder: Path, held: list[Ticket], clickhouse_address: ClickHouseAddress, point_at: Callable[..., None]
) -> None:
    with closing(clickhouse_store(clickhouse_address, retention_days=540)) as target:
        point_at(clickhouse_address, target.database.target.database)
        assert run(hive_ml, ["tickets", "sync", "--json"]) == 0
        now = SystemClock().now_ms()
        fresh = ticket("fresh", now - 2 * HOUR_MS)
        with closing(EmbeddedTicketStore(folder / "tickets")) as record:
            record.upsert([fresh])
        store, _ = opened()
        assert target.database.name in store.describe()
        since = TicketWindow(since_ms=now - 30 * DAY_MS)
        assert list(store.tickets(since)) == [*held, fresh]
        assert sum(len(block) for block in store.blocks(since)) == 51
        assert target.get("fresh") == fresh
        # ClickHouse keeps 540 days: a longer window is the store of record's.
        assert target.get("ancient") is None
        assert next(t.ticket_id for t in store.tickets(TicketWindow())) == "ancient"
        assert store.extent().tickets == 52
        # Writes go to the store of record, and come over with the next sync.
        late = ticket("late", now - HOUR_MS)
        store.upsert([late])
        assert store.get("late") == late
        assert target.get("late") is None
        store.close()


@pytest.mark.parametrize("begun", [True, False], ids=["in mid-read", "before a read"])
def test_a_clickhouse_that_dies_is_left_and_the_read_goes_on(
    folder: Path, held: list[Ticket], point_at: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], begun: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(clickhouse, "READ_ROWS", 10)
    now = SystemClock().now_ms()
    # Three of one millisecond, so that the place is in the middle of them.
    with closing(EmbeddedTicketStore(folder / "tickets")) as record:
        record.upsert(ticket(f"same-{i}", held[9].created_at) for i in range(3))
    window = TicketWindow(now - 30 * DAY_MS)
    with running_clickhouse_process(tmp_path / "ch") as server:
        point_at(server.address)
        assert run(hive_ml, ["tickets", "sync"]) == 0
        store, _ = opened()
        one_by_one, in_blocks = store.tickets(window), store.blocks(window, 10)
        read = [next(one_by_one)] if begun else []
        blocks = [next(in_blocks)] if begun else []
        os.killpg(server.process.pid, signal.SIGKILL)
        read += list(one_by_one)
        blocks += list(in_blocks)
        again = list(store.tickets(window))
        wanted = sorted([*held, *(ticket(f"same-{i}", held[9].created_at) for i in range(3))],
                        key=lambda t: (t.created_at, t.ticket_id))  # fmt: skip
        assert read == again == wanted
        assert [name for block in blocks for name in block.ticket_id] == [t.ticket_id for t in wanted]
        told = [line for line in "".join(capsys.readouterr()).splitlines() if "tickets.clickhouse_lost" in line]
        assert len(told) == 1
        assert str(folder) in told[0]
        store.close()


def test_two_syncs_do_not_run_at_once(
    folder: Path, held: list[Ticket], clickhouse_address: ClickHouseAddress, point_at: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from neural_hive_ml.bootstrap import open_state
    from neural_hive_ml.retraining.lease import sole_run

    with closing(clickhouse_store(clickhouse_address, retention_days=540)) as target:
        point_at(clickhouse_address, target.database.target.database)
        settings = load_settings()
        with closing(EmbeddedTicketStore(folder / "tickets")) as record, closing(open_state(settings)) as state:
            sync(record, target, SystemClock())
            with sole_run(state, SystemClock(), name="tickets-sync"):
                assert run(hive_ml, ["tickets", "sync"]) == 1
                assert "lease tickets-sync is held" in capsys.readouterr().err
                # It was brought up to date a moment ago: reading goes on without waiting.
                store = open_history(settings, state, SystemClock())
                assert target.database.name in store.describe()
                store.close()


def test_the_doctor_sees_version_schema_and_lag(
    folder: Path, held: list[Ticket], clickhouse_address: ClickHouseAddress, point_at: Callable[..., None]
) -> None:
    def checks() -> dict[str, Check]:
        return {c.name: c for c in examine(load_settings(), "training") if c.name.startswith("clickhouse")}

    with closing(clickhouse_store(clickhouse_address, retention_days=540)) as target:
        point_at(clickhouse_address, target.database.target.database)
        before = checks()
        assert before["clickhouse"].status == "warning"
        assert "schema 0" in before["clickhouse"].detail
        assert before["clickhouse sync"].remedy == "hive-ml tickets sync"
        assert run(hive_ml, ["tickets", "sync"]) == 0
        after = checks()
        assert [c.status for c in after.values()] == ["ok"] * 3
        assert str(folder) in after["clickhouse sync"].detail
    point_at(ClickHouseAddress("127.0.0.1", int(closed_port().rpartition(":")[2])))
    gone = checks()["clickhouse"]
    assert gone.status == "warning"
    assert "unset CLICKHOUSE_HOST" in gone.remedy
