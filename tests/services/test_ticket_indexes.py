"""`hive-ml tickets index` and the doctor, over MongoDB: what is missing is shown, made once, and then there."""

from uuid import uuid4

import pytest
from tests.support.tickets import flights

from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.diagnosis import examine
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.mongo import INDEXES, MongoTicketStore

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("mongo")]


@pytest.fixture
def database(mongo_uri: str, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"test_{uuid4().hex[:12]}"
    for variable in ("HIVE_PROFILE", "CLICKHOUSE_HOST", "REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    monkeypatch.setenv("MONGODB_DATABASE", name)
    return name


def missing_by_doctor() -> list[str]:
    return [c.detail for c in examine(load_settings(), "training") if c.name == "ticket indexes"]


def test_indexes_are_shown_made_and_there(
    mongo_uri: str, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Written by the platform, which knows nothing of our indexes.
    store = MongoTicketStore(mongo_uri, database)
    store._indexed = True
    store.upsert(flights(20))
    [detail] = missing_by_doctor()
    assert all(name in detail for name in INDEXES)
    assert run(hive_ml, ["tickets", "index", "--check"]) == 1
    assert run(hive_ml, ["tickets", "index"]) == 0
    assert "created: hive_ticket_id" in capsys.readouterr().out
    assert missing_by_doctor() == []
    assert run(hive_ml, ["tickets", "index", "--check"]) == 0
    assert set(INDEXES) <= set(store._tickets.index_information())
    store.close()


def test_the_embedded_store_needs_none(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MONGODB_URI", raising=False)
    monkeypatch.delenv("HIVE_PROFILE", raising=False)
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path))
    assert run(hive_ml, ["tickets", "index"]) == 0
    assert "no index is needed" in capsys.readouterr().out
