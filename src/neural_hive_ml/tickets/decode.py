"""A document becomes a ticket, or an error that says what is wrong, where, and what to do."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from neural_hive_ml.errors import InvalidTicket
from neural_hive_ml.tickets import ticket as schema
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.legacy import modernise
from neural_hive_ml.tickets.limits import MAX_DOCUMENT_BYTES
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.tickets.validate import fault_of

_DECODER = msgspec.json.Decoder(Ticket)
_ANY = msgspec.json.Decoder()
_BOM = b"\xef\xbb\xbf"
_SHOWN_CHARACTERS = 60
_ONE_OBJECT = "send one JSON object a ticket"
_SCHEMA_PAGE = "docs/tickets.md lists the fields"
_ALLOWED: Final[dict[str, tuple[str, ...]]] = {
    "task_type": schema.TASK_TYPES,
    "status": schema.STATUSES,
    "priority": schema.PRIORITIES,
    "risk_band": schema.RISK_BANDS,
    "qos.delivery_mode": schema.DELIVERY_MODES,
    "qos.consistency": schema.CONSISTENCIES,
    "qos.durability": schema.DURABILITIES,
    "security_level": schema.SECURITY_LEVELS,
}


def decode_ticket(document: bytes | str | Mapping[str, Any]) -> Ticket:
    """Decode and validate one execution ticket, JSON text or mapping.

    A document of the present schema takes one pass of a few microseconds; only one that does not fit is tried
    again through `tickets.legacy`. Fields that the schema does not know are ignored.

    Raises
    ------
    InvalidTicket
        With the dotted path of the first fault in `field`.

    Examples
    --------
    >>> decode_ticket(b'{"ticket_id": 1}')
    Traceback (most recent call last):
    ...
    neural_hive_ml.errors.InvalidTicket: ticket_id: Expected `str`, got `int`: 1 (next: docs/tickets.md ...
    """
    ticket = _decode(document)
    fault = fault_of(ticket)
    if fault is not None:
        raise InvalidTicket(f"{fault.field}: {fault.what}", field=fault.field, remedy=fault.remedy)
    return ticket


def _decode(document: bytes | str | Mapping[str, Any]) -> Ticket:
    if isinstance(document, bytes | str):
        if len(document) > MAX_DOCUMENT_BYTES:
            raise InvalidTicket(
                f"document: {len(document):,} bytes, at most {MAX_DOCUMENT_BYTES:,} are taken",
                remedy="keep large parameters elsewhere and pass a reference",
            )
        try:
            return _DECODER.decode(document)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            mapping = _parsed(document)
    else:
        mapping = document
    if not isinstance(mapping, Mapping):
        raise InvalidTicket(f"document: expected an object, got {_shown(mapping)}", remedy=_ONE_OBJECT)
    try:
        ticket = _present(mapping) or msgspec.convert(modernise(mapping), Ticket)
        # Python text may hold halves of characters, which no store can write, or be of a kind of its own (BSON's code).
        encode_ticket(ticket)
    except UnicodeEncodeError as error:
        raise InvalidTicket(f"document: not Unicode: {error.reason}", remedy=_ONE_OBJECT) from error
    except TypeError as error:
        raise InvalidTicket(f"document: no value of JSON: {error}", remedy=_ONE_OBJECT) from error
    except (msgspec.ValidationError, RecursionError) as error:
        raise _explained(str(error), mapping) from error
    return ticket


def _present(mapping: Mapping[str, Any]) -> Ticket | None:
    """Return the ticket of a mapping that is of the present schema already, as most are; 4 us instead of 20."""
    try:
        return msgspec.convert(mapping, Ticket)
    except msgspec.ValidationError:
        return None


def _parsed(document: bytes | str) -> object:
    """Parse text that is not a ticket of the present schema; a byte order mark is forgiven."""
    text = document.removeprefix(_BOM) if isinstance(document, bytes) else document
    try:
        return _ANY.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidTicket(f"document: not JSON: {error}", remedy=_ONE_OBJECT) from error


def _explained(message: str, document: Mapping[str, Any]) -> InvalidTicket:
    """Turn msgspec's message into field, fault and what to do."""
    what, _, path = message.partition(" - at `")
    inside = path.rstrip("`").removeprefix("key` in `").removeprefix("$").removeprefix(".")
    missing = re.search(r"missing required field `(\w+)`", what)
    if missing:
        field = f"{inside}.{missing[1]}".removeprefix(".")
        return InvalidTicket(f"{field}: is missing", field=field, remedy=_SCHEMA_PAGE)
    if not inside:
        return InvalidTicket(f"document: {what}", remedy=_SCHEMA_PAGE)
    remedy = f"one of {', '.join(_ALLOWED[inside])}" if inside in _ALLOWED else _SCHEMA_PAGE
    value: Any = document
    for name in inside.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    shown = f": {_shown(value)}" if value is not None and "Invalid enum" not in what else ""
    return InvalidTicket(f"{inside}: {what}{shown}"[:400], field=inside, remedy=remedy)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
