"""One route told once: where it is, who may call it, what it takes and gives. Routing and /openapi.json are made of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from neural_hive_ml.observability.tracing import Spans
from neural_hive_ml.serving.http.answers import Handler, RequestMetrics, counted
from neural_hive_ml.serving.http.auth import Caller, Keyring, Role
from neural_hive_ml.serving.http.caller_log import CallerLog
from neural_hive_ml.serving.http.problem import Problem
from neural_hive_ml.serving.http.rate import RateLimit

REQUEST_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query, or of the path when `place` says so; `kind` is a type that msgspec can describe."""

    name: str
    kind: Any
    meaning: str
    example: object = None
    place: Literal["query", "path", "header"] = "query"


@dataclass(frozen=True, slots=True)
class Example:
    """What is sent and what comes back, as JSON values."""

    body: object = None
    answer: object = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route. The handler's docstring is its description.

    `role` None: anybody may call it; ``any``: whoever has a key. `counted_as` is the route label of the request
    metrics, None: not counted.
    `answer` is the type of a good answer's JSON, or a media type; `statuses` are the further ones it may have; `problems`
    the errors (problem+json) of this route beside those that all such routes have.
    `operational` routes (health, metrics) can be moved to a port of their own.
    """

    path: str
    handler: Handler
    answer: Any
    method: Literal["GET", "POST"] = "GET"
    role: Role | Literal["any"] | None = None
    counted_as: str | None = None
    body: Any = None
    parameters: tuple[Parameter, ...] = ()
    example: Example = field(default_factory=Example)
    status: int = 200
    statuses: Mapping[int, str] = field(default_factory=dict)
    problems: Mapping[int, str] = field(default_factory=dict)
    operational: bool = False


@dataclass(frozen=True, slots=True)
class Gate:
    """What a request passes before its handler: its key, the rate of that key, and how long it may take.

    `operations_apart`: health and metrics are answered on a port of their own, not here. `spans`: where each request goes
    as a span, None: nowhere. `callers` names who calls in the log, once an hour.
    """

    keyring: Keyring
    rate: RateLimit | None = None
    request_seconds: float = REQUEST_SECONDS
    operations_apart: bool = False
    spans: Spans | None = None
    callers: CallerLog = field(default_factory=CallerLog)

    def admit(self, request: Request, role: Role | Literal["any"]) -> Caller:
        """Return who calls. Raises `Problem` 401, 403 or 429."""
        caller = self.keyring.caller(request) if role == "any" else self.keyring.allow(request, role)
        if self.keyring.protects:
            self.callers.note(caller, perf_counter())
        if self.rate is not None:
            wait = self.rate.take(caller.key_id, perf_counter())
            if wait > 0:
                seconds = max(1, round(wait + 0.5))
                raise Problem(
                    429,
                    "Too many requests",
                    f"key {caller.key_id} may send {self.rate.per_second:g} requests a second",
                    remedy=f"wait {seconds} s, or send tickets in batches",
                    headers={"Retry-After": str(seconds)},
                )
        return caller


def caller_of(request: Request) -> Caller:
    """Return who the gate let in."""
    caller: Caller = request.scope["caller"]
    return caller


def route_of(endpoint: Endpoint, gate: Gate, metrics: RequestMetrics) -> Route:
    """Return the route of an endpoint behind the gate."""
    handler = _timed(_gated(endpoint, gate), gate.request_seconds)
    if endpoint.counted_as is not None:
        handler = counted(metrics, endpoint.counted_as, handler)
    return Route(endpoint.path, handler, methods=[endpoint.method])


def _gated(endpoint: Endpoint, gate: Gate) -> Handler:
    role, handler = endpoint.role, endpoint.handler
    if role is None:
        return handler

    async def admitted(request: Request) -> Response:
        request.scope["caller"] = gate.admit(request, role)
        return await handler(request)

    return admitted


def _timed(handler: Handler, seconds: float) -> Handler:
    async def in_time(request: Request) -> Response:
        try:
            async with asyncio.timeout(seconds):
                return await handler(request)
        except TimeoutError:
            if request.scope.get("reading_body"):
                raise Problem(
                    408,
                    "The body did not arrive",
                    f"it was not complete after {seconds:g} s",
                    remedy="send it in one go, or smaller batches",
                ) from None
            raise Problem(
                503,
                "No answer in time",
                f"it took longer than {seconds:g} s",
                remedy="try again; /health says what does not answer",
                headers={"Retry-After": "1"},
            ) from None

    return in_time
