"""How tickets are asked for in MongoDB: fields, order, windows of created_at, and where a read goes on.

MongoDB compares within a type: created_at is a number, as the schema has it, or a date, as some write it. A bound of
one type finds that type only, by the index.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from math import isnan
from typing import Any, Final, Literal

from neural_hive_ml.state.mongo_client import Json
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.tickets.ticket import Ticket

Kind = Literal["number", "date"]
KINDS: Final[tuple[Kind, ...]] = ("number", "date")
ORDER: Final = (("created_at", 1), ("ticket_id", 1))
_LEGACY_FIELDS: Final = ("type", "capabilities", "timestamp", "risk_weight", "sla_timeout_ms")
PROJECTION: Final = dict.fromkeys((*(f.name for f in fields(Ticket)), *_LEGACY_FIELDS), 1)
# What no window finds; asked for one by one, because an `$or` of them is a scan for some servers.
TIMELESS: Final[tuple[Json, ...]] = (
    {"created_at": None},
    {"created_at": {"$gte": ""}},
    {"created_at": float("nan")},
)


def is_timeless(value: object) -> bool:
    """Whether a created_at is one that `TIMELESS` finds."""
    return value is None or isinstance(value, str) or (isinstance(value, float) and isnan(value))


def is_of(value: object, kind: Kind) -> bool:
    """Whether a created_at is of a type."""
    from bson.datetime_ms import DatetimeMS
    from bson.decimal128 import Decimal128

    if kind == "date":
        return isinstance(value, datetime | DatetimeMS)
    return isinstance(value, int | float | Decimal128) and not isinstance(value, bool) and not is_timeless(value)


def any_of(kind: Kind) -> Json:
    """Return the filter of all documents whose created_at is of one type."""
    from bson.datetime_ms import DatetimeMS

    return {"created_at": {"$gte": float("-inf") if kind == "number" else DatetimeMS(-(2**63))}}


def created(window: TicketWindow, kind: Kind) -> Json:
    """Return the filter of a window for created_at of one type."""
    bounds: Json = {}
    for operator, at_ms in (("$gte", window.since_ms), ("$lt", window.until_ms)):
        if at_ms is not None:
            bounds[operator] = at_ms if kind == "number" else datetime.fromtimestamp(at_ms / 1000, UTC)
    return {"created_at": bounds} if bounds else any_of(kind)


def beyond(document: Mapping[str, Any], window: TicketWindow, kind: Kind) -> Json:
    """Return the filter of what comes behind a document in the order of a read."""
    at, ticket_id = document["created_at"], document.get("ticket_id", "")
    behind = [{"created_at": {"$gt": at}}, {"created_at": at, "ticket_id": {"$gt": ticket_id}}]
    return {"$and": [created(window, kind), {"$or": behind}]}
