"""An ASGI app of endpoints: routed, counted, guarded, described; health and metrics beside them or on their own port."""

from collections.abc import Sequence
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from neural_hive_ml.serving.http.answers import JSON, RequestMetrics, encode
from neural_hive_ml.serving.http.endpoint import Endpoint, Gate, route_of
from neural_hive_ml.serving.http.openapi import document_of
from neural_hive_ml.serving.http.shell import Lifespan, nothing, shelled


def assembled(
    title: str,
    description: str,
    endpoints: Sequence[Endpoint],
    gate: Gate,
    metrics: RequestMetrics,
    lifespan: Lifespan = nothing,
    pages: Sequence[BaseRoute] = (),
) -> Starlette:
    """Return the app; its `state.operations` is one of the operational endpoints only, for a port of their own.

    `pages` are routes that are no part of the API.
    """
    document = _Document(title, description, endpoints)
    routes = [(endpoint.operational, route_of(endpoint, gate, metrics)) for endpoint in endpoints]
    here = [route for operational, route in routes if not (operational and gate.operations_apart)]
    app = shelled([*pages, *here, Route("/openapi.json", document.answer)], gate.spans, lifespan)
    app.state.operations = shelled([route for operational, route in routes if operational])
    return app


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
