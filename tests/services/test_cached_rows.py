"""The feature cache under guard-agents: the same question has the same answer in all replicas; an outage changes none."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.services.test_ticket_stream import folder, later_tickets
from tests.support.ports import closed_port

from neural_hive_ml.bootstrap_guard_agents import guard_agents
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.ticket import Ticket

__all__ = ["folder"]
pytestmark = [pytest.mark.services, pytest.mark.xdist_group("redis")]
Answer = dict[str, object]


@contextmanager
def replica(folder: Path, redis: str, cache: str = "true") -> Iterator[TestClient]:
    environment = {"HIVE_DATA_DIR": str(folder), "REDIS_URL": redis, "HIVE_STREAMS": "off", "FEATURE_CACHE": cache}
    service = guard_agents(load_settings({**environment, "FEATURE_CACHE_TIMEOUT_MS": "5000"}))
    with TestClient(service.app()) as client:
        client.post("/api/v1/model/refresh")
        yield client


def score(client: TestClient, ticket: Ticket, query: str = "") -> Answer:
    answered: Answer = client.post(f"/api/v1/tickets/score{query}", content=encode_ticket(ticket)).json()
    # Each answer is a prediction of its own, with its own time.
    answered.pop("latency_ms")
    answered.pop("prediction_id")
    return answered


def learn(client: TestClient, tickets: list[Ticket]) -> None:
    body = b'{"tickets": [' + b",".join(encode_ticket(t) for t in tickets) + b"]}"
    assert client.post("/api/v1/tickets/events", content=body).json()["learned"] > 0


def test_replicas_answer_the_same_question_alike(folder: Path, redis_url: str) -> None:
    *past, asked = later_tickets()[:60]
    with replica(folder, redis_url) as one, replica(folder, redis_url) as two:
        first = score(one, asked)
        # The other has learned more meanwhile; the question is the same.
        learn(two, past)
        assert score(two, asked) == first
        assert score(one, asked) == first
        # Another stage, or another document, is another question.
        other = score(two, asked, "?stage=created")
        assert other["statistics_sequence"] != first["statistics_sequence"]
        assert (
            score(two, replace(asked, retry_count=asked.retry_count + 1))["statistics_sequence"]
            != first["statistics_sequence"]
        )
        text = two.get("/metrics").text
        assert 'neural_hive_ml_cache_requests_total{cache="features",result="hit"} 1.0' in text
        assert 'neural_hive_ml_cache_requests_total{cache="features",result="miss"} 2.0' in text


def test_an_outage_changes_no_answer(folder: Path) -> None:
    gone = closed_port().replace("http", "redis")
    asked = later_tickets()[70]
    with ExitStack() as stack:
        with_cache, without = (stack.enter_context(replica(folder, gone, cache)) for cache in ("true", "false"))
        assert [score(with_cache, asked) for _ in range(5)] == [score(without, asked)] * 5
        assert 'cache="features",result="error"} 5.0' in with_cache.get("/metrics").text
