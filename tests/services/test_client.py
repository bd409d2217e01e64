"""The client against real services, and old clients against the services of now."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from tests.support.api_v1 import RECORDED, missing, send, services
from tests.support.trained import flights

from neural_hive_ml.client import ApiProblem, AsyncClient, Client, Patience, Target
from neural_hive_ml.client import calls as api
from neural_hive_ml.client.transport import read_answer

EXCHANGES = json.loads(RECORDED.read_text())


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with services() as running:
        yield running


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda e: f"{e['request']['path']}-{e['status']}")
def test_old_clients_go_on_working(target: Target, exchange: dict[str, object]) -> None:
    request = exchange["request"]
    assert isinstance(request, dict)
    answer = send(target, request)
    assert answer.status_code == exchange["status"]
    assert missing(exchange["answer"], answer.json()) == []


def test_the_client_reads_what_the_first_release_answered() -> None:
    ticket = flights()[-1]
    readers: dict[str, Any] = {
        "/api/v1/tickets/score": api.score(ticket, None, None),
        "/api/v1/tickets/score/batch": api.score_many([ticket]),
        "/api/v1/duration/predict": api.duration(ticket, None),
        "/api/v1/duration/predict/batch": api.duration_many([ticket]),
        "/api/v1/load/forecast": api.forecast(60, None),
        "/api/v1/ml/enrich": api.enrich(ticket),
        "/api/v1/feedback": api.feedback("normal", ticket.ticket_id, "", "", ""),
    }
    read = 0
    for exchange in EXCHANGES:
        call = readers.get(exchange["request"]["path"])
        if call is None:
            continue
        read += 1
        # What a release after this one may add is ignored.
        content = {**exchange["answer"], "added_later": {"x": 1}}
        response = httpx.Response(exchange["status"], content=msgspec.json.encode(content))
        if exchange["status"] >= 400:
            with pytest.raises(ApiProblem) as problem:
                read_answer(call, response)
            assert problem.value.status == exchange["status"]
            assert problem.value.title
        else:
            assert read_answer(call, response)
    assert read == 11
    assert {call.path for call in readers.values()} <= {e["request"]["path"] for e in EXCHANGES}, "none unrecorded"


def test_an_answer_that_lost_something_is_seen() -> None:
    old = {"items": [{"a": 1}, {"a": 2}], "n": 1}
    assert missing(old, old) == []
    assert missing(old, {"items": [*old["items"], {"a": 3}], "n": 2.5, "more": True}) == []  # type: ignore[misc] # a list
    for new in (
        {"items": [], "n": 1},
        {"items": [{"a": 1}], "n": 1},
        {"items": old["items"]},
        {"items": {}, "n": 1},
    ):
        assert len(missing(old, new)) == 1, new


def test_every_call_is_typed_and_async_answers_the_same(target: Target) -> None:
    ticket, other = flights()[-1], flights()[-2]
    now = ticket.created_at
    with Client(target, Patience(30, 10)) as hive:
        verdict = hive.score(ticket, stage="created", at_ms=now)
        many = hive.score_many([ticket, b'{"ticket_id": 1}', msgspec.to_builtins(other)])
        ahead = hive.duration(ticket, at_ms=now)
        both = hive.duration_many([ticket, other])
        load = hive.forecast(60, at_ms=now)
        rich = hive.enrich(ticket)
        given = hive.feedback("anomaly", ticket_id=ticket.ticket_id, author="ana")
        again = hive.feedback("anomaly", ticket_id=ticket.ticket_id, author="ana")
        with pytest.raises(ApiProblem) as problem:
            hive.score({"ticket_id": 1})
    assert (verdict.ticket_id, verdict.stage, verdict.degraded) == (ticket.ticket_id, "created", False)
    assert verdict.anomaly_score is not None
    assert verdict.threshold is not None
    assert verdict.is_anomaly == (verdict.anomaly_score >= verdict.threshold)
    assert [item.refusal is None for item in many] == [True, False, True]
    assert many[1].refusal is not None
    assert many[1].refusal.field == "ticket_id"
    assert ahead.p10_ms is not None
    assert ahead.p90_ms is not None
    assert 0 < ahead.p10_ms < ahead.p90_ms
    assert [item.answer.ticket_id for item in both if item.answer] == [ticket.ticket_id, other.ticket_id]
    assert load.total is not None
    assert rich.ticket_id == ticket.ticket_id
    assert rich.allocation_metadata.ml_enriched
    assert rich.predictions.duration_ms == rich.allocation_metadata.predicted_duration_ms
    assert rich.priority_boost in {1.0, 1.2}
    assert load.document["horizon_minutes"] == 60
    assert (given.new, again.new, given.verdict_id) == (True, False, again.verdict_id)
    assert (problem.value.status, problem.value.field) == (422, "ticket_id")
    assert problem.value.request_id

    async def ask() -> None:
        async with AsyncClient(target, Patience(30, 10)) as hive:
            same, load_too = await asyncio.gather(
                hive.score(ticket, stage="created", at_ms=now), hive.forecast(60, at_ms=now)
            )
        assert msgspec.structs.replace(same, prediction_id="") == msgspec.structs.replace(
            verdict, prediction_id=""
        )
        assert load_too.total == load.total

    asyncio.run(ask())
