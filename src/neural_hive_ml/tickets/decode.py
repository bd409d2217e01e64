"""A document becomes a ticket, or an error that says what is wrong, where, and what to do."""

from collections.abc import Mapping
from typing import Any

import msgspec

from neural_hive_ml.errors import InvalidTicket
from neural_hive_ml.tickets.legacy import modernise
from neural_hive_ml.tickets.limits import MAX_DOCUMENT_BYTES
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.tickets.validate import fault_of

_DECODER = msgspec.json.Decoder(Ticket)
_ANY = msgspec.json.Decoder()


def decode_ticket(document: bytes | str | Mapping[str, Any]) -> Ticket:
    """Decode and validate one execution ticket, JSON text or mapping.

    A document of the present schema takes one pass of about 5 microseconds; only when it does not fit are legacy
    spellings tried (`tickets.legacy`).

    Raises
    ------
    InvalidTicket
        With the dotted path of the first fault in `field`.

    Examples
    --------
    >>> decode_ticket(b'{"ticket_id": 1}')
    Traceback (most recent call last):
    ...
    neural_hive_ml.errors.InvalidTicket: ticket_id: Expected `str`, got `int` ...
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
                field="", remedy="move large parameters to a store and pass a reference",
            )
        try:
            return _DECODER.decode(document)
        except msgspec.ValidationError:
            mapping = _ANY.decode(document)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidTicket(f"document: not JSON: {error}", remedy="send one JSON object a ticket") from error
    else:
        mapping = document
    if not isinstance(mapping, Mapping):
        raise InvalidTicket(
            f"document: expected an object, got {type(mapping).__name__}", remedy="send one JSON object a ticket"
        )
    try:
        return msgspec.convert(modernise(mapping), Ticket)
    except (msgspec.ValidationError, TypeError) as error:
        what, field = _explain(str(error))
        raise InvalidTicket(
            f"{field or 'document'}: {what}", field=field, remedy="see docs/tickets.md for the schema"
        ) from error


def _explain(message: str) -> tuple[str, str]:
    """Split msgspec's message into what is wrong and the dotted path of the field."""
    what, _, path = message.partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    if not field and "required field `" in what:
        field = what.split("`")[1]
        what = "is missing"
    return what[:300], field
