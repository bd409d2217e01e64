"""guard-agents judges platform events over HTTP and from streams; what it finds is where the platform looks for it."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import redis
from tests.support.served import publish, served
from tests.support.trained import anomaly_candidate, generated_tickets

from neural_hive_ml.conventions import THREATS
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.streams.port import Outgoing
from neural_hive_ml.streams.redis import RedisBroker
from neural_hive_ml.tickets.encode import encode_ticket

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("redis")]
SECRET = "s" * 32
KEYS = {name: f"key-{name}" for name in ("old", "new", "ops")}


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[tuple[httpx.Client, Path]]:
    """A service with a model, keys that rotate, tokens, and the streams in Redis."""
    folder = tmp_path_factory.mktemp("events")
    publish(folder, [anomaly_candidate()])
    roles = {"old": "score", "new": "score", "ops": "operate"}
    keys = ",".join(f"{n}:{roles[n]}:{hashlib.sha256(k.encode()).hexdigest()}" for n, k in KEYS.items())
    environment = {"HIVE_API_KEYS": keys, "HIVE_JWT_SECRETS": SECRET, "REDIS_URL": redis_url}
    redis.Redis.from_url(redis_url).flushall()
    with (
        served(folder, **environment) as (address, _),
        httpx.Client(base_url=address, headers={"X-API-Key": KEYS["new"]}, timeout=20) as http,
    ):
        until_it_is(lambda: http.get("/health").json()["model"] is not None)
        yield http, folder


def until_it_is(true: Callable[[], Any], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if true():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("not within a minute")


def post(http: httpx.Client, event: dict[str, Any], **headers: str) -> httpx.Response:
    return http.post("/api/v1/events", content=json.dumps(event), headers=headers)


def threats_in(folder: Path) -> dict[str, Any]:
    store = EmbeddedStateStore(folder / "state.db")
    found = {record.key: record.document for record in store.find(THREATS)}
    store.close()
    return found


def test_a_threat_is_answered_kept_once_and_told_to_redis(
    guard: tuple[httpx.Client, Path], redis_url: str
) -> None:
    http, folder = guard
    event = {"type": "request_metrics", "event_id": "flood-1", "requests_per_minute": 4_000}
    answers = [post(http, event).json() for _ in range(2)]
    assert [a["threat_type"] for a in answers] == ["dos_attack"] * 2
    client = redis.Redis.from_url(redis_url)
    until_it_is(lambda: client.keys("anomaly:dos_attack:*"))
    key = client.keys("anomaly:dos_attack:*")[0]
    held = json.loads(client.get(key))
    assert list(held) == ["threat_type", "severity", "confidence", "details", "detected_at", "raw_event"]
    assert held["raw_event"] == event
    assert 3_500 < client.ttl(key) <= 3_600
    assert int(key.rsplit(b":", 1)[1]) == pytest.approx(time.time(), abs=120)
    until_it_is(lambda: "flood-1" in threats_in(folder))
    text = http.get("/metrics").text
    for name in ("neural_hive_ml_threats_total", "guard_agent_threat_detection_total"):
        assert f'{name}{{severity="critical",threat_type="dos_attack"}} 2.0' in text


def test_events_of_both_streams_are_judged_once_and_kept(guard: tuple[httpx.Client, Path], redis_url: str) -> None:
    http, folder = guard
    incident = {"incident_id": "inc-1", "user_id": "eve", "payload": {"failed_attempts": 12}}
    resources = {"event_id": "res-1", "resource_name": "pod-1", "metrics": {"cpu_usage": 0.97}}
    flagged = next(t for t in reversed(generated_tickets()) if is_flagged(http, encode_ticket(t)))
    about = {"event_id": "tick-1", "type": "execution_ticket", "ticket": json.loads(encode_ticket(flagged))}

    async def publish_all() -> None:
        broker = RedisBroker(redis_url, 5.0)
        say = [Outgoing("", json.dumps(e).encode()) for e in (incident, about, incident)]
        await broker.publish("security-incidents", [*say, Outgoing("", b"no event")])
        await broker.publish("orchestration-incidents", [Outgoing("", json.dumps(resources).encode())])
        await broker.close()

    asyncio.run(publish_all())
    until_it_is(lambda: {"inc-1", "res-1", "tick-1"} <= set(threats_in(folder)))
    found = threats_in(folder)
    assert found["inc-1"]["threat_type"] == "unauthorized_access"
    assert (found["res-1"]["threat_type"], found["res-1"]["severity"]) == ("resource_abuse", "medium")
    assert found["tick-1"]["details"]["detection_method"] == "model"
    assert found["tick-1"]["details"]["ticket_id"] == flagged.ticket_id
    until_it_is(lambda: 'neural_hive_ml_dead_letters_total{stream="events"} 1.0' in http.get("/metrics").text)
    text = http.get("/metrics").text
    assert 'neural_hive_ml_threats_total{severity="high",threat_type="unauthorized_access"} 1.0' in text


def is_flagged(http: httpx.Client, document: bytes) -> bool:
    return bool(http.post("/api/v1/tickets/score", content=document).json()["is_anomaly"])


def test_limits_are_raised_by_operators_and_told_to_redis(
    guard: tuple[httpx.Client, Path], redis_url: str
) -> None:
    http, _ = guard
    ops = {"X-API-Key": KEYS["ops"]}
    path, body = "/api/v1/thresholds/recalibrate", b'{"false_positive_rate": 0.2}'
    assert http.post(path, content=body).status_code == 403
    assert http.post(path, content=b'{"false_positive_rate": 2}', headers=ops).status_code == 422
    first, again = (http.post(path, content=body, headers=ops).json() for _ in range(2))
    assert (first["raised"], first["published"], again["raised"]) == (True, True, False)
    assert http.get("/api/v1/thresholds").json()["limits"]["cpu_usage"] == pytest.approx(0.935)
    client = redis.Redis.from_url(redis_url)
    assert json.loads(client.get("adaptive_thresholds"))["cpu_usage"] == pytest.approx(0.935)
    assert 86_000 < client.ttl("adaptive_thresholds") <= 86_400
    calm = post(http, {"type": "resource_metrics", "metrics": {"cpu_usage": 0.9}}).json()
    assert calm["is_threat"] is False


def test_keys_rotate_and_tokens_open(guard: tuple[httpx.Client, Path]) -> None:
    http, _ = guard
    event = {"type": "authentication", "failed_attempts": 1}
    claims = {"sub": "ana", "exp": time.time() + 60, "roles": ["score"]}
    token = jwt.encode(claims, SECRET, "HS256")
    other = jwt.encode(claims | {"roles": ["feedback"]}, SECRET, "HS256")
    expected = {KEYS["old"]: 200, KEYS["new"]: 200, KEYS["ops"]: 403, "gone": 401}
    for key, status in expected.items():
        assert post(http, event, **{"X-API-Key": key}).status_code == status
        assert post(http, event, Authorization=f"Bearer {key}").status_code == status
    for bearer, status in {token: 200, other: 403, token + "x": 401}.items():
        refused = post(http, event, Authorization=f"Bearer {bearer}")
        assert refused.status_code == status
        assert bearer not in refused.text


def test_redis_that_is_gone_costs_no_answer(tmp_path: Path) -> None:
    with (
        served(tmp_path, REDIS_URL="redis://127.0.0.1:1/0", HIVE_STREAMS="off") as (address, _),
        httpx.Client(base_url=address, timeout=20) as http,
    ):
        until_it_is(lambda: http.get("/health/liveness").is_success)
        event = {"type": "data_transfer", "event_id": "big", "bytes_out": 2**31}
        assert post(http, event).json()["threat_type"] == "data_exfiltration"
        until_it_is(lambda: "big" in threats_in(tmp_path))
        down = 'neural_hive_ml_dependency_up{dependency="redis"} 0.0'
        until_it_is(lambda: down in http.get("/metrics").text)
