"""The trace that a message belongs to: its producer's `traceparent`, else the ids that its document carries."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from neural_hive_ml.observability.tracing import parent_of
from neural_hive_ml.streams.port import Message

# What the platform's columns hold; anything else is no id, and a payload must not reach a log as one.
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")


class _Ids(msgspec.Struct):
    trace_id: str | None = None
    span_id: str | None = None


_decode: Final = msgspec.json.Decoder(_Ids).decode


def fields_of(message: Message) -> Mapping[str, str]:
    """Return `trace_id` and `span_id` of a message, as far as it has them: fields of the log lines about it.

    Tickets carry the ids of the platform's span that made them. What cannot be read has none; it fails elsewhere.
    """
    parent = parent_of(message.headers.get("traceparent", ""))
    if parent is not None:
        return {"trace_id": parent.trace_id, "span_id": parent.span_id}
    try:
        found = _decode(message.value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}
    ids = {"trace_id": found.trace_id, "span_id": found.span_id}
    return {name: text for name, text in ids.items() if text and _ID.fullmatch(text)}
