"""What a request passes before its handler: rate, time, other sites; and the document that describes the routes."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from neural_hive_ml.observability.metrics import approval_metrics
from neural_hive_ml.serving.http.answers import json_answer
from neural_hive_ml.serving.http.assembly import assembled
from neural_hive_ml.serving.http.auth import Keyring
from neural_hive_ml.serving.http.body import read_body
from neural_hive_ml.serving.http.endpoint import Endpoint, Gate
from neural_hive_ml.serving.http.rate import RateLimit


async def echo(request: Request) -> Response:
    """Say it again.

    Word by word.
    """
    return json_answer({"said": (await read_body(request, 1_000)).decode()})


async def slow(_: Request) -> Response:
    """Never answer."""
    await asyncio.sleep(60)
    raise AssertionError


def app(gate: Gate) -> Starlette:
    endpoints = (
        Endpoint("/echo", echo, dict[str, str], "POST", "score", body=dict[str, str]),
        Endpoint("/slow", slow, dict[str, str]),
        Endpoint("/metrics", slow, "text/plain", operational=True),
    )
    return assembled("test", "A service.", endpoints, gate, approval_metrics())


def ask(served: Starlette, *requests: Callable[[httpx.AsyncClient], Any]) -> list[httpx.Response]:
    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(served)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [await request(client) for request in requests]

    return asyncio.run(all_of_them())


def test_a_key_that_calls_too_often_is_told_when_to_come_again() -> None:
    answers = ask(app(Gate(Keyring(), RateLimit(0.5))), *[lambda c: c.post("/echo", content=b"{}")] * 2)
    assert [a.status_code for a in answers] == [200, 429]
    assert 1 <= int(answers[1].headers["retry-after"]) <= 3
    assert answers[1].json()["remedy"].startswith("wait")


@given(st.floats(0.1, 1_000), st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 0.5)), max_size=200))
def test_nobody_gets_more_than_the_rate_and_the_burst(per_second: float, calls: list[tuple[str, float]]) -> None:
    limit, now, taken = RateLimit(per_second), 0.0, {"a": 0, "b": 0}
    for caller, pause in calls:
        now += pause
        wait = limit.take(caller, now)
        taken[caller] += wait == 0
        assert 0 <= wait <= 1 / per_second + 1e-9
        assert taken[caller] <= max(2 * per_second, 1) + now * per_second + 1e-6


def test_what_takes_too_long_is_ended_and_told() -> None:
    quick = app(Gate(Keyring(), request_seconds=0.05))

    async def half() -> Any:
        yield b"{"
        await asyncio.sleep(60)

    never, stuck = ask(quick, lambda c: c.get("/slow"), lambda c: c.post("/echo", content=half()))
    assert (never.status_code, stuck.status_code) == (503, 408)
    assert never.json()["title"] == "No answer in time"


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-origin", 200), ("none", 200)])
def test_pages_of_other_sites_cannot_write(site: str, status: int) -> None:
    [answer] = ask(app(Gate(Keyring())), lambda c: c.post("/echo", content=b"x", headers={"Sec-Fetch-Site": site}))
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_wrong_method_names_the_right_ones() -> None:
    for method in ("OPTIONS", "DELETE", "GET"):
        [answer] = ask(app(Gate(Keyring())), lambda c, method=method: c.request(method, "/echo"))
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_operations_move_to_a_port_of_their_own() -> None:
    apart = app(Gate(Keyring(), operations_apart=True, request_seconds=0.01))
    [gone] = ask(apart, lambda c: c.get("/metrics"))
    there, elsewhere = ask(apart.state.operations, lambda c: c.get("/metrics"), lambda c: c.get("/slow"))
    assert (gone.status_code, there.status_code, elsewhere.status_code) == (404, 503, 404)


def test_the_document_is_made_of_the_routes() -> None:
    [answer] = ask(app(Gate(Keyring())), lambda c: c.get("/openapi.json"))
    document = answer.json()
    operation = document["paths"]["/echo"]["post"]
    assert document["openapi"] == "3.1.0"
    assert (operation["summary"], operation["description"]) == ("Say it again.", "Word by word.")
    assert operation["security"] == [{"bearer": ["score"]}, {"key": ["score"]}]
    assert {"200", "400", "401", "403", "408", "413", "422", "429", "500", "503"} <= set(operation["responses"])
    assert "security" not in document["paths"]["/slow"]["get"]
