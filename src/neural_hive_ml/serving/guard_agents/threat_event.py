"""A platform event as guard-agents takes it: what it is about, and where a rule finds its figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Final
from urllib.parse import unquote

import msgspec

from neural_hive_ml.errors import InvalidEvent

MAX_EVENT_BYTES: Final = 256 * 2**10
_Text = Annotated[str, msgspec.Meta(max_length=1_024)]
# Text of a payload that is looked through; an attack hides in a request, not behind 64 KiB of it.
_MOST_TEXT: Final = 65_536
_DEEPEST: Final = 8
_ANY: Final = msgspec.json.Decoder(dict[str, Any])


class PlatformEvent(msgspec.Struct, frozen=True):
    """What happened. `type` says which figures are expected: docs/serving.md has the table.

    Figures (`failed_attempts`, `cpu_usage`, ...) may stand in the event itself, in `metrics`, in `payload` or in
    `raw_data`. `ticket` is an execution ticket: then the model judges it. Unknown members are kept in `raw_event`.
    """

    type: _Text = ""
    event_id: _Text = ""
    incident_id: _Text = ""
    timestamp: int | float | str | None = None
    severity: _Text | None = None
    threat_type: _Text | None = None
    source_ip: _Text | None = None
    user_id: _Text | None = None
    resource_type: _Text | None = None
    resource_name: _Text | None = None
    namespace: _Text | None = None
    metrics: dict[str, Any] | None = None
    payload: Any = None
    raw_data: Any = None
    anomaly_score: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    ticket: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """An event with its document; `kind` is its type, or that of the stream it came from."""

    event: PlatformEvent
    kind: str
    document: Mapping[str, Any]
    raw: bytes

    @property
    def event_id(self) -> str:
        """Its own id, or one that the same bytes always have."""
        own = self.event.event_id or self.event.incident_id
        return own or blake2b(self.raw, digest_size=16, person=b"hive-event").hexdigest()

    def figure(self, name: str, *, share: bool) -> float | None:
        """Return a figure that a rule asks for, None where the event has none; a list counts its entries.

        Raises
        ------
        InvalidEvent
            When it is no number, negative, or a share outside [0, 1].
        """
        places = (self.document, self.event.metrics, self.event.payload, self.event.raw_data)
        for place, where in zip(places, ("", "metrics.", "payload.", "raw_data."), strict=True):
            value = place.get(name) if isinstance(place, Mapping) else None
            if value is not None:
                return _number(value, where + name, share=share)
        return None

    def texts(self) -> Iterator[str]:
        """Yield the texts of the payload, as far as they are looked through."""
        left = _MOST_TEXT
        for text in _texts(self.event.payload, 0):
            yield text[:left]
            left -= len(text)
            if left <= 0:
                return


def decode_event(raw: bytes, default_type: str = "") -> Received:
    """Decode an event of at most `MAX_EVENT_BYTES`.

    Raises
    ------
    InvalidEvent
        With the dotted path of the first fault in `field`.
    """
    if len(raw) > MAX_EVENT_BYTES:
        raise InvalidEvent(
            f"{len(raw):,} bytes, at most {MAX_EVENT_BYTES:,} are taken",
            remedy="send a reference to large payloads",
        )
    try:
        document = _ANY.decode(raw)
        event = msgspec.convert(document, PlatformEvent)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").removeprefix(".")
        raise InvalidEvent(what, field=field, remedy="docs/serving.md lists the members of an event") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(f"not JSON: {error}", remedy="send one JSON object an event") from None
    return Received(event, event.type or default_type, document, raw)


def _number(value: object, where: str, *, share: bool) -> float:
    if isinstance(value, list):
        return float(len(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidEvent(f"expected a number, got {type(value).__name__}", field=where, remedy="send a number")
    if value < 0 or (share and value > 1):
        limits = "a share from 0 to 1" if share else "0 or more"
        raise InvalidEvent(f"{value:g} is not {limits}", field=where, remedy=f"send {limits}")
    return float(value)


def _texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        if "%" in value:
            yield unquote(value)
    elif depth < _DEEPEST and isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner, depth + 1)
    elif depth < _DEEPEST and isinstance(value, list):
        for inner in value:
            yield from _texts(inner, depth + 1)
