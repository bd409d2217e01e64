"""Columns decoded straight from BSON are those of the definition (`decode_ticket`), or the document is handed back."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import bson
import msgspec
import numpy as np
import pytest
from bson import DatetimeMS, Decimal128, Int64, ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.tickets import START_MS, flights, ticket, tickets

from neural_hive_ml.errors import InvalidTicket
from neural_hive_ml.tickets.bson_columns import Shared, columns_of_bson, woven
from neural_hive_ml.tickets.columns import columns_of, concat, digest_of, regrouped
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.mongo_raw import documents, readable
from neural_hive_ml.tickets.ticket import Ticket

# As every read of tickets asks it to: a date beyond Python's, in a field of others, costs no ticket.
DRIVER: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
FIELDS = list(msgspec.to_builtins(ticket()))
INSIDE = [("sla", n) for n in ("deadline", "timeout_ms", "max_retries", "other")]
INSIDE += [("qos", n) for n in ("delivery_mode", "consistency", "durability", "priority")]
INSIDE += [("parameters", n) for n in ("a", "$ref", "")] + [("metadata", n) for n in ("owner", "synthetic")]
OLD = ["type", "capabilities", "timestamp", "risk_weight", "sla_timeout_ms", "predictions", "_id"]
MOMENT = datetime.fromtimestamp((START_MS + 2_345) / 1000, UTC)
VALUES = st.sampled_from(
    [
        *[None, True, False, 0, 3, -1, 3.0, 2.5, float("nan"), 2**40, -(2**40), 2**31 - 1, 10**6 + 1],
        *[START_MS, Int64(START_MS + 9), float(START_MS), START_MS // 1000, START_MS * 1000, 7_258_118_400_001],
        *[
            MOMENT,
            DatetimeMS(2**60),
            "2023-11-14T22:13:20Z",
            "3",
            "",
            "x" * 256,
            "x" * 257,
            "ç" * 200,
            "a\0b",
            "t-1",
        ],
        *[
            "COMPLETED",
            "completed",
            "RUNNING",
            "REJECTED",
            "low",
            "LOW",
            "STRONG",
            "DURABLE",
            "EXECUTING",
            "ANALYZE",
        ],
        *[[], ["t-1"], ["a", 3], ["x" * 300], ["y"] * 1_001, {}, {"a": "b"}, {"a": 1}, {"$ref": "a", "$id": "b"}],
        *[{"deadline": START_MS, "timeout_ms": 5}, {"deadline": MOMENT, "timeout_ms": Int64(5)}, '{"a": "b"}'],
        *[b"bytes", ObjectId("0" * 24), Decimal128("3"), bson.Regex("a"), bson.Timestamp(3, 1)],
    ]
)
EDITS = st.lists(st.tuples(st.sampled_from([*FIELDS, *OLD, *INSIDE]), st.just("gone") | VALUES), max_size=3)


def defined(raw: bytes) -> Ticket | None:
    """What the driver and the definition make of a document."""
    try:
        return decode_ticket(bson.decode(raw, DRIVER))
    except (InvalidTicket, bson.errors.InvalidBSON):
        return None


def assert_lawful(raw: bytes, expected: Ticket | None) -> bool:
    columns, odd = columns_of_bson(raw, Shared())
    assert len(columns) + len(odd) == 1
    if odd:
        assert (odd[0].place, odd[0].document) == (0, raw)
        return False
    assert expected is not None
    own = columns_of([expected])
    assert digest_of(columns) == digest_of(own)
    assert all(getattr(columns, n).dtype == getattr(own, n).dtype for n in own.__slots__)
    return True


@settings(max_examples=80, deadline=None)
@given(tickets(), st.randoms(use_true_random=False))
def test_every_valid_ticket_is_taken_in_any_order_of_fields(drawn: Ticket, order: Any) -> None:
    document = list(msgspec.to_builtins(drawn).items())
    order.shuffle(document)
    raw = bson.encode({"_id": ObjectId(), **dict(document), "predictions": {"x": [1.0, None]}})
    dollars = any(key.startswith("$") for key in (*drawn.parameters, *drawn.metadata))
    assert assert_lawful(raw, drawn) is not dollars
    assert defined(raw) == drawn


@settings(max_examples=800, deadline=None)
@given(EDITS, st.booleans())
def test_an_odd_document_is_the_same_or_handed_back(edits: list[tuple[Any, Any]], short: bool) -> None:
    document: dict[str, Any] = msgspec.to_builtins(ticket())
    if short:
        for name in ("qos", "description", "dependencies", "security_level", "retry_count", "error_message"):
            del document[name]
    for place, value in edits:
        holder, name = (document, place) if isinstance(place, str) else (document.get(place[0]), place[1])
        if not isinstance(holder, dict):
            continue
        if value == "gone":
            holder.pop(name, None)
        else:
            holder[name] = deepcopy(value)
    raw = bson.encode(document)
    assert_lawful(raw, defined(raw))


@settings(max_examples=300, deadline=None)
@given(tickets(), st.integers(0, 2**16), st.integers(0, 255))
def test_a_broken_byte_is_the_same_or_handed_back(drawn: Ticket, where: int, byte: int) -> None:
    raw = bytearray(bson.encode(msgspec.to_builtins(drawn)))
    raw[4 + where % (len(raw) - 4)] = byte
    document, intact = readable(bytes(raw))
    try:
        expected = decode_ticket(document) if intact else None
    except InvalidTicket:
        expected = None
    assert_lawful(bytes(raw), expected)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=12))
def test_no_bytes_break_it(noise: bytes, changes: list[tuple[int, int]]) -> None:
    batch = bytearray(b"".join(bson.encode(msgspec.to_builtins(t)) for t in flights(3)) + noise)
    for where, byte in changes:
        batch[where % len(batch)] = byte
    for some in (bytes(batch), noise, bytes(batch[: len(batch) // 2])):
        try:
            columns, odd = columns_of_bson(some, Shared())
        except ValueError:
            continue
        assert len(columns) + len(odd) == len(list(documents(some)))


@given(st.binary(max_size=24))
def test_text_is_what_python_takes_for_text(tail: bytes) -> None:
    marked = bson.encode(msgspec.to_builtins(ticket(description="@" * 24)))
    raw = marked.replace(b"@" * 24, tail.ljust(24, b"."))
    try:
        tail.decode()
        expected = defined(raw)
        assert expected is not None
    except UnicodeDecodeError:
        expected = None
    assert assert_lawful(raw, expected) is (expected is not None)


def test_a_batch_keeps_order_and_shares_what_repeats() -> None:
    held = flights(50)
    raws = [bson.encode(msgspec.to_builtins(t)) for t in held]
    whole = [bson.encode({**msgspec.to_builtins(held[i]), "retry_count": 0.0}) for i in (0, 20, 21, 49)]
    for place, raw in zip((0, 20, 21, 49), whole, strict=True):
        raws[place] = raw
    shared = Shared()
    columns, odd = columns_of_bson(b"".join(raws), shared)
    assert [(o.place, o.document) for o in odd] == list(zip((0, 19, 19, 46), whole, strict=True))
    others = columns_of([t for o in odd if (t := defined(o.document)) is not None])
    joined = woven(columns, others, [o.place for o in odd])
    expected = columns_of([t for raw in raws if (t := defined(raw)) is not None])
    assert digest_of(joined) == digest_of(expected)
    again, _ = columns_of_bson(b"".join(raws), shared)
    assert all(a is b for a, b in zip(columns.task_id, again.task_id, strict=True))
    assert joined.created_at_ms.flags.writeable
    assert columns.created_at_ms.flags.writeable
    blocks = list(regrouped(iter([joined, columns_of([]), joined]), 30))
    assert [len(b) for b in blocks] == [30, 30, 30, 10]
    assert digest_of(concat(blocks)) == digest_of(concat([joined, joined]))


@pytest.mark.parametrize("batch", [b"\5", b"\4\0\0\0\0", b"\xff\xff\xff\xff\0", b"\6\0\0\0\0"])
def test_a_batch_that_does_not_end_is_an_error(batch: bytes) -> None:
    with pytest.raises(ValueError, match="does not end within its batch"):
        columns_of_bson(batch, Shared())


def test_no_documents_are_no_rows() -> None:
    columns, odd = columns_of_bson(b"", Shared())
    assert (len(columns), odd) == (0, [])
    assert columns.status.dtype == np.int8


def test_what_is_no_text_is_told_from_what_is_not_ours() -> None:
    document = bson.decode(bson.encode({**msgspec.to_builtins(ticket()), "description": "Ação \ufffd"}))
    spoiled = [bson.encode({**document, name: "@@"}).replace(b"@@", b"\xff\xc0") for name in ("plan_id", "notes")]
    assert readable(bson.encode(document)) == (document, True)
    assert readable(spoiled[0])[1] is False
    assert readable(spoiled[0])[0]["plan_id"] == "\ufffd\ufffd"
    # A field of others may hold what it likes: here only our own replacement sign makes it doubtful.
    plain = {**document, "description": ""}
    assert readable(bson.encode({**plain, "notes": "@@"}).replace(b"@@", b"\xff\xc0")) == (plain, True)
    assert readable(b"\x06\0\0\0\x10\0") == ({"bson": "060000001000"}, False)
