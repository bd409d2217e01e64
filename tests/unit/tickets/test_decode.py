"""Documents become tickets, or errors that name the field, show the value and say what to do."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from bson.code import Code
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tickets import START_MS, ticket, tickets

from neural_hive_ml.errors import InvalidTicket
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.encode import encode_ticket


def document(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(ticket())
    return plain | changes


@given(tickets())
def test_every_ticket_survives_its_document(drawn: Any) -> None:
    encoded = encode_ticket(drawn)
    assert decode_ticket(encoded) == drawn
    assert decode_ticket(json.loads(encoded)) == drawn
    assert encode_ticket(decode_ticket(encoded)) == encoded


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_noise_is_refused_and_nothing_else_escapes(noise: bytes | str) -> None:
    with pytest.raises(InvalidTicket):
        decode_ticket(noise)


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"status": "DONE"}, "status", "PENDING, RUNNING"),
        ({"task_type": "ANALYSIS"}, "task_type", "BUILD, DEPLOY"),
        ({"qos": {"consistency": "AT_LEAST_ONCE"}}, "qos.consistency", "EVENTUAL, STRONG"),
        ({"retry_count": "3"}, "retry_count", "'3'"),
        ({"retry_count": -1}, "retry_count", "outside 0.."),
        ({"retry_count": 10**30}, "retry_count", "outside 0.."),
        ({"retry_count": 1.5}, "retry_count", "1.5"),
        ({"actual_duration_ms": -1}, "actual_duration_ms", "outside 0.."),
        ({"sla": {"deadline": START_MS}}, "sla.timeout_ms", "missing"),
        ({"sla": 5}, "sla", "5"),
        ({"created_at": START_MS // 1000}, "created_at", "seconds"),
        ({"created_at": START_MS * 1000}, "created_at", "microseconds"),
        ({"created_at": "yesterday"}, "created_at", "yesterday"),
        ({"completed_at": START_MS - 1, "started_at": None}, "completed_at", "before created_at"),
        ({"completed_at": START_MS + 999}, "completed_at", "before started_at"),
        ({"started_at": START_MS - 1}, "started_at", "before created_at"),
        ({"completed_at": None}, "completed_at", "missing although status is COMPLETED"),
        ({"dependencies": ["t-1"]}, "dependencies", "itself"),
        ({"dependencies": ["x"] * 1001}, "dependencies", "at most 1,000"),
        ({"ticket_id": ""}, "ticket_id", "empty"),
        ({"trace_id": "x" * 257}, "trace_id", "at most 256"),
        ({"description": "x" * 70_000}, "description", "at most 65,536"),
        ({"parameters": {str(i): "" for i in range(1001)}}, "parameters", "at most 1,000"),
        ({"parameters": {"a": "x" * 2**20}}, "parameters", "at most 1,048,576"),
        ({"parameters": {"a\0": "x"}}, "parameters", "null character"),
    ],
)
def test_faults_are_named(changes: dict[str, Any], field: str, says: str) -> None:
    for form in (document(**changes), json.dumps(document(**changes))):
        with pytest.raises(InvalidTicket) as caught:
            decode_ticket(form)
        assert caught.value.field == field
        assert says in str(caught.value)
        assert caught.value.remedy
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["ticket_id", "task_type", "priority", "risk_band", "sla", "created_at"])
def test_missing_fields_are_named(name: str) -> None:
    plain = document()
    del plain[name]
    with pytest.raises(InvalidTicket, match=f"{name}: is missing") as caught:
        decode_ticket(plain)
    assert caught.value.field == name


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[]", b"{bad", b'{"a":' * 100_000, b"\xff\xfe", b'{"retry_count": 1e999}', "\ud800"]
)
def test_what_is_no_object_is_refused(text: bytes | str) -> None:
    with pytest.raises(InvalidTicket, match="document"):
        decode_ticket(text)


def test_half_characters_are_refused() -> None:
    with pytest.raises(InvalidTicket, match="not Unicode"):
        decode_ticket(document(task_id="\ud800"))


def test_five_megabytes_are_refused_at_once() -> None:
    with pytest.raises(InvalidTicket, match="at most 2,097,152"):
        decode_ticket(json.dumps(document(parameters={"a": "x" * 5_000_000})))


def test_legacy_documents_are_read() -> None:
    legacy = {
        "_id": 17,
        "type": "execute",
        "status": "completed",
        "risk_weight": 60,
        "capabilities": ["testing"],
        "qos": {"priority": "MEDIUM", "delivery_mode": "exactly_once", "durability": "DURABLE"},
        "parameters": {"n": 3, "on": True, "list": [1], "none": None},
        "timestamp": "2023-11-14T22:13:20",
        "completed_at": datetime(2023, 11, 14, 22, 14, 20, tzinfo=UTC),
        "estimated_duration_ms": 60_000.0,
        "sla_timeout_ms": 300_000,
        "task_id": None,
        "predictions": {"anything": "else"},
    }
    read = decode_ticket(legacy)
    assert (read.ticket_id, read.task_type, read.status) == ("17", "EXECUTE", "COMPLETED")
    assert (read.priority, read.risk_band) == ("NORMAL", "high")
    assert (read.qos.delivery_mode, read.qos.durability) == ("EXACTLY_ONCE", "PERSISTENT")
    assert read.parameters == {"n": "3", "on": "true", "list": "[1]", "none": ""}
    assert (read.created_at, read.completed_at) == (START_MS, START_MS + 60_000)
    assert (read.sla.timeout_ms, read.sla.deadline) == (300_000, START_MS + 14_400_000)
    assert decode_ticket(encode_ticket(read)) == read


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({"priority": 1}, "priority", "LOW"),
        ({"priority": 5}, "priority", "NORMAL"),
        ({"priority": 8}, "priority", "HIGH"),
        ({"priority": 10}, "priority", "CRITICAL"),
        ({"status": "EXECUTING", "completed_at": None}, "status", "RUNNING"),
        ({"status": None, "completed_at": None}, "status", "PENDING"),
        ({"status": "error"}, "status", "FAILED"),
        ({"task_type": "generate"}, "task_type", "EXECUTE"),
        ({"risk_band": "HIGH"}, "risk_band", "high"),
        ({"retry_count": 2.0}, "retry_count", 2),
        ({"parameters": '{"a": "b"}'}, "parameters", {"a": "b"}),
        ({"metadata": None}, "metadata", {}),
        ({"ticket_id": "kept", "_id": "other"}, "ticket_id", "kept"),
    ],
)
def test_other_spellings(changes: dict[str, Any], name: str, expected: object) -> None:
    assert getattr(decode_ticket(document(**changes)), name) == expected


@pytest.mark.parametrize("priority", [0, 11, True, 2.5])
def test_priorities_that_mean_nothing_are_refused(priority: object) -> None:
    with pytest.raises(InvalidTicket) as caught:
        decode_ticket(document(priority=priority))
    assert caught.value.field == "priority"


def test_a_byte_order_mark_is_forgiven() -> None:
    assert decode_ticket(b"\xef\xbb\xbf" + encode_ticket(ticket())) == ticket()


def test_text_of_a_kind_that_json_does_not_have_is_refused() -> None:
    code = Code("function () {}")  # a str to Python, JavaScript to MongoDB
    with pytest.raises(InvalidTicket, match="document: no value of JSON"):
        decode_ticket(document(description=code))
