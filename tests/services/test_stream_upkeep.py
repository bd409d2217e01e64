"""Every stream that guard-agents reads is pruned, searched for a person, and looked through for what was given up."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from neural_hive_ml.bootstrap_streams import consumed_streams
from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.conventions import THREAT_KEY
from neural_hive_ml.settings import load_settings
from neural_hive_ml.streams.dead_letters import dead_letters_of

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("redis")]
GROUP = "guard-agents"
PERSON = "ana@example.org"


@pytest.fixture
def server(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["redis.Redis"]:
    own = uuid4().hex[:8]
    for name in ("MONGODB_URI", "KAFKA_BOOTSTRAP_SERVERS", "CLICKHOUSE_HOST", "HIVE_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for topic in ("TICKETS", "INCIDENTS", "ORCHESTRATION_INCIDENTS"):
        monkeypatch.setenv(f"KAFKA_{topic}_TOPIC", f"test.{own}.{topic.lower()}")
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path))
    with closing(redis.Redis.from_url(redis_url)) as client:
        yield client


def topics() -> list[str]:
    return [stream.topic for stream in consumed_streams(load_settings())]


def add(server: "redis.Redis", stream: str, *days_old: float, value: bytes = b"{}") -> None:
    """Add messages that arrived so many days ago."""
    for days in days_old:
        server.xadd(stream, {"value": value}, id=f"{time.time_ns() // 1_000_000 - round(days * DAY_MS)}-*")


def pruned(capsys: pytest.CaptureFixture[str]) -> tuple[int | None, int | None]:
    assert run(hive_ml, ["data", "prune", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    return told["messages"], told["dead_letters"]


def test_prune_takes_what_is_done_and_old_of_every_stream_and_nothing_else(
    server: "redis.Redis", capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for topic in topics():
        add(server, topic, 30, 20, 1)
        add(server, dead_letters_of(topic), 100, 80, 1)
    assert pruned(capsys) == (0, 3), (
        "what no group has read is nobody's to delete; dead letters go by their own days"
    )
    for topic in topics():
        server.xgroup_create(topic, GROUP, id="0")
        [(_, messages)] = server.xreadgroup(GROUP, "r", {topic: ">"})
        server.xack(topic, GROUP, *[entry for entry, _ in messages])
    assert pruned(capsys) == (6, 0)
    for topic in topics():
        assert (server.xlen(topic), server.xlen(dead_letters_of(topic))) == (1, 2)
    monkeypatch.setenv("DEAD_LETTER_RETENTION_DAYS", "0")
    for topic in topics():
        add(server, topic, 0.5, 0.4)
    assert pruned(capsys) == (0, None)


def test_purge_finds_a_person_in_every_stream_and_key_of_redis(
    server: "redis.Redis", capsys: pytest.CaptureFixture[str]
) -> None:
    incident = json.dumps({"type": "authentication", "user_id": PERSON, "source_ip": "10.0.0.1"}).encode()
    threat = THREAT_KEY.format(threat_type="unauthorized_access", epoch=1_795_000_000)
    other = THREAT_KEY.format(threat_type="dos_attack", epoch=1_795_000_001)
    for topic in topics():
        for name in (topic, dead_letters_of(topic)):
            add(server, name, 2, 1, value=incident)
            add(server, name, 0.5, value=b'{"user_id": "rui@example.org"}')
    server.set(
        threat, json.dumps({"threat_type": "unauthorized_access", "raw_event": json.loads(incident)}), ex=60
    )
    server.set(other, json.dumps({"raw_event": {"user_id": "rui@example.org"}}), ex=60)
    assert run(hive_ml, ["data", "purge", "--owner", PERSON, "--yes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    names = [name for topic in topics() for name in (topic, dead_letters_of(topic))]
    assert told["streams"] == {**dict.fromkeys(names, 2), "threats in Redis": 1}
    assert not server.exists(threat)
    assert server.exists(other)
    held = [entry for name in names for entry in server.xrange(name)]
    assert len(held) == len(names)
    assert PERSON.encode() not in repr(held).encode()


def test_dead_letters_of_every_stream_are_listed_and_put_back(
    server: "redis.Redis", capsys: pytest.CaptureFixture[str]
) -> None:
    for topic in topics():
        add(server, dead_letters_of(topic), 2, 1, value=topic.encode())
    assert run(hive_ml, ["deadletters", "list", "--json"]) == 0
    letters = json.loads(capsys.readouterr().out)
    assert sorted(letter["message"]["value"] for letter in letters) == sorted(topics() * 2)
    assert run(hive_ml, ["deadletters", "replay", "--limit", "3"]) == 0
    assert run(hive_ml, ["deadletters", "replay", "--stream", topics()[2]]) == 0
    assert "2 messages put back" in capsys.readouterr().out
    assert run(hive_ml, ["deadletters", "replay"]) == 0
    assert [server.xlen(topic) for topic in topics()] == [2, 2, 2]
