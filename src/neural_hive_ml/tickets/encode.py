"""A ticket as a JSON document of the schema."""

import msgspec

from neural_hive_ml.tickets.ticket import Ticket

_ENCODER = msgspec.json.Encoder()


def encode_ticket(ticket: Ticket) -> bytes:
    """Return the JSON document, all fields, in the schema's names; the same ticket gives the same bytes."""
    return _ENCODER.encode(ticket)
