"""The reader's loop over streams in memory: nothing is lost, nothing blocks, nothing is committed before it is done."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_hive_ml.clock import FixedClock
from neural_hive_ml.errors import InvalidTicket, StoreUnavailable
from neural_hive_ml.streams.dead_letters import listed
from neural_hive_ml.streams.in_hand import InHand
from neural_hive_ml.streams.memory import MemoryBroker, MemoryConsumer
from neural_hive_ml.streams.port import Message, Outgoing
from neural_hive_ml.streams.worker import Pace, StreamWorker

PACE = Pace(batch=4, idle_seconds=0.01, first_wait_seconds=0.001, longest_wait_seconds=0.002)
STREAM = "s"


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """The library's default prints all variables of each frame of each error: most of this module's time."""
    with structlog.testing.capture_logs():
        yield


@dataclass
class Doing:
    """Does what each message's text says; `faults` gives the errors of its first attempts."""

    faults: dict[str, list[Exception]] = field(default_factory=dict)
    settle_faults: list[Exception] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    durable: list[str] = field(default_factory=list)
    settled: list[list[str]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    after: Callable[[str], None] = lambda _: None

    async def handle(self, message: Message) -> None:
        text = message.value.decode()
        self.seen[text] += 1
        if self.faults.get(text):
            raise self.faults[text].pop(0)
        self.pending.append(text)
        self.after(text)

    async def joined(self) -> None:
        self.pending = []

    async def settle(self, *, last: bool) -> bool:
        if self.settle_faults:
            raise self.settle_faults.pop(0)
        if self.pending:
            self.settled.append(self.pending)
        self.durable += self.pending
        self.pending = []
        return True


def worker(broker: MemoryBroker, doing: Doing, **changes: object) -> StreamWorker:
    return StreamWorker(broker, STREAM, "g", "w", doing, FixedClock(5), PACE, **changes)  # type: ignore[arg-type]


async def drained(
    broker: MemoryBroker,
    texts: Sequence[str],
    doing: Doing,
    until: Callable[[], Awaitable[bool]],
    **changes: object,
) -> StreamWorker:
    await broker.publish(STREAM, [Outgoing("k", text.encode()) for text in texts])
    reader = worker(broker, doing, **changes)
    task = asyncio.create_task(reader.run())
    async with asyncio.timeout(10):
        while not await until():
            await asyncio.sleep(0.002)
        reader.stop()
        await task
    return reader


async def left(broker: MemoryBroker) -> int:
    consumer = await broker.consumer(STREAM, "g", "look")
    return await consumer.lag() or 0


def test_all_are_done_in_order_and_committed_after_they_are_durable() -> None:
    async def scenario() -> None:
        broker, doing = MemoryBroker(), Doing()
        texts = [str(i) for i in range(11)]

        async def all_committed() -> bool:
            if await left(broker) < len(texts):
                assert len(doing.durable) >= len(texts) - await left(broker)
            return await left(broker) == 0

        await drained(broker, texts, doing, all_committed)
        assert doing.durable == texts
        assert set(doing.seen.values()) == {1}

    asyncio.run(scenario())


def test_the_hopeless_go_aside_at_once_and_bugs_after_some_attempts() -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        doing = Doing(
            {
                "bad": [InvalidTicket("no ticket", remedy="mend it")],
                "bug": [ValueError("oops")] * 9,
                "flaky": [RuntimeError("once")],
            }
        )

        async def none_left() -> bool:
            return await left(broker) == 0

        await drained(broker, ["1", "bad", "bug", "flaky", "2"], doing, none_left)
        assert doing.durable == ["1", "flaky", "2"]
        assert doing.seen == Counter({"1": 1, "bad": 1, "bug": 3, "flaky": 2, "2": 1})
        letters = await listed(broker, STREAM, 10)
        assert [(x.message.value, x.reason, x.attempts, x.at_ms) for x in letters] == [
            (b"bad", "no ticket (next: mend it)", 1, 5),
            (b"bug", "ValueError: oops", 3, 5),
        ]

    asyncio.run(scenario())


def test_a_store_that_does_not_answer_is_waited_for() -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        gone: list[Exception] = [StoreUnavailable("down")] * 20
        doing = Doing({"1": list(gone)}, settle_faults=list(gone))

        async def none_left() -> bool:
            return await left(broker) == 0

        await drained(broker, ["1", "2"], doing, none_left)
        assert doing.durable == ["1", "2"]
        assert doing.seen["1"] == 21
        assert list(await listed(broker, STREAM, 10)) == []

    asyncio.run(scenario())


def test_a_message_that_ended_several_readers_is_not_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "in-hand"
    path.with_suffix(".suspects").write_text(json.dumps({"0": PACE.deaths, "1": PACE.deaths - 1}))

    async def scenario() -> None:
        broker, doing = MemoryBroker(), Doing()

        async def none_left() -> bool:
            return await left(broker) == 0

        await drained(broker, ["killer", "suspect", "fine"], doing, none_left, in_hand=InHand(path))
        assert doing.durable == ["suspect", "fine"]
        [letter] = await listed(broker, STREAM, 10)
        assert letter.message.value == b"killer"
        assert letter.reason == "its reader ended with it in hand 5 times"

    asyncio.run(scenario())
    assert json.loads(path.with_suffix(".suspects").read_text()) == {}, "both are done with"


def test_a_suspect_is_settled_alone(tmp_path: Path) -> None:
    path = tmp_path / "in-hand"
    path.with_suffix(".suspects").write_text(json.dumps({"2": 1}))

    async def scenario() -> None:
        broker, doing = MemoryBroker(), Doing()
        texts = ["0", "1", "2", "3"]

        async def none_left() -> bool:
            return await left(broker) == 0

        await drained(broker, texts, doing, none_left, in_hand=InHand(path))
        assert doing.settled == [["0", "1"], ["2"], ["3"]]

    asyncio.run(scenario())


def test_others_in_the_group_are_told_of() -> None:
    async def scenario() -> None:
        broker, met = MemoryBroker(), []
        pace = replace(PACE, look_seconds=0.0)
        reader = worker(broker, Doing(), meet=lambda: met.append(1))
        reader.pace = pace
        task = asyncio.create_task(reader.run())
        async with asyncio.timeout(10):
            await asyncio.sleep(0.1)
            assert not met
            other = await broker.consumer(STREAM, "g", "other")
            while not met:
                await asyncio.sleep(0.002)
            await other.close()
            reader.stop()
            await task

    asyncio.run(scenario())


def test_a_stop_in_mid_batch_commits_what_is_done_and_gives_back_the_rest() -> None:
    async def scenario() -> None:
        broker, doing = MemoryBroker(), Doing({"2": [StoreUnavailable("down")] * 1_000})
        await broker.publish(STREAM, [Outgoing("k", text) for text in (b"0", b"1", b"2", b"3")])
        reader = worker(broker, doing)
        task = asyncio.create_task(reader.run())
        async with asyncio.timeout(10):
            while not doing.seen["2"]:
                await asyncio.sleep(0.002)
            reader.stop()
            await task
        assert doing.durable == ["0", "1"]
        assert [m.value for m in await broker.browse(STREAM, "g", 10)] == [b"2", b"3"]

    asyncio.run(scenario())


def test_a_reader_whose_messages_were_taken_over_opens_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        from neural_hive_ml.errors import Conflict

        broker, doing = MemoryBroker(), Doing()
        whole, refused = MemoryConsumer.commit, []

        async def commit(self: MemoryConsumer, messages: Sequence[Message]) -> None:
            if not refused:
                refused.append(messages)
                raise Conflict("rebalanced")
            await whole(self, messages)

        monkeypatch.setattr(MemoryConsumer, "commit", commit)

        async def none_left() -> bool:
            return await left(broker) == 0

        await drained(broker, ["1", "2"], doing, none_left)
        # Done twice, committed once: the handler takes care that the second time changes nothing.
        assert doing.durable == ["1", "2", "1", "2"]

    asyncio.run(scenario())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["fine", "hopeless", "bug", "flaky", "store"]), max_size=25),
    st.lists(st.booleans(), max_size=10),
)
def test_whatever_fails_every_message_ends_done_or_aside(kinds: list[str], settling: list[bool]) -> None:
    faults: dict[str, Callable[[], list[Exception]]] = {
        "fine": list,
        "hopeless": lambda: [InvalidTicket("no")],
        "bug": lambda: [KeyError("x")] * 5,
        "flaky": lambda: [KeyError("x")] * 2,
        "store": lambda: [StoreUnavailable("down")] * 4,
    }
    texts = [f"{i}-{kind}" for i, kind in enumerate(kinds)]

    async def scenario() -> None:
        broker = MemoryBroker()
        doing = Doing(
            {text: faults[kind]() for text, kind in zip(texts, kinds, strict=True)},
            [StoreUnavailable("down") for works in settling if not works],
        )
        outcomes: list[str] = []
        await broker.publish(STREAM, [Outgoing("k", text.encode()) for text in texts])
        lags: list[int | None] = []
        reader = worker(broker, doing, observe=outcomes.append, show_lag=lags.append)
        task = asyncio.create_task(reader.run())
        async with asyncio.timeout(20):
            while await left(broker) or len(outcomes) < len(texts):
                await asyncio.sleep(0.001)
            reader.stop()
            await task
        aside = [letter.message.value.decode() for letter in await listed(broker, STREAM, 100)]
        assert doing.durable == [t for t in texts if t.split("-")[1] in {"fine", "flaky", "store"}]
        assert aside == [t for t in texts if t.split("-")[1] in {"hopeless", "bug"}]
        assert outcomes.count("done") == len(doing.durable)
        assert outcomes.count("dead") == len(aside)

    asyncio.run(scenario())
