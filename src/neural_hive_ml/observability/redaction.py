"""What must not reach a log: secrets, credentials in addresses, and the payloads of tickets and events."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

HIDDEN: Final = "***"
LONGEST_TEXT: Final = 2000
DEEPEST: Final = 4

_SECRET_KEY = re.compile(
    r"(?i)(passw|secret|token|authori[sz]ation|api[_-]?key|credential|private_?key|signing_?key|cookie)"
)
_PAYLOAD_KEYS: Final = frozenset(
    {
        "ticket", "tickets", "parameters", "payload", "document", "documents", "body", "event_data", "raw_data",
        "raw_event", "features", "metadata", "description", "error_message", "intent_text", "source_ip", "user_id",
    }
)  # fmt: skip
# Up to the last @ before a space or quote: a password that was not escaped may hold any sign of an address.
_CREDENTIALS = re.compile(r"://[^\s\"'<>]+@")
_OPTION = re.compile(
    r"(?i)([?&;][\w.-]*(?:passw|secret|token|api[_-]?key|credential|authmechanismproperties)[\w.-]*=)[^\s&;\"'<>]+"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic|apikey)\s+[\w.~+/=-]{8,}")
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|$)", re.DOTALL)
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")


def redacted(fields: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """Return log fields with secrets hidden, payloads named by size only, texts masked and cut.

    >>> redacted({"api_key": "k", "uri": "mongodb://u:p@h/db", "ticket": {"a": 1, "b": 2}, "n": 3})
    {'api_key': '***', 'uri': 'mongodb://***@h/db', 'ticket': '<mapping of 2>', 'n': 3}
    """
    return {key: _field(str(key), value, depth) for key, value in fields.items()}


def _field(key: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return HIDDEN if _SECRET_KEY.search(key) and isinstance(value, int | float) and value else value
    if _SECRET_KEY.search(key):
        return HIDDEN
    if key in _PAYLOAD_KEYS:
        return _size(value)
    return _value(value, depth)


def _value(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return redacted(value, depth + 1) if depth < DEEPEST else _size(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _size(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_value(item, depth + 1) for item in value] if depth < DEEPEST else _size(value)
    return masked(str(value))


def masked(text: str) -> str:
    """Return a text without credentials, keys and tokens, at most `LONGEST_TEXT` characters.

    >>> masked("GET http://me:pw@host/x with Authorization: Bearer abcdef0123456789")
    'GET http://***@host/x with Authorization: Bearer ***'
    """
    text = _OPTION.sub(rf"\1{HIDDEN}", text)
    text = _CREDENTIALS.sub("://***@", text)
    text = _PEM.sub(HIDDEN, text)
    text = _JWT.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}... ({len(text):,} characters)"


def _size(value: Any) -> str:
    match value:
        case str():
            kind = "text"
        case bytes() | bytearray() | memoryview():
            kind = "bytes"
        case Mapping():
            kind = "mapping"
        case Sequence():
            kind = "list"
        case _:
            kind = "object"
    return f"<{kind} of {len(value)}>" if hasattr(value, "__len__") else f"<{kind}>"
