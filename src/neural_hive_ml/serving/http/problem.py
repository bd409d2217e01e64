"""Errors as problem+json (RFC 9457): what is wrong, in which field, what to do."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from neural_hive_ml.errors import (
    Conflict,
    HiveError,
    InvalidEvent,
    InvalidTicket,
    NotFound,
    RegistryUnavailable,
    StoreUnavailable,
    UsageError,
)

PROBLEM_JSON = "application/problem+json"


class Problem(Exception):
    """An answer that is an error; raised by handlers, rendered by the shell."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        field: str = "",
        remedy: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status, self.title, self.detail, self.field, self.remedy = status, title, detail, field, remedy
        self.headers = dict(headers or {})

    def response(self, scope: Mapping[str, Any]) -> Response:
        """Render the problem, under the ids that the shell gave the request."""
        body = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "field": self.field,
            "remedy": self.remedy,
            "request_id": scope.get("request_id", ""),
            "trace_id": scope.get("trace_id", ""),
        }
        content = msgspec.json.encode({k: v for k, v in body.items() if v not in {""}})
        return Response(content, self.status, media_type=PROBLEM_JSON, headers=self.headers)


def problem_of(error: HiveError) -> Problem:
    """Map an expected error to a problem; the one place where errors meet HTTP codes."""
    match error:
        case InvalidTicket() | InvalidEvent():
            what = "an execution ticket" if isinstance(error, InvalidTicket) else "a platform event"
            return Problem(422, f"Not {what}", error.what, field=error.field, remedy=error.remedy)
        case UsageError():
            return Problem(400, "Bad request", error.what, remedy=error.remedy)
        case NotFound():
            return Problem(404, "Not found", error.what, remedy=error.remedy)
        case Conflict():
            return Problem(409, "Someone else wrote first", error.what, remedy=error.remedy)
        case StoreUnavailable() | RegistryUnavailable():
            return Problem(503, "A dependency does not answer", error.what, remedy=error.remedy)
        case _:
            return Problem(500, "The request failed", error.what, remedy=error.remedy)
