"""A person erased from MongoDB, ClickHouse, Redis and the data folder at once: every byte that can be read is searched."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import bson
import msgspec
import pytest
import redis
from pymongo import MongoClient
from tests.support.clickhouse_server import ClickHouseAddress, clickhouse_store
from tests.support.ports import free_port
from tests.support.redis_server import running_redis_process
from tests.support.tickets import START_MS, ticket

from neural_hive_ml import conventions as names
from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.state.mongo import MongoStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.streams.dead_letters import bury
from neural_hive_ml.streams.port import Message, Outgoing
from neural_hive_ml.streams.redis import RedisBroker
from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.mongo import MongoTicketStore
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.tickets.sync import sync

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("mongo")]
ANA = "ana@example.org"
HERS = [ticket(f"a1b2c3-{i}", START_MS + i, metadata={"owner": ANA}) for i in range(4)]
OTHERS = [
    ticket("x-1", START_MS + 10, dependencies=("a1b2c3-0", "x-9")),
    ticket(
        "x-2", START_MS + 11, description=f"asked {ANA}, no answer", metadata={"owner": "rui", "reviewer": ANA}
    ),
    ticket("x-3", START_MS + 12, compensation_ticket_id="a1b2c3-1", error_message="after a1b2c3-2 failed"),
    ticket("x-4", START_MS + 13, metadata={"owner": f"{ANA}.br"}, description="untouched"),
]
LEFT = [
    replace(OTHERS[0], dependencies=("x-9",)),
    replace(OTHERS[1], description="asked [erased], no answer", metadata={"owner": "rui", "reviewer": "[erased]"}),
    replace(OTHERS[2], compensation_ticket_id=None, error_message="after [erased] failed"),
    OTHERS[3],
]


class Platform:
    """The stores of one test, and all that can be read of them."""

    def __init__(self, mongo: str, clickhouse: ClickHouseAddress, redis_url: str, folder: Path) -> None:
        self.database = f"test_{uuid4().hex[:12]}"
        self.mongo_uri, self.redis_url, self.folder = mongo, redis_url, folder
        self.state = MongoStateStore(mongo, self.database, 10.0)
        self.tickets = MongoTicketStore(mongo, self.database, 10.0)
        self.copy: ClickHouseTicketStore = clickhouse_store(clickhouse, self.database)
        self.client = MongoClient[dict[str, Any]](mongo)
        self.raw = self.client[self.database]
        self.redis = redis.Redis.from_url(redis_url)

    def close(self) -> None:
        for store in (self.state, self.tickets, self.copy, self.client, self.redis):
            store.close()

    def everything(self) -> Iterator[tuple[str, bytes]]:
        for collection in self.raw.list_collection_names():
            for document in self.raw[collection].find():
                yield f"mongo/{collection}", bson.encode(document)
        for table in (names.TICKETS, "hive_ticket_syncs"):
            rows = self.copy.database.query(f"SELECT * FROM {self.copy.database.table(table)}")
            yield f"clickhouse/{table}", repr(rows.to_pylist()).encode()
        for key in self.redis.scan_iter():
            held = self.redis.xrange(key) if self.redis.type(key) == b"stream" else self.redis.get(key)
            yield "redis", key + repr(held).encode()
        for path in self.folder.rglob("*"):
            if path.is_file():
                yield f"file {path.name}", path.read_bytes()

    def naming_her(self) -> set[str]:
        wanted = [ANA.encode(), b"a1b2c3"]
        # The other person whose name begins with hers.
        return {
            where for where, raw in self.everything() if any(w in raw.replace(b".org.br", b"") for w in wanted)
        }


@pytest.fixture
def platform(
    mongo_uri: str, clickhouse_address: ClickHouseAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    with running_redis_process(tmp_path / "redis") as server:
        opened = Platform(mongo_uri, clickhouse_address, server.url, tmp_path / "data")
        settings = {
            "HIVE_DATA_DIR": str(opened.folder), "MONGODB_URI": mongo_uri, "MONGODB_DATABASE": opened.database,
            "CLICKHOUSE_HOST": clickhouse_address.host, "CLICKHOUSE_PORT": str(clickhouse_address.port),
            "CLICKHOUSE_USER": clickhouse_address.user, "CLICKHOUSE_PASSWORD": clickhouse_address.password,
            "CLICKHOUSE_DATABASE": opened.database, "CLICKHOUSE_RETENTION_DAYS": "0", "REDIS_URL": server.url,
        }  # fmt: skip
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        fill(opened)
        yield opened
        opened.close()


def fill(platform: Platform) -> None:
    """A platform in use: all that names her, and what lies beside it."""
    platform.folder.mkdir()
    (platform.folder / "notes.txt").write_text("nothing about anybody")
    platform.tickets.upsert([*HERS, *OTHERS])
    gone = ticket("a1b2c3-gone", START_MS + 20, metadata={"owner": ANA})
    platform.tickets.upsert([gone])
    sync(platform.tickets, platform.copy, SystemClock())
    platform.tickets.erase([gone.ticket_id])
    sync(platform.tickets, platform.copy, SystemClock(), reconcile=True)
    platform.copy.upsert([ticket("a1b2c3-only", START_MS + 21, metadata={"owner": ANA})])
    refused = {**msgspec.to_builtins(HERS[0]), "ticket_id": "a1b2c3-odd", "status": "LOST"}
    platform.raw[names.TICKETS].insert_one(refused)
    platform.raw[names.TICKETS].update_one({"ticket_id": "x-4"}, {"$set": {"allocation_metadata": {"asked": ANA}}})
    both = list(enumerate([*HERS, *OTHERS]))
    for collection in (names.PREDICTIONS, names.OUTCOMES, names.THREATS):
        platform.state.insert(collection, [Record(f"p-{i}", i, {"ticket_id": t.ticket_id}) for i, t in both])
    platform.state.insert(names.PREDICTIONS, [Record("p-gone", 1, {"ticket_id": "a1b2c3-gone"})])
    platform.state.insert(names.VERDICTS, [Record("v", 1, {"ticket_id": "x-4", "author": ANA, "note": "hm"})])
    platform.redis.set("anomaly:dos_attack:1", json.dumps({"raw_event": {"user_id": ANA}}))
    platform.redis.set("anomaly:dos_attack:2", json.dumps({"raw_event": {"user_id": "rui"}}))

    async def publish() -> None:
        broker = RedisBroker(platform.redis_url)
        for topic in ("execution.tickets", "security-incidents"):
            for one in (*HERS, *OTHERS):
                await broker.publish(topic, [Outgoing(one.ticket_id, encode_ticket(one))])
            await bury(
                broker,
                topic,
                Message("1-1", "k", f'{{"user": "{ANA}"}}'.encode()),
                reason="no",
                attempts=1,
                at_ms=1,
            )
        await broker.close()

    asyncio.run(publish())


def test_nothing_is_left_anywhere_although_a_service_writes_late(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {where.split("/")[0] for where in platform.naming_her()} == {"mongo", "clickhouse", "redis"}
    assert run(hive_ml, ["data", "purge", "--owner", ANA, "--dry-run", "--json"]) == 0
    would = json.loads(capsys.readouterr().out)
    written = threading.Event()

    def late() -> None:
        while platform.state.find(names.PREDICTIONS, where={"ticket_id": HERS[1].ticket_id}):
            time.sleep(0.01)
        # As a service does that had it in its queue: it knows the ticket's id only.
        platform.state.insert(names.PREDICTIONS, [Record("late", 9, {"ticket_id": HERS[1].ticket_id})])
        written.set()

    service = threading.Thread(target=late)
    service.start()
    # Time enough, on a slow machine too, for what is late to be written before the second round.
    code = run(hive_ml, ["data", "purge", "--owner", ANA, "--yes", "--wait", "3", "--json"])
    service.join()
    said = json.loads(capsys.readouterr().out)
    assert (code, said["left"]) == (0, [])
    assert written.is_set()
    assert platform.naming_her() == set()
    assert (said["tickets"], said["unreadable"], said["tickets_unnamed"]) == (4, 1, 4)
    assert said["records"][names.PREDICTIONS] == would["records"][names.PREDICTIONS] + 1 == 6
    assert said["streams"]["threats in Redis"] == 1
    assert said["clickhouse"] > 0
    for store in (platform.tickets, platform.copy):
        assert list(store.tickets(TicketWindow())) == LEFT
    assert platform.raw[names.TICKETS].find_one({"ticket_id": "x-4"})["allocation_metadata"] == {"asked": None}  # type: ignore[index]
    assert Ledger(platform.state).verify().intact
    assert platform.redis.keys("anomaly:*") == [b"anomaly:dos_attack:2"]


def test_what_comes_in_after_all_is_found_by_the_next_run(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "purge", "--owner", ANA, "--yes", "--wait", "0", "--json"]
    assert run(hive_ml, command) == 0
    capsys.readouterr()
    platform.state.insert(names.PREDICTIONS, [Record("late", 9, {"ticket_id": HERS[1].ticket_id})])
    platform.tickets.upsert([ticket("x-5", START_MS + 30, dependencies=(HERS[2].ticket_id,))])
    platform.redis.xadd("execution.tickets", {"key": HERS[0].ticket_id, "value": "{}"})
    assert platform.naming_her()
    assert run(hive_ml, command) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["records"][names.PREDICTIONS] == 1
    assert said["tickets_unnamed"] == 1
    assert platform.naming_her() == set()
    assert run(hive_ml, [*command[:3], "rui", *command[4:]]) == 0
    assert json.loads(capsys.readouterr().out)["records"][names.PREDICTIONS] == 1, "the digests are nobody else's"


def test_without_clickhouse_the_rest_is_done(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLICKHOUSE_PORT", str(free_port()))
    assert run(hive_ml, ["data", "prune", "--json"]) == 0
    told = capsys.readouterr()
    assert "ClickHouse was not pruned" in told.err
    assert json.loads(told.out)["collections"]
    platform.tickets.upsert(HERS)
    assert run(hive_ml, ["data", "purge", "--owner", ANA, "--yes", "--wait", "0", "--json"]) == 4
    said = json.loads(capsys.readouterr().out)
    assert "ClickHouse" in said["clickhouse"] or str(platform.copy.database.target.host) in said["clickhouse"]
    assert {where.split("/")[0] for where in platform.naming_her()} == {"clickhouse"}
    monkeypatch.setenv("CLICKHOUSE_PORT", str(platform.copy.database.target.port))
    assert run(hive_ml, ["data", "purge", "--owner", ANA, "--yes", "--wait", "0", "--json"]) == 0
    assert platform.naming_her() == set()


def test_while_a_sync_runs_nothing_is_begun(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    held = platform.state.acquire("tickets-sync", "somebody", now_ms=SystemClock().now_ms(), ttl_ms=60_000)
    assert run(hive_ml, ["data", "purge", "--owner", ANA, "--yes", "--wait", "0"]) != 0
    assert "tickets-sync is held" in capsys.readouterr().err
    assert platform.tickets.get(HERS[0].ticket_id) is not None
    platform.state.release(held)
