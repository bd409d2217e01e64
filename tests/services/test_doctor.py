"""The doctor finds what is wrong with each service, says what mends it, and leaves nothing behind."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from pymongo import MongoClient
from tests.support.clickhouse_server import ClickHouseAddress, clickhouse_store
from tests.support.kafka_server import listens
from tests.support.ports import closed_port, free_port
from tests.support.redis_server import running_redis_process
from tests.support.servers import mongo_answers, mongo_command, running
from tests.support.tickets import ticket
from tests.support.trained import generated_tickets

from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.conventions import GUIDE_MODELS, PREDICTIONS
from neural_hive_ml.diagnosis import Check, examine
from neural_hive_ml.diagnosis.clocks import MOST_SKEW_MS, check_clock, narrowed, skew_of, watch_clock
from neural_hive_ml.diagnosis.registry import _file, _writes
from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.settings import load_settings
from neural_hive_ml.state.mongo import MongoStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.training.families import train_family
from neural_hive_ml.training.request import requests_for
from neural_hive_ml.training.sufficiency import Enough, enough_for

pytestmark = pytest.mark.services
Point = Callable[..., None]


@pytest.fixture
def point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Point:
    """Set variables of a machine on which nothing else is set."""
    for name in ("HIVE_PROFILE", "MONGODB_URI", "CLICKHOUSE_HOST", "REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("STORE_TIMEOUT_SECONDS", "5")

    def setenv(**variables: str) -> None:
        for name, text in variables.items():
            monkeypatch.setenv(name, text)

    return setenv


def checks(purpose: str = "all") -> dict[str, Check]:
    return {check.name: check for check in examine(load_settings(), purpose)}


def test_wrong_settings_are_all_named_those_too_that_nothing_has_read_yet(
    point: Point, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checks()["settings"].status == "ok"
    point(TICKET_RETENTION_DAYS="-1", REVIEW_AUDIT_SHARE="1.5", HIVE_STREAMS="pigeons")
    assert run(hive_ml, ["doctor", "--json"]) == 3, "the highest code of what failed: there are no tickets either"
    told = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    for name in ("TICKET_RETENTION_DAYS", "REVIEW_AUDIT_SHARE", "HIVE_STREAMS"):
        assert (told[f"setting {name}"]["status"], told[f"setting {name}"]["exit_code"]) == ("failed", 2)
        assert told[f"setting {name}"]["remedy"]
    assert "settings" not in told


@pytest.mark.xdist_group("mongo")
def test_mongodb_is_asked_for_version_time_leave_to_write_and_indexes(mongo_uri: str, point: Point) -> None:
    name = f"test_{uuid4().hex[:12]}"
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        held = client[name]
        with closing(MongoStateStore(mongo_uri, name)) as state:
            state.put(PREDICTIONS, Record("a", 1, {}))
        before = set(held.list_collection_names())
        point(MONGODB_URI=mongo_uri, MONGODB_DATABASE=name)
        well = checks("training")
        for check in ("mongodb", "mongodb writes", "clock mongodb", "state indexes"):
            assert well[check].status == "ok", well[check]
        assert "version" in well["mongodb"].detail
        assert set(held.list_collection_names()) == before, "nothing is left"
        assert held[PREDICTIONS].count_documents({}) == 1
        for index in set(held[PREDICTIONS].index_information()) - {"_id_"}:
            held[PREDICTIONS].drop_index(index)
        missing = checks("training")["state indexes"]
        assert (missing.status, missing.remedy) == ("warning", "hive-ml tickets index")
        assert (
            missing.detail
            == f"missing: {PREDICTIONS}.by_time, {PREDICTIONS}.by_ticket_id, {PREDICTIONS}.by_review"
        )
        assert run(hive_ml, ["tickets", "index"]) == 0
        assert checks("training")["state indexes"].status == "ok"
        client.drop_database(name)


def test_a_mongodb_user_who_may_only_read_is_found(
    tmp_path: Path, point: Point, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()

    def command(port: int) -> list[str]:
        # A log of the usual 2 GB takes half a minute to open again.
        return [*mongo_command(tmp_path / "mongo", port), "--log-file-max", "16MB"]

    with (
        running(command(port), lambda: mongo_answers(port), tmp_path / "mongo.log"),
        MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}/?directConnection=true") as client,
    ):
        client["hive"][PREDICTIONS].insert_one({"_id": "a"})
        client["hive"].command("createUser", "reader", pwd="secret", roles=[{"role": "read", "db": "hive"}])
    port = free_port()
    with running([*command(port), "--auth"], lambda: listens(port), tmp_path / "auth.log"):
        point(MONGODB_DATABASE="hive")
        point(MONGODB_URI=f"mongodb://reader:secret@127.0.0.1:{port}/?directConnection=true&authSource=hive")
        refused = checks("training")["mongodb writes"]
        assert (refused.status, refused.exit_code) == ("failed", 1)
        assert "readWrite" in refused.remedy
        assert run(hive_ml, ["doctor", "--for", "training", "--json"]) != 0
        told = json.loads(capsys.readouterr().out)
        assert {"name", "status", "detail", "remedy", "exit_code"} == set(told[0])
        assert "secret" not in json.dumps(told)


def test_a_redis_that_loses_or_refuses_what_it_is_told_is_found(tmp_path: Path, point: Point) -> None:
    names = ("redis", "redis writes", "redis durability", "redis eviction", "clock redis")
    with running_redis_process(tmp_path / "redis") as server, redis.Redis.from_url(server.url) as client:
        point(REDIS_URL=server.url)
        assert [checks()[name].status for name in names] == ["ok"] * 5
        assert client.dbsize() == 0, "nothing is left"
        client.config_set("appendonly", "no")
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.acl_setuser(
            "reader", enabled=True, passwords=["+secret"], keys=["*"],
            commands=["+@read", "+@connection", "+info", "+time", "+xinfo"],
        )  # fmt: skip
        point(REDIS_URL=server.url.replace("//", "//reader:secret@"))
        found = checks()
        assert [found[name].status for name in names] == ["ok", "failed", "warning", "warning", "ok"]
        assert found["redis durability"].remedy.startswith("redis-cli CONFIG SET appendonly yes")
        assert "volatile-lru" in found["redis eviction"].remedy
        assert "ACL SETUSER" in found["redis writes"].remedy
    point(REDIS_URL=closed_port().replace("http", "redis"))
    gone = checks()["redis"]
    assert (gone.status, gone.exit_code) == ("failed", 4)


@pytest.mark.xdist_group("clickhouse")
def test_a_clickhouse_user_who_may_only_read_is_found(clickhouse_address: ClickHouseAddress, point: Point) -> None:
    with closing(clickhouse_store(clickhouse_address)) as store:
        store.upsert([ticket("a")])
        target = store.database.target
        point(CLICKHOUSE_HOST=target.host, CLICKHOUSE_PORT=str(target.port), CLICKHOUSE_DATABASE=target.database)
        point(CLICKHOUSE_USER=target.user, CLICKHOUSE_PASSWORD=target.password)
        well = checks("training")
        assert [well[name].status for name in ("clickhouse", "clickhouse writes", "clock clickhouse")] == [
            "ok"
        ] * 3
        assert store.extent().tickets == 1
        point(CLICKHOUSE_USER="reader")
        refused = checks("training")["clickhouse writes"]
        assert refused.status == "warning"
        assert "grant the user" in refused.remedy


@pytest.mark.xdist_group("mlflow")
def test_an_mlflow_server_is_asked_for_version_time_and_leave_to_write(mlflow_server: str, point: Point) -> None:
    point(MLFLOW_TRACKING_URI=mlflow_server)
    found = checks("training")
    for name in ("registry", "mlflow version", "clock mlflow", "registry writes"):
        assert found[name].status == "ok", found[name]


def test_a_refused_change_of_a_model_is_no_ok() -> None:
    assert [_writes(status, "m").status for status in (200, 404, 401, 403)] == ["ok", "ok", "failed", "failed"]
    assert _writes(403, "").status == "unknown"


def test_a_locked_registry_file_is_found(mlflow_database: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(mlflow_database, tmp_path / "mlflow.db"))
    assert _file(file).status == "ok"
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        locked = _file(file)
    assert (locked.status, locked.exit_code) == ("failed", 1)
    assert "locked" in locked.detail
    assert _file(tmp_path / "absent.db").status == "unknown"


def test_a_data_folder_that_is_none_is_found(tmp_path: Path, point: Point) -> None:
    (tmp_path / "file").write_text("x")
    point(HIVE_DATA_DIR=str(tmp_path / "file"))
    found = checks()["data folder"]
    assert (found.name, found.status, found.exit_code) == ("data folder", "failed", 1)


@given(st.integers(-(10**9), 10**9), st.integers(0, 3_000), st.integers(0, 3_000), st.sampled_from([1, 1_000]))
def test_a_true_difference_lies_within_what_is_told(ahead_ms: int, there: int, back: int, resolution: int) -> None:
    asked = 1_700_000_000_000
    told = (asked + there + ahead_ms) // resolution * resolution
    skew = skew_of(asked, told, asked + there + back, resolution)
    assert abs(skew.offset_ms - ahead_ms) <= skew.uncertainty_ms
    if skew.verdict == "apart":
        assert abs(ahead_ms) > MOST_SKEW_MS
    if skew.verdict == "together":
        assert abs(ahead_ms) <= MOST_SKEW_MS


@given(st.integers(-10_000, 10_000), st.integers(0, 10**6), st.lists(st.integers(0, 400), min_size=1, max_size=6))
def test_a_true_difference_lies_within_what_several_looks_leave(
    ahead_ms: int, at_ms: int, trips: list[int]
) -> None:
    """Of a header as uvicorn has it: looked up once a second, at some moment in it, and cut to a second."""
    phase, skew, now = at_ms % 1_000, None, at_ms
    for trip in trips:
        theirs = now + trip // 2 + ahead_ms
        looked_up = (theirs - phase) // 1_000 * 1_000 + phase
        seen = skew_of(now, looked_up // 1_000 * 1_000, now + trip, 2_000)
        skew = seen if skew is None else narrowed(skew, seen)
        now += trip + 300
    assert skew is not None
    assert abs(ahead_ms - skew.offset_ms) <= skew.uncertainty_ms


@pytest.mark.parametrize(
    # Looks leave a second of such a clock, and what lies between two of them: 0.5 s is surely within 2 s, 5 s surely not.
    ("ahead_ms", "status"),
    [(0, "ok"), (500, "ok"), (-500, "ok"), (5_000, "warning"), (-5_000, "warning")],
)
def test_a_clock_told_in_seconds_is_asked_until_it_can_be_told(ahead_ms: int, status: str) -> None:
    asked = []

    def ask() -> int:
        asked.append(1)
        return (SystemClock().now_ms() + ahead_ms) // 1_000 * 1_000

    assert watch_clock("x", ask, 2_000).status == status
    assert 1 <= len(asked) <= 6


def test_a_clock_that_is_wrong_or_cannot_be_told_is_no_ok() -> None:
    from neural_hive_ml.clock import SystemClock

    now = SystemClock().now_ms()
    assert check_clock("x", now, now).status == "ok"
    assert check_clock("x", now, now + 60_000).status == "warning"
    assert check_clock("x", now - 60_000, now - 30_000).status == "unknown"


def test_samples_are_counted_as_each_trainer_does(point: Point, tmp_path: Path) -> None:
    tickets = generated_tickets()
    with closing(EmbeddedTicketStore(tmp_path / "data" / "tickets")) as store:
        store.upsert(tickets[:300])
        few = checks("training")
        assert {few[f"samples {name}"].status for name in GUIDE_MODELS} == {"failed"}
        assert few[f"samples {GUIDE_MODELS[0]}"].exit_code == 3
        store.upsert(tickets)
    more = checks("training")
    assert more[f"samples {GUIDE_MODELS[0]}"].status == "ok"
    assert {c.status for name, c in more.items() if name.startswith("samples")} <= {"ok", "warning"}


def test_what_is_missing_is_what_the_training_says() -> None:
    tickets = generated_tickets()
    for count in (10, 500, 1200):
        columns = columns_of(tickets[:count])
        as_of_ms = int(columns.completed_at_ms.max()) + 1
        for request in requests_for(("anomaly", "load", "scheduling"), as_of_ms=as_of_ms, window_days=540):
            answer = enough_for(columns, request)
            if isinstance(answer, Enough):
                continue
            with pytest.raises(NotEnoughData) as refused:
                train_family(columns, request)
            assert str(refused.value) == str(answer)
