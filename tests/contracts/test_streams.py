"""What every stream does, run over each broker."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest

from neural_hive_ml.errors import Conflict, StoreUnavailable
from neural_hive_ml.streams.dead_letters import bury, listed, replay
from neural_hive_ml.streams.kafka import KafkaAccess, KafkaBroker
from neural_hive_ml.streams.memory import MemoryBroker
from neural_hive_ml.streams.port import Broker, Consumer, Message, Outgoing
from neural_hive_ml.streams.redis import RedisBroker

ADAPTERS = (
    "memory",
    pytest.param("redis", marks=[pytest.mark.services, pytest.mark.xdist_group("redis")]),
    pytest.param("kafka", marks=[pytest.mark.services, pytest.mark.xdist_group("kafka")]),
)
TAKE_OVER_SECONDS = 0.4


@dataclass
class World:
    kind: str
    open: Callable[[], Broker]
    stream: str


Scenario = Callable[[World, Broker], Awaitable[None]]


@pytest.fixture(params=ADAPTERS)
def world(request: pytest.FixtureRequest) -> World:
    stream = f"test.{uuid4().hex[:10]}"
    match request.param:
        case "memory":
            broker = MemoryBroker()
            return World("memory", lambda: broker, stream)
        case "redis":
            url = request.getfixturevalue("redis_url")
            return World("redis", lambda: RedisBroker(url, 5.0, TAKE_OVER_SECONDS), stream)
        case _:
            access = KafkaAccess(request.getfixturevalue("kafka_bootstrap"))
            return World("kafka", lambda: KafkaBroker(access, 5.0, 6.0), stream)


def run(world: World, scenario: Scenario) -> None:
    async def whole() -> None:
        broker = world.open()
        try:
            async with asyncio.timeout(60):
                await scenario(world, broker)
        finally:
            await broker.close()

    asyncio.run(whole())


def out(*texts: str, key: str = "k") -> list[Outgoing]:
    return [Outgoing(key, text.encode()) for text in texts]


async def take(consumer: Consumer, count: int, limit: int = 100) -> list[Message]:
    """Receive until a count is reached; fails when it is not in a while."""
    got: list[Message] = []
    give_up = time.monotonic() + 20
    while len(got) < count:
        assert time.monotonic() < give_up, f"{len(got)} of {count} messages"
        got += await consumer.receive(limit, 0.5)
    return got


def texts(messages: list[Message]) -> list[str]:
    return [m.value.decode() for m in messages]


@asynccontextmanager
async def reading(world: World, broker: Broker, group: str = "g", name: str = "a") -> AsyncIterator[Consumer]:
    consumer = await broker.consumer(world.stream, group, name)
    try:
        yield consumer
    finally:
        await consumer.close()


def test_messages_come_in_order_with_all_they_carry(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        odd = Outgoing("chave ✓", bytes(range(256)), {"a": "1", "ção": "✓ \n"})
        await broker.publish(world.stream, [*out("1", "2", "3"), odd, Outgoing("", b"")])
        async with reading(world, broker) as consumer:
            got = await take(consumer, 5)
            by_key = {key: [m for m in got if m.key == key] for key in ("k", "chave ✓", "")}
            assert texts(by_key["k"]) == ["1", "2", "3"]
            [carried] = by_key["chave ✓"]
            assert (carried.value, dict(carried.headers)) == (odd.value, odd.headers)
            [empty] = by_key[""]
            assert (empty.value, dict(empty.headers)) == (b"", {})
            assert len({m.id for m in got}) == 5
            await consumer.commit(got)

    run(world, scenario)


def test_silence_ends_after_the_wait(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        await broker.publish(world.stream, out("1"))
        async with reading(world, broker) as consumer:
            await consumer.commit(await take(consumer, 1))
            began = time.monotonic()
            assert list(await consumer.receive(10, 0.3)) == []
            assert 0.2 < time.monotonic() - began < 3
            await consumer.commit([])

    run(world, scenario)


def test_what_was_not_committed_comes_again(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        await broker.publish(world.stream, out("1", "2", "3", "4"))
        async with reading(world, broker, name="first") as consumer:
            got = await take(consumer, 4)
            await consumer.commit(got[:2])
        await asyncio.sleep(TAKE_OVER_SECONDS * 1.5)
        async with reading(world, broker, name="second") as consumer:
            again = await take(consumer, 2)
            assert texts(again) == ["3", "4"]
            await consumer.commit(again)
        async with reading(world, broker, name="third") as consumer:
            await broker.publish(world.stream, out("5"))
            assert texts(await take(consumer, 1)) == ["5"]

    run(world, scenario)


def test_each_group_gets_all_and_begins_with_the_oldest(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        await broker.publish(world.stream, out("1", "2"))
        for group in ("x", "y"):
            async with reading(world, broker, group) as consumer:
                got = await take(consumer, 2)
                assert texts(got) == ["1", "2"]
                await consumer.commit(got)

    run(world, scenario)


def test_readers_of_a_group_see_each_other(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        await broker.publish(world.stream, out("1"))
        async with reading(world, broker, name="one") as one:
            await one.commit(await take(one, 1))
            assert not await one.others()
            async with reading(world, broker, "elsewhere", name="other group") as other:
                await take(other, 1)
                assert not await one.others()
            async with reading(world, broker, name="two") as two:
                await two.receive(1, 0.3)
                await one.receive(1, 0.3)
                # One partition is one reader's, whoever it is.
                assert await one.others() or await two.others()

    run(world, scenario)


def test_a_limit_is_kept_and_a_backlog_is_read_whole(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        wanted = [str(i) for i in range(2_500)]
        await broker.publish(world.stream, out(*wanted))
        async with reading(world, broker) as consumer:
            seen: list[str] = []
            while len(seen) < len(wanted):
                batch = await consumer.receive(300, 1.0)
                assert len(batch) <= 300
                seen += [m.value.decode() for m in batch]
                await consumer.commit(batch)
            assert seen == wanted
            assert await consumer.lag() == 0

    run(world, scenario)


def test_lag_counts_what_is_not_committed(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        await broker.publish(world.stream, out("1", "2", "3"))
        async with reading(world, broker) as consumer:
            got = await take(consumer, 3)
            assert await consumer.lag() == 3
            await consumer.commit(got[:1])
            assert await consumer.lag() == 2
            await consumer.commit(got[1:])
            assert await consumer.lag() == 0

    run(world, scenario)


def test_two_readers_of_a_group_share_and_none_is_lost(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        keys = [f"key-{i % 7}" for i in range(400)]
        await broker.publish(world.stream, [Outgoing(key, str(i).encode()) for i, key in enumerate(keys)])
        seen: list[int] = []

        async def read(name: str) -> None:
            async with reading(world, broker, name=name) as consumer:
                give_up = time.monotonic() + 25
                while len(set(seen)) < 400 and time.monotonic() < give_up:
                    got = await consumer.receive(20, 0.3)
                    seen.extend(int(m.value) for m in got)
                    try:
                        await consumer.commit(got)
                    except Conflict:
                        continue

        await asyncio.gather(read("one"), read("two"))
        assert set(seen) == set(range(400))

    run(world, scenario)


def test_browsing_takes_nothing(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        assert list(await broker.browse(world.stream, "g", 10)) == []
        await broker.publish(world.stream, out("1", "2", "3"))
        assert texts(list(await broker.browse(world.stream, "g", 2))) == ["1", "2"]
        async with reading(world, broker) as consumer:
            got = await take(consumer, 3)
            await consumer.commit(got[:1])
        assert texts(list(await broker.browse(world.stream, "g", 10))) == ["2", "3"]

    run(world, scenario)


def test_dead_letters_are_listed_and_replayed_once(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        await broker.publish(world.stream, [Outgoing("k", b"bad", {"trace": "t"}), *out("good")])
        async with reading(world, broker) as consumer:
            bad, good = await take(consumer, 2)
            await bury(broker, world.stream, bad, reason="no ticket: ✗", attempts=3, at_ms=99)
            await consumer.commit([bad, good])
            [letter] = await listed(broker, world.stream, 10)
            assert (letter.message.value, letter.message.key) == (b"bad", "k")
            assert (letter.reason, letter.attempts, letter.at_ms, letter.replays) == ("no ticket: ✗", 3, 99, 0)
            assert letter.source == f"{world.stream}/{bad.id}"
            assert await replay(broker, world.stream) == 1
            assert await replay(broker, world.stream) == 0
            assert list(await listed(broker, world.stream, 10)) == []
            [back] = await take(consumer, 1)
            assert (back.value, back.headers["trace"]) == (b"bad", "t")
            await bury(broker, world.stream, back, reason="still", attempts=1, at_ms=100)
            await consumer.commit([back])
        [letter] = await listed(broker, world.stream, 10)
        assert (letter.reason, letter.replays) == ("still", 1)

    run(world, scenario)


def test_what_is_closed_says_so_and_closes_twice(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        await broker.publish(world.stream, out("1"))
        consumer = await broker.consumer(world.stream, "g", "a")
        await consumer.close()
        await consumer.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await consumer.receive(1, 0.1)
        await broker.close()
        await broker.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await broker.publish(world.stream, out("2"))

    run(world, scenario)


def test_describe_says_where(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        assert broker.describe().startswith("streams in ")

    run(world, scenario)


def test_messages_can_be_erased_wherever_they_are(world: World) -> None:
    async def scenario(world: World, broker: Broker) -> None:
        await broker.publish(world.stream, out("ana 1", "rui 2", "ana 3", "rui 4"))
        reader = await broker.consumer(world.stream, "g", "r")
        await take(reader, 4)
        gone = await broker.erase(world.stream, lambda message: b"ana" in message.value)
        if world.kind == "kafka":
            assert gone is None, "Kafka cannot, and says so"
        else:
            assert gone == 2
            assert await broker.erase(world.stream, lambda message: b"ana" in message.value) == 0
            other = await broker.consumer(world.stream, "other", "r")
            assert [m.value for m in await take(other, 2) if m.value] == [b"rui 2", b"rui 4"]
            await other.close()
        await reader.close()

    run(world, scenario)


@pytest.mark.services
@pytest.mark.xdist_group("redis")
def test_only_what_every_group_has_done_is_trimmed(redis_url: str) -> None:
    world = World("redis", lambda: RedisBroker(redis_url, 5.0, TAKE_OVER_SECONDS), f"test.{uuid4().hex[:10]}")

    async def scenario(world: World, broker: Broker) -> None:
        await broker.publish(world.stream, out("1", "2"))
        await asyncio.sleep(0.005)
        await broker.publish(world.stream, out("3"))
        later = time.time_ns() // 1_000_000 + 60_000
        assert await broker.trim(world.stream, later) == 0, "nobody has read it yet"
        quick = await broker.consumer(world.stream, "quick", "r")
        slow = await broker.consumer(world.stream, "slow", "r")
        await quick.commit(await take(quick, 3))
        assert await broker.trim(world.stream, later) == 0, "the slow group has done nothing yet"
        held = await take(slow, 3)
        await slow.commit(held[:2])
        assert await broker.trim(world.stream, later) == 2
        assert [m.value for m in await broker.browse(world.stream, "slow", 10)] == [b"3"]
        await quick.close()
        await slow.close()
        assert await broker.trim(world.stream, 1, unread=True) == 0
        assert await broker.trim(world.stream, later, unread=True) == 1, "by its time alone"

    run(world, scenario)
