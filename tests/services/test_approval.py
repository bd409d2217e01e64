"""approval-service as people and the guide reach it: a process, HTTP, the embedded store."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from tests.support.ports import free_port

from neural_hive_ml.conventions import GUIDE_MODELS, PREDICTIONS
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.ledger.event import personal
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("approval")]
FEEDBACK = "/api/v1/feedback"
KEYS = ",".join(
    f"{name}:{role}:{sha256(name.encode()).hexdigest()}"
    for name, role in (("judge", "feedback"), ("scorer", "score"))
)


def ask_for_reviews(folder: Path, count: int = 20) -> None:
    """Log predictions as services do; one in four is of the audit."""
    state, now_ms = EmbeddedStateStore(folder / "state.db"), int(time.time() * 1000)
    documents = [
        {
            "ticket_id": f"ticket-{i}", "model_name": GUIDE_MODELS[0], "model_version": 1, "score": 0.9,
            "threshold": 0.7, "decision": "anomaly" if i % 4 else "normal", "review": "flagged" if i % 4 else "audit",
            "severity": "high", "stage": "ended", "explanation": f"<img src=x onerror=alert({i})> took 9 times as long",
            "contributions": [{"signal": "duration_ms", "rarity": 3.1, "words": "<b>9 times</b> its usual time"}],
        }
        for i in range(count)
    ]  # fmt: skip
    state.insert(PREDICTIONS, [Record(f"p{i}", now_ms - 60_000 + i, d) for i, d in enumerate(documents)])
    state.close()


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[httpx.Client]:
    """Run `hive-ml serve approval-service`, and end it as Kubernetes does."""
    port = free_port()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-m", "neural_hive_ml", "serve", "approval-service", "--port", str(port)]
    process = subprocess.Popen(
        command, env={**kept, "HIVE_DATA_DIR": str(folder), **environment}, stderr=subprocess.DEVNULL
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            give_up = time.monotonic() + 60
            while True:
                try:
                    client.get("/health/liveness")
                    break
                except httpx.TransportError:
                    assert process.poll() is None, "the service did not start"
                    assert time.monotonic() < give_up, "the service does not answer"
                    time.sleep(0.1)
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) in {0, -signal.SIGTERM}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("approval")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    with serving(folder, HIVE_API_KEYS=KEYS) as client:
        yield client


def judge(client: httpx.Client, **body: str) -> httpx.Response:
    return client.post(FEEDBACK, json=body, headers={"authorization": "Bearer judge"})


def test_a_week_of_feedback(client: httpx.Client, folder: Path) -> None:
    """From nothing asked to the target met, each number seen where people look for it."""
    assert client.get("/health/readiness").json() == {"status": "ok", "ready": True}
    assert client.get(f"{FEEDBACK}/health").json() == {
        "status": "nothing_asked",
        "store": {"reachable": True},
        "last_verdict_at": None,
        "rate": {"value": None, "target": 0.1, "met": None, "asked": 0, "answered": 0, "window_days": 7},
        "open_reviews": 0,
    }
    ask_for_reviews(folder)
    queue = client.get("/api/v1/reviews?limit=3", headers={"x-api-key": "judge"}).json()
    assert (queue["waiting"], [one["prediction_id"] for one in queue["items"]]) == (20, ["p19", "p18", "p17"])
    assert [one["review"] for one in queue["items"]] == ["flagged", "flagged", "flagged"]

    first = judge(client, prediction_id="p3", verdict="normal", author="ana@example.org", note="known migration")
    assert first.status_code == 201
    assert (first.json()["ticket_id"], first.json()["resolution"]["label"]) == ("ticket-3", "normal")
    again = judge(client, prediction_id="p3", verdict="normal", author="ana@example.org", note="known migration")
    assert (again.status_code, again.json()["verdict_id"]) == (200, first.json()["verdict_id"])
    health = client.get(f"{FEEDBACK}/health").json()
    assert (health["status"], health["rate"]["value"], health["open_reviews"]) == ("below_target", 0.05, 19)
    assert health["last_verdict_at"] == first.json()["at"]

    judge(client, ticket_id="ticket-4", verdict="anomaly")
    conflict = judge(client, ticket_id="ticket-3", verdict="anomaly", author="rui").json()
    assert (conflict["resolution"]["label"], conflict["resolution"]["conflicting"]) == ("disputed", True)
    assert client.get(f"{FEEDBACK}/health").json()["status"] == "ok"

    lines = client.get(f"{FEEDBACK}/export", headers={"x-api-key": "judge"}).text.splitlines()
    assert [(d["ticket_id"], d["verdict"], d["author"], d["review"]) for d in map(json.loads, lines)] == [
        ("ticket-3", "normal", "ana@example.org", "flagged"),
        ("ticket-4", "anomaly", "judge", "audit"),
        ("ticket-3", "anomaly", "rui", "flagged"),
    ]
    listed = client.get(f"{FEEDBACK}?ticket_id=ticket-3", headers={"x-api-key": "judge"}).json()["verdicts"]
    assert [one["author"] for one in listed] == ["rui", "ana@example.org"]
    stats = client.get(f"{FEEDBACK}/stats", headers={"x-api-key": "scorer"}).json()
    assert stats["by_label"] == {"anomaly": 1, "disputed": 1}
    assert (stats["verdicts"], stats["tickets"], stats["conflicting"], stats["rate"]["answered"]) == (3, 2, 1, 2)

    page = client.get("/metrics").text
    for line in (
        'neural_hive_ml_feedback_verdicts_total{reason="flagged",verdict="normal"} 1.0',
        'neural_hive_ml_feedback_verdicts_total{reason="audit",verdict="anomaly"} 1.0',
        'neural_hive_ml_feedback_verdicts_total{reason="flagged",verdict="anomaly"} 0.0',
        "neural_hive_ml_feedback_open_reviews 18.0",
        "neural_hive_ml_feedback_asked 20.0",
        "neural_hive_ml_feedback_answered 2.0",
        'neural_hive_ml_dependency_up{dependency="state"} 1.0',
    ):
        assert line in page, line
    state = EmbeddedStateStore(folder / "state.db")
    ledger = Ledger(state, HeadFile(folder / "ledger"))
    assert [e.payload["verdict"] for e in ledger.about(personal("ticket-3"))] == ["normal", "anomaly"]
    assert ledger.verify().intact
    state.close()


def test_only_the_role_writes_and_reads_names(client: httpx.Client) -> None:
    body = {"ticket_id": "t", "verdict": "normal"}
    assert client.post(FEEDBACK, json=body).status_code == 401
    assert client.post(FEEDBACK, json=body, headers={"x-api-key": "scorer"}).status_code == 403
    for path in (FEEDBACK, f"{FEEDBACK}/export", "/api/v1/reviews"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"x-api-key": "scorer"}).status_code == 403
    assert client.get(f"{FEEDBACK}/stats").status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b'{"verdict": "maybe", "ticket_id": "t"}', 422, "verdict"),
        (b'{"ticket_id": "t"}', 422, ""),
        (b'{"verdict": "normal"}', 400, ""),
        (b'{"verdict": "normal", "prediction_id": "none"}', 404, ""),
        (b'{"verdict": "normal", "ticket_id": "ticket-1", "prediction_id": "p2"}', 400, ""),
        (b'{"verdict": "normal", "ticket_id": 7}', 422, "ticket_id"),
        (b'{"verdict": "normal", "ticket_id": "t", "admin": true}', 422, ""),
        (b'{"verdict": "normal", "ticket_id": "' + b"t" * 257 + b'"}', 422, "ticket_id"),
        (b'{"verdict": "normal"', 400, ""),
        (b'{"verdict": "normal", "ticket_id": "\xff"}', 400, ""),
        (b"x" * 20_000, 413, ""),
        (b"", 400, ""),
    ],
)
def test_what_is_no_verdict_is_told_so(
    client: httpx.Client, folder: Path, body: bytes, status: int, field: str
) -> None:
    ask_for_reviews(folder)
    headers = {"authorization": "Bearer judge", "content-type": "application/json"}
    answer = client.post(FEEDBACK, content=body, headers=headers)
    assert (answer.status_code, answer.json().get("field", "")) == (status, field), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_page_of_another_site_cannot_post_for_its_visitor(client: httpx.Client) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"x-api-key": "judge", "content-type": media_type}
        sent = client.post(FEEDBACK, content=b'{"verdict":"normal","ticket_id":"t"}', headers=headers)
        assert sent.status_code == 415


def test_a_bad_query_is_told_so(client: httpx.Client) -> None:
    headers = {"x-api-key": "judge"}
    for path in (
        f"{FEEDBACK}?limit=0",
        f"{FEEDBACK}/export?since=yesterday",
        f"{FEEDBACK}/stats?until=99999-01-01",
    ):
        assert client.get(path, headers=headers).status_code == 400, path
    assert client.get(f"{FEEDBACK}/export?since=2999-01-01", headers=headers).text == ""


def test_a_store_that_is_gone_is_unavailable_and_not_zero(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        assert client.post(FEEDBACK, json={"ticket_id": "t", "verdict": "normal"}).status_code == 201
        blocked = EmbeddedStateStore(tmp_path / "state.db")
        blocked._db.execute("ALTER TABLE records RENAME TO elsewhere")
        assert client.get("/health/readiness").status_code == 503
        health = client.get(f"{FEEDBACK}/health")
        assert (health.status_code, health.json()["store"]) == (503, {"reachable": False})
        assert client.post(FEEDBACK, json={"ticket_id": "t", "verdict": "normal"}).status_code == 503
        page = client.get("/metrics").text
        assert 'neural_hive_ml_dependency_up{dependency="state"} 0.0' in page
        assert "neural_hive_ml_feedback_open_reviews 0" not in page
        assert "neural_hive_ml_feedback_asked 0" not in page
        assert client.get("/health/liveness").status_code == 200
        blocked._db.execute("ALTER TABLE elsewhere RENAME TO records")
        assert client.get("/health/readiness").status_code == 200
        blocked.close()
