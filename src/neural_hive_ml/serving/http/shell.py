"""The shell around an app: ids, security headers, errors as problems, spans; plain ASGI, nothing buffered."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import perf_counter_ns, time_ns
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neural_hive_ml.errors import HiveError
from neural_hive_ml.observability.tracing import TRACE_DIGITS, Spans, continue_trace, line_fields
from neural_hive_ml.serving.http.problem import Problem, problem_of
from neural_hive_ml.serving.http.span import request_span

log = structlog.get_logger("serving")
Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
# Browsers say where a request comes from; pages of other sites may not write here, keys or no keys.
_SITE = b"sec-fetch-site"
_LONGEST_ID: Final = 128
# Drawn at once for a trace and a request id of 32 digits: one call of the system.
_RANDOM_BYTES: Final = TRACE_DIGITS // 2 + 16


class Shell:
    """Give every request its ids (the caller's own when sane), its answer the security headers, and its end a span.

    The ids are on every log line that is written while the request is handled, and in its problem, if it has one.
    """

    def __init__(self, app: ASGIApp, spans: Spans | None = None) -> None:
        self._app, self._spans = app, spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given_id, traceparent = _ids_given(scope)
        chance = os.urandom(_RANDOM_BYTES).hex()
        request_id = given_id or chance[TRACE_DIGITS:]
        trace = continue_trace(traceparent, chance)
        scope["request_id"], scope["trace_id"] = request_id, trace.trace_id
        about = line_fields.set(
            lambda: {"trace_id": trace.trace_id, "span_id": trace.span_id, "request_id": request_id}
        )
        status, broken = 0, False

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                extra = [pair for pair in _HEADERS if pair[0] not in present]
                message["headers"] = [*message["headers"], *extra, (b"x-request-id", request_id.encode("latin-1"))]
            await send(message)

        began_ns, counted_ns = (time_ns(), perf_counter_ns()) if self._spans is not None else (0, 0)
        try:
            if scope["method"] not in {"GET", "HEAD"} and (_SITE, b"cross-site") in scope["headers"]:
                problem = Problem(403, "Not from other sites", "a page of another site sent this request")
                await problem.response(scope)(scope, receive, send_with_headers)
                return
            await self._app(scope, receive, send_with_headers)
        except Exception:
            log.exception("serving.request_failed", path=scope["path"])
            broken = True
            if status:
                raise
            problem = Problem(
                500,
                "The request failed",
                "an unexpected error; it was logged",
                remedy=f"look in the log for request {request_id}",
            )
            await problem.response(scope)(scope, receive, send_with_headers)
        finally:
            if self._spans is not None:
                ended_ns = began_ns + perf_counter_ns() - counted_ns
                self._spans.record(request_span(scope, trace, began_ns, ended_ns, status, broken=broken))
            line_fields.reset(about)


def _ids_given(scope: Scope) -> tuple[str, str]:
    """Return the caller's request id, when it is sane, and its `traceparent`, empty when there are several."""
    request_id, traceparent, several = "", b"", False
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = bytes(value).decode("latin-1")
            if 0 < len(text) <= _LONGEST_ID and all(c.isalnum() or c in "-_." for c in text):
                request_id = request_id or text
        elif name == b"traceparent":
            traceparent, several = value, bool(traceparent)
    return request_id, "" if several else traceparent.decode("latin-1")


@asynccontextmanager
async def nothing(_: Any) -> AsyncIterator[None]:
    """Nothing to do at the start and at the end of an app."""
    yield


def shelled(routes: Sequence[BaseRoute], spans: Spans | None = None, lifespan: Lifespan = nothing) -> Starlette:
    """Return the app of routes in the shell; what is left of its spans is sent when it ends."""

    @asynccontextmanager
    async def to_the_last_span(app: Starlette) -> AsyncIterator[None]:
        try:
            async with lifespan(app):
                yield
        finally:
            if spans is not None:
                await run_in_threadpool(spans.close)

    return Starlette(
        routes=routes,
        middleware=[Middleware(Shell, spans)],
        lifespan=to_the_last_span,
        exception_handlers={Problem: _on_problem, HiveError: _on_hive_error, HTTPException: _on_http_exception},
    )


def _told(problem: Problem, request: Request) -> Response:
    """Render a problem; what is a fault of ours is logged too."""
    if problem.status >= 500:
        log.warning(
            "serving.request_failed",
            status=problem.status,
            title=problem.title,
            reason=problem.detail,
            path=request.scope["path"],
        )
    return problem.response(request.scope)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _told(error, request)


async def _on_hive_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HiveError)
    return _told(problem_of(error), request)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405, as problems."""
    status = int(getattr(error, "status_code", 500))
    titles = {404: "No such path", 405: "Method not allowed"}
    headers = getattr(error, "headers", None)
    return _told(
        Problem(status, titles.get(status, "Error"), remedy="see /openapi.json", headers=headers), request
    )
