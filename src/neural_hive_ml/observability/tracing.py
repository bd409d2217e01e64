"""Trace ids: W3C `traceparent` in and out, bound to every log line; spans go to OpenTelemetry where configured.

Without the `otel` extra, or without OTEL_EXPORTER_OTLP_ENDPOINT, ids still flow through logs and calls.
"""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

import structlog

_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$")
_LONGEST_HEADER: Final = 55

Span = Callable[[str, "Trace"], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Trace:
    """Where we are in a trace: ids in lower-case hex, of 32 and 16 digits."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        """The header that hands this trace on.

        >>> Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331").traceparent
        '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
        """
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def continue_trace(traceparent: str | None, *, random_hex: Callable[[int], str] = secrets.token_hex) -> Trace:
    """Continue the caller's trace with a new span, or begin one when the header is missing or malformed."""
    header = (traceparent or "").strip().lower()
    found = _TRACEPARENT.match(header) if len(header) == _LONGEST_HEADER else None
    if found is None or not found[1].strip("0") or not found[2].strip("0"):
        return Trace(random_hex(16), random_hex(8))
    return Trace(found[1], random_hex(8), parent_id=found[2], sampled=bool(int(found[3], 16) & 1))


@contextmanager
def traced(trace: Trace, **more: str) -> Iterator[None]:
    """Bind a trace's ids (and more fields, such as a request id) to every log line written inside."""
    tokens = structlog.contextvars.bind_contextvars(trace_id=trace.trace_id, span_id=trace.span_id, **more)
    try:
        yield
    finally:
        structlog.contextvars.reset_contextvars(**tokens)


def span_recorder(service: str, endpoint: str) -> Span | None:
    """Return a recorder of spans that sends them to an OTLP/HTTP endpoint, or None when `endpoint` is empty.

    Raises
    ------
    UsageError
        When an endpoint is given but the `otel` extra is not installed.
    """
    if not endpoint:
        return None
    from neural_hive_ml.observability.otlp import otlp_recorder

    return otlp_recorder(service, endpoint)
