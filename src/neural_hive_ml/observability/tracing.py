"""Where we are in a trace: W3C `traceparent` taken in, and ids on every log line about it. Spans are sent by `otlp`."""

import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

# W3C Trace Context, level 1: version, trace, span, flags; ff is no version, ids of zeros are none.
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]([0-9a-f])(?:-.*)?"
)
_LENGTH: Final = 55
_LONGEST: Final = 512
_ODD: Final = frozenset("13579bdf")
# Random hex digits that a new trace needs: 32 of the trace, 16 of its first span.
TRACE_DIGITS: Final = 48

Fields = Callable[[], Mapping[str, str]]
# What the lines written now are about: set around a request or a message, asked only when a line is written. What is awaited
# or run in a thread of the pool has it too.
line_fields: ContextVar[Fields | None] = ContextVar("line_fields", default=None)


class Trace(msgspec.Struct, frozen=True):
    """Where we are in a trace: ids in lower-case hex, of 32 and 16 digits; `parent_id` is the caller's span, if any.

    Made for every request: a struct costs a seventh of a frozen dataclass.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    sampled: bool = True


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of work that ended: from when to when (UTC epoch nanoseconds), what it was, whether it failed.

    Its name and attributes are of a closed kind: no payload, no text of a caller.
    """

    name: str
    trace: Trace
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, str | int] = field(default_factory=dict)
    failed: bool = False


class Spans(Protocol):
    """Where spans go."""

    def record(self, span: Span) -> None:
        """Take a span; it is sent later, or lost, or not sampled. Never waits, never raises."""
        ...

    def close(self) -> None:
        """Send what is left, within a few seconds, and take no more."""
        ...


def parent_of(traceparent: str) -> Trace | None:
    """Return the caller's span that a `traceparent` names, None when it is malformed.

    >>> parent_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
    Trace(trace_id='0af7651916cd43dd8448eb211c80319c', span_id='b7ad6b7169203331', parent_id='', sampled=False)
    """
    found = _parsed(traceparent)
    return None if found is None else Trace(found[1], found[2], sampled=found[3] in _ODD)


def continue_trace(traceparent: str, chance: str) -> Trace:
    """Continue the caller's trace with a span of our own, or begin one when the header is empty or malformed.

    `chance` are at least `TRACE_DIGITS` random hex digits. What begins here is sampled.
    """
    found = _parsed(traceparent) if traceparent else None
    if found is None:
        return Trace(chance[:32], chance[32:TRACE_DIGITS])
    trace_id, parent_id, flags = found.groups()
    return Trace(trace_id, chance[32:TRACE_DIGITS], parent_id, flags in _ODD)


def _parsed(traceparent: str) -> "re.Match[str] | None":
    # Later versions may say more behind the flags; the first may not.
    if len(traceparent) != _LENGTH and (len(traceparent) > _LONGEST or traceparent.startswith("00")):
        return None
    return _TRACEPARENT.fullmatch(traceparent)
