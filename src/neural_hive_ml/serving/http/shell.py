"""The shell around an app: request ids, security headers, errors as problems; plain ASGI, nothing buffered."""

import uuid
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neural_hive_ml.errors import HiveError
from neural_hive_ml.serving.http.problem import Problem, problem_of, request_id_of

log = structlog.get_logger("serving")
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
_LONGEST_ID = 128


class Shell:
    """Give every request an id (the caller's own when sane) and every answer the security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given_id(scope) or uuid.uuid4().hex
        scope["request_id"] = request_id
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                present = {name.lower() for name, _ in message["headers"]}
                extra = [pair for pair in _HEADERS if pair[0] not in present]
                message["headers"] = [*message["headers"], *extra, (b"x-request-id", request_id.encode("latin-1"))]
            await send(message)

        if scope["method"] not in {"GET", "HEAD"} and (_SITE, b"cross-site") in scope["headers"]:
            problem = Problem(403, "Not from other sites", "a page of another site sent this request")
            await problem.response(request_id)(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            log.exception("serving.request_failed", request_id=request_id, path=scope["path"])
            if started:
                raise
            problem = Problem(
                500,
                "The request failed",
                "an unexpected error; it was logged",
                remedy=f"look in the log for request {request_id}",
            )
            await problem.response(request_id)(scope, receive, send_with_headers)


def _given_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = bytes(value).decode("latin-1")
            if 0 < len(text) <= _LONGEST_ID and all(c.isalnum() or c in "-_." for c in text):
                return text
    return ""


async def on_problem(request: Request, error: Exception) -> Response:
    """Starlette's handler of `Problem`."""
    assert isinstance(error, Problem)
    return error.response(request_id_of(request))


async def on_hive_error(request: Request, error: Exception) -> Response:
    """Starlette's handler of expected errors."""
    assert isinstance(error, HiveError)
    return problem_of(error).response(request_id_of(request))


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405, as problems."""
    status = int(getattr(error, "status_code", 500))
    titles = {404: "No such path", 405: "Method not allowed"}
    headers = getattr(error, "headers", None)
    problem = Problem(status, titles.get(status, "Error"), remedy="see /openapi.json", headers=headers)
    return problem.response(request_id_of(request))
