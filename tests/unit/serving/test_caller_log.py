"""Who calls stands in the log, so that an old key can be seen to be out of use."""

from hashlib import sha256
from pathlib import Path

import pytest
import structlog
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from neural_hive_ml.bootstrap_guard_agents import guard_agents
from neural_hive_ml.serving.http import caller_log
from neural_hive_ml.serving.http.auth import Caller
from neural_hive_ml.serving.http.caller_log import EVERY_SECONDS, CallerLog
from neural_hive_ml.settings import load_settings

SEEN = "serving.caller_seen"


@pytest.fixture(autouse=True)
def fresh_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has not yet taken over the set-up of an earlier test."""
    monkeypatch.setattr(caller_log, "_log", structlog.get_logger("serving"))


def entry(key_id: str) -> str:
    return f"{key_id}:score:{sha256(f'secret of {key_id}'.encode()).hexdigest()}"


def ask(client: TestClient, secret: str) -> int:
    answer = client.post("/api/v1/tickets/score", content=b"{}", headers={"X-API-Key": secret})
    return answer.status_code


def test_a_rotation_is_seen_in_the_log(tmp_path: Path) -> None:
    keys = ",".join(map(entry, ("caller", "caller-2", "idle")))
    settings = load_settings({"HIVE_DATA_DIR": str(tmp_path), "HIVE_API_KEYS": keys})
    with TestClient(guard_agents(settings).app()) as client, capture_logs() as lines:
        assert ask(client, "secret of caller") == 422
        assert [ask(client, "secret of caller-2") for _ in range(3)] == [422] * 3
        assert ask(client, "secret of nobody") == 401
    seen = [line for line in lines if line["event"] == SEEN]
    assert [line["caller"] for line in seen] == ["caller", "caller-2"]
    assert "secret" not in str(seen)


def test_each_is_told_again_after_an_hour_and_there_are_never_too_many() -> None:
    log, callers = CallerLog(), [Caller(f"subject-{n}", frozenset({"score"})) for n in range(1_500)]
    with capture_logs() as lines:
        for now in (0.0, EVERY_SECONDS - 1.0, EVERY_SECONDS, EVERY_SECONDS + 1.0):
            log.note(callers[0], now)
    assert len(lines) == 2
    with capture_logs() as lines:
        for caller in callers:
            log.note(caller, 0.0)
    assert len(lines) >= 1_499
    assert len(log._told) <= 1_000
