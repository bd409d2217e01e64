"""An ASGI app of endpoints: routed, counted, guarded, described; health and metrics beside them or on their own port."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from neural_hive_ml.errors import HiveError
from neural_hive_ml.serving.http.answers import JSON, RequestMetrics, encode
from neural_hive_ml.serving.http.endpoint import Endpoint, Gate, route_of
from neural_hive_ml.serving.http.openapi import document_of
from neural_hive_ml.serving.http.problem import Problem
from neural_hive_ml.serving.http.shell import Shell, on_hive_error, on_http_exception, on_problem

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _nothing(_: Any) -> AsyncIterator[None]:
    yield


def assembled(
    title: str,
    description: str,
    endpoints: Sequence[Endpoint],
    gate: Gate,
    metrics: RequestMetrics,
    lifespan: Lifespan = _nothing,
    pages: Sequence[BaseRoute] = (),
) -> Starlette:
    """Return the app; its `state.operations` is one of the operational endpoints only, for a port of their own.

    `pages` are routes that are no part of the API.
    """
    document = _Document(title, description, endpoints)
    routes = [(endpoint.operational, route_of(endpoint, gate, metrics)) for endpoint in endpoints]
    here = [route for operational, route in routes if not (operational and gate.operations_apart)]
    app = _app([*pages, *here, Route("/openapi.json", document.answer)], lifespan)
    app.state.operations = _app([route for operational, route in routes if operational], _nothing)
    return app


def _app(routes: Sequence[BaseRoute], lifespan: Lifespan) -> Starlette:
    return Starlette(
        routes=routes,
        middleware=[Middleware(Shell)],
        lifespan=lifespan,
        exception_handlers={Problem: on_problem, HiveError: on_hive_error, HTTPException: on_http_exception},
    )


class _Document:
    """Made when first asked for: nobody waits for it at a start."""

    def __init__(self, title: str, description: str, endpoints: Sequence[Endpoint]) -> None:
        self._parts = title, description, endpoints
        self._made = b""

    async def answer(self, _: Request) -> Response:
        """Return the OpenAPI document."""
        if not self._made:
            title, description, endpoints = self._parts
            self._made = encode(document_of(title, description, version("neural-hive-ml"), endpoints))
        return Response(self._made, media_type=JSON)
