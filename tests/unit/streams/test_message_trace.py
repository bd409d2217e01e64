"""Log lines about a message have its trace: the producer's header, else the ids of its document; nothing else of it."""

import asyncio
import json
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from tests.support.log_lines import Lines, logged_lines

from neural_hive_ml.clock import SystemClock
from neural_hive_ml.errors import InvalidTicket
from neural_hive_ml.streams.memory import MemoryBroker
from neural_hive_ml.streams.message_trace import fields_of
from neural_hive_ml.streams.port import Message, Outgoing
from neural_hive_ml.streams.worker import Pace, StreamWorker

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def lines() -> Iterator[Lines]:
    with logged_lines() as read:
        yield read


class Failing:
    """Finds one message wrong, breaks at another, and does the rest, saying so."""

    async def handle(self, message: Message) -> None:
        if message.key == "wrong":
            raise InvalidTicket("ticket_id: is missing", field="ticket_id", remedy="send it")
        if message.key == "breaks":
            raise ZeroDivisionError
        structlog.get_logger("serving").info("serving.done", key=message.key)
        await asyncio.to_thread(structlog.get_logger("serving").info, "serving.done_in_a_thread", key=message.key)

    async def joined(self) -> None:
        pass

    async def settle(self, *, last: bool) -> bool:
        return True


def test_lines_about_a_message_have_its_trace_and_others_have_none(lines: Lines) -> None:
    sent = [
        Outgoing("wrong", b'{"trace_id": "trace-1", "span_id": "span-1", "parameters": {"card": "4111"}}'),
        Outgoing("breaks", b'{"trace_id": "trace-2"}'),
        Outgoing("fine", b'{"trace_id": "not this one"}', {"traceparent": PARENT}),
        Outgoing("wrong", b"no JSON"),
    ]

    async def work() -> None:
        broker = MemoryBroker()
        await broker.publish("s", sent)
        done: list[str] = []
        pace = Pace(idle_seconds=0.05, attempts=2, first_wait_seconds=0.01)
        worker = StreamWorker(broker, "s", "g", "r", Failing(), SystemClock(), pace, observe=done.append)
        task = asyncio.create_task(worker.run())
        while len(done) < len(sent):
            await asyncio.sleep(0.01)
        structlog.get_logger("serving").info("serving.something_else")
        worker.stop()
        await task

    asyncio.run(work())
    told = [(line["event"], line.get("trace_id"), line.get("span_id")) for line in lines()]
    assert told == [
        ("streams.dead_letter", "trace-1", "span-1"),
        ("streams.handler_failed", "trace-2", None),
        ("streams.dead_letter", "trace-2", None),
        ("serving.done", PARENT[3:35], PARENT[36:52]),
        ("serving.done_in_a_thread", PARENT[3:35], PARENT[36:52]),
        ("streams.dead_letter", None, None),
        ("serving.something_else", None, None),
    ]
    assert "4111" not in json.dumps(lines())


@given(
    st.binary(max_size=200)
    | st.from_regex(r'\{"trace_id": ?("[^"\\]{0,80}"|\[\[|3|null), "span_id": "x y"\}').map(str.encode)
)
def test_whatever_a_message_holds_its_fields_are_ids_or_nothing(value: bytes) -> None:
    fields = fields_of(Message("1", "k", value, {"traceparent": "nonsense"}))
    assert set(fields) <= {"trace_id", "span_id"}
    assert all(
        text.isascii() and text.replace("-", "").replace("_", "").isalnum()
        for text in fields.values()
        if text.strip("-_")
    )
    assert all(len(text) <= 64 for text in fields.values())
