"""Answers as JSON, and requests counted by route and outcome."""

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from neural_hive_ml.errors import HiveError
from neural_hive_ml.observability.families import CounterFamily, HistogramFamily
from neural_hive_ml.serving.http.problem import Problem, problem_of

JSON = "application/json"
encode = msgspec.json.Encoder().encode
Handler = Callable[[Request], Awaitable[Response]]


class RequestMetrics(Protocol):
    """The families that every service counts its requests in."""

    @property
    def requests(self) -> CounterFamily: ...  # route, outcome
    @property
    def request_seconds(self) -> HistogramFamily: ...  # route


def counted(metrics: RequestMetrics, route: str, handler: Handler) -> Handler:
    """Count each request once, by outcome, and its latency."""

    async def count(request: Request) -> Response:
        began = perf_counter()
        outcome = "server_error"
        try:
            response = await handler(request)
        except Problem as problem:
            outcome = "client_error" if problem.status < 500 else "server_error"
            raise
        except HiveError as error:
            outcome = "client_error" if problem_of(error).status < 500 else "server_error"
            raise
        else:
            outcome = "degraded" if response.headers.get("x-degraded") else "ok"
            return response
        finally:
            metrics.requests.inc(route, outcome)
            metrics.request_seconds.observe(perf_counter() - began, route)

    return count


def json_answer(content: object, *, degraded: bool = False) -> Response:
    """Return a JSON answer, which says in a header when it is degraded."""
    headers = {"x-degraded": "true"} if degraded else None
    return Response(encode(content), media_type=JSON, headers=headers)
