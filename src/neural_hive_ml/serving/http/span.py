"""A request as a span: the route's template as its name, and nothing that a caller wrote. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from neural_hive_ml.observability.tracing import Span, Trace

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


def request_span(
    scope: Mapping[str, Any], trace: Trace, began_ns: int, ended_ns: int, status: int, *, broken: bool
) -> Span:
    """Return the span of a request that was answered with a status (0: not at all), or whose answer broke off.

    Names and attributes are OpenTelemetry's (semantic conventions of HTTP servers): a status of 5xx is a failure, 4xx none.
    """
    method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
    route = str(getattr(scope.get("route"), "path", ""))
    attributes: dict[str, str | int] = {"http.request.method": method}
    if route:
        attributes["http.route"] = route
    if status:
        attributes["http.response.status_code"] = status
    failed = broken or not status or status >= 500
    if failed:
        attributes["error.type"] = str(status) if status >= 500 else "_OTHER"
    return Span(f"{method} {route}".rstrip(), trace, began_ns, ended_ns, attributes, failed)
