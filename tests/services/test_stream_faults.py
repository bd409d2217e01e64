"""Readers killed, brokers paused and killed: every event is done at least once, none is lost, waits end."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from uuid import uuid4

import pytest
from tests.support.kafka_server import running_kafka_process
from tests.support.ports import black_hole, closed_port, free_port
from tests.support.redis_server import running_redis_process
from tests.support.stream_reader import broker_of

from neural_hive_ml.clock import SystemClock
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.streams.dead_letters import listed
from neural_hive_ml.streams.kafka import KafkaAccess, KafkaBroker
from neural_hive_ml.streams.port import Broker, Message, Outgoing
from neural_hive_ml.streams.redis import RedisBroker
from neural_hive_ml.streams.worker import Pace, StreamWorker

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("streams")]
ROOT = Path(__file__).parents[2]
EVENTS = 3_000
KILLS = 20


@contextmanager
def reader(kind: str, address: str, stream: str, file: Path) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "tests.support.stream_reader", kind, address, stream, str(file)]
    with (file.parent / "reader.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)


def count_done(file: Path) -> int:
    with closing(sqlite3.connect(f"{file}.db", timeout=30)) as db:
        try:
            return int(db.execute("SELECT count(*) FROM done").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


Serving = Callable[[], AbstractContextManager[str]]


def killed_often(kind: str, serving: Serving, folder: Path) -> tuple[int, int]:
    """Kill a reader 20 times in mid-stream; return how many events were handled and how many are done."""
    file, chance = folder / "handled", random.Random(5)
    stream = f"test.{uuid4().hex[:10]}"

    async def publish(address: str) -> None:
        broker = broker_of(kind, address)
        for start in range(0, EVENTS, 500):
            await broker.publish(
                stream, [Outgoing(f"k-{i % 9}", str(i).encode()) for i in range(start, start + 500)]
            )
        await broker.close()

    with serving() as address:
        asyncio.run(publish(address))
    for _ in range(KILLS):
        before = file.stat().st_size if file.exists() else 0
        with serving() as address, reader(kind, address, stream, file) as process:
            give_up = time.monotonic() + 60
            # In mid-stream: it has begun to handle, and is killed at some moment soon after.
            while (file.stat().st_size if file.exists() else 0) == before and count_done(file) < EVENTS:
                assert process.poll() is None, (folder / "reader.log").read_text()
                assert time.monotonic() < give_up
                time.sleep(0.01)
            time.sleep(chance.random() * 0.08)
            os.kill(process.pid, signal.SIGKILL)
    with serving() as address, reader(kind, address, stream, file):
        give_up = time.monotonic() + 60
        while count_done(file) < EVENTS:
            assert time.monotonic() < give_up, f"{count_done(file)} of {EVENTS}"
            time.sleep(0.1)
    # A line that was being written when the reader was killed is whole: one write each.
    return len(file.read_bytes().splitlines()), count_done(file)


@contextmanager
def kafka_serving(folder: Path, port: int) -> Iterator[str]:
    """Yield a Kafka. The stand-in never gives up dead members of a group, so it is started anew for each reader."""
    given = os.environ.get("KAFKA_TEST_BOOTSTRAP")
    if given:
        yield given
        return
    with running_kafka_process(folder, port) as kafka:
        yield kafka.bootstrap


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["redis", "kafka"])
def test_a_reader_killed_twenty_times_loses_nothing(kind: str, tmp_path: Path) -> None:
    if kind == "redis":
        with running_redis_process(tmp_path / "server") as redis:
            handled, done = killed_often("redis", lambda: nullcontext(redis.url), tmp_path)
    else:
        port = free_port()
        handled, done = killed_often("kafka", lambda: kafka_serving(tmp_path / "server", port), tmp_path)
    print(f"{kind}: {KILLS} kills, {EVENTS} events, {handled} handled, {handled - EVENTS} duplicates absorbed")  # noqa: T201
    assert done == EVENTS
    assert handled >= EVENTS


def lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


async def begun(kind: str, address: str, stream: str, texts: list[str]) -> None:
    broker = broker_of(kind, address)
    await broker.publish(stream, [Outgoing("k", text.encode()) for text in texts])
    await broker.close()


async def given_up(kind: str, address: str, stream: str) -> list[tuple[str, str, int]]:
    broker = broker_of(kind, address)
    letters = await listed(broker, stream, 100)
    await broker.close()
    return [(letter.message.value.decode(), letter.reason, letter.attempts) for letter in letters]


@pytest.mark.parametrize("kind", ["redis", pytest.param("kafka", marks=pytest.mark.slow)])
def test_a_message_that_kills_its_reader_is_given_up_and_nothing_beside_it(kind: str, tmp_path: Path) -> None:
    file, stream = tmp_path / "handled", f"test.{uuid4().hex[:10]}"
    # The stand-in for Kafka is started anew for each reader: the cheaper poison is enough there.
    poison = ["kill", "kill-settling"] if kind == "redis" else ["kill"]
    texts = [str(i) for i in range(30)]
    for place, text in enumerate(poison):
        texts.insert(10 * (place + 1), text)
    port, deaths = free_port(), 0

    def serving() -> AbstractContextManager[str]:
        return nullcontext(shared) if kind == "redis" else kafka_serving(tmp_path / "server", port)

    with ExitStack() as stack:
        if kind == "redis":
            shared = stack.enter_context(running_redis_process(tmp_path / "server")).url
        with serving() as address:
            asyncio.run(begun(kind, address, stream, texts))
        done = False
        while not done:
            with serving() as address, reader(kind, address, stream, file) as process:
                give_up = time.monotonic() + 60
                while not done and process.poll() is None:
                    assert time.monotonic() < give_up, lines(file)
                    time.sleep(0.05)
                    done = count_done(file) == 30
                deaths += not done
        with serving() as address:
            letters = asyncio.run(given_up(kind, address, stream))
    assert [(text, attempts) for text, _, attempts in letters] == [(text, 5) for text in poison]
    assert all("its reader ended with it in hand 5 times" in reason for _, reason, _ in letters)
    assert deaths == 5 * len(poison), "a death is never anybody else's"
    for text in poison:
        assert lines(file).count(text) == 5


def test_waiting_orderly_stops_and_kills_while_waiting_are_no_messages_fault(tmp_path: Path) -> None:
    file, stream = tmp_path / "handled", f"test.{uuid4().hex[:10]}"
    texts = ["0", "wait", "1"]
    with running_redis_process(tmp_path / "server") as redis:
        asyncio.run(begun("redis", redis.url, stream, texts))
        for number in [signal.SIGTERM, signal.SIGKILL] * 4:
            tries = lines(file).count("wait")
            with reader("redis", redis.url, stream, file) as process:
                give_up = time.monotonic() + 30
                while lines(file).count("wait") < tries + 2:
                    assert time.monotonic() < give_up
                    time.sleep(0.02)
                process.send_signal(number)
                assert process.wait(15) == (0 if number == signal.SIGTERM else -number)
        assert asyncio.run(given_up("redis", redis.url, stream)) == []

        async def left() -> list[str]:
            broker = RedisBroker(redis.url)
            found = await broker.browse(stream, "g", 10)
            await broker.close()
            return [message.value.decode() for message in found]

        assert asyncio.run(left()) == ["wait", "1"]


class Collecting:
    """Handles by keeping in memory."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def handle(self, message: Message) -> None:
        self.seen.append(int(message.value))

    async def joined(self) -> None:
        """Nothing to begin."""

    async def settle(self, *, last: bool) -> bool:
        return True


async def interrupted(
    broker: Broker, publishing: Broker, interrupt: Callable[[], None], mend: Callable[[], None], down: float
) -> tuple[Collecting, list[str], float]:
    """Read through an interruption; return what was seen, what was said meanwhile, and the time to recover."""
    collecting, errors = Collecting(), []
    await publishing.publish("s", [Outgoing("k", str(i).encode()) for i in range(100)])
    worker = StreamWorker(
        broker,
        "s",
        "g",
        "w",
        collecting,
        SystemClock(),
        Pace(batch=10, idle_seconds=0.2, longest_wait_seconds=0.5),
    )
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(90):
        while len(set(collecting.seen)) < 100:
            await asyncio.sleep(0.02)
        interrupt()
        began = time.monotonic()
        while time.monotonic() - began < down:
            try:
                await broker.publish("elsewhere", [Outgoing("k", b"x")])
            except StoreUnavailable as error:
                errors.append(str(error))
            await asyncio.sleep(0.05)
        mend()
        mended = time.monotonic()
        pending = [Outgoing("k", str(i).encode()) for i in range(100, 200)]
        while pending:
            try:
                await publishing.publish("s", pending)
                pending = []
            except StoreUnavailable:
                await asyncio.sleep(0.1)
        while len(set(collecting.seen)) < 200:
            await asyncio.sleep(0.02)
        recovered = time.monotonic() - mended
        worker.stop()
        await task
        await broker.close()
        await publishing.close()
    return collecting, errors, recovered


@pytest.mark.parametrize("kind", ["redis", "kafka"])
def test_a_paused_broker_is_waited_for(kind: str, tmp_path: Path) -> None:
    def of(address: str, timeout: float) -> Broker:
        if kind == "redis":
            return RedisBroker(address, timeout, 0.5)
        return KafkaBroker(KafkaAccess(address), timeout, 10.0)

    running = running_redis_process if kind == "redis" else running_kafka_process
    with running(tmp_path) as server:
        address = server.url if kind == "redis" else server.bootstrap  # type: ignore[attr-defined] # by kind
        collecting, errors, recovered = asyncio.run(
            interrupted(
                of(address, 1.0),
                of(address, 30.0),
                lambda: os.killpg(server.process.pid, signal.SIGSTOP),
                lambda: os.killpg(server.process.pid, signal.SIGCONT),
                down=3.0,
            )
        )
    assert set(collecting.seen) == set(range(200))
    assert errors
    assert all(
        address.rpartition("//")[2].partition("/")[0] in error and "next: check that" in error for error in errors
    )
    assert recovered < 15


def test_a_redis_that_died_and_came_back_has_all_it_acknowledged(tmp_path: Path) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with running_redis_process(tmp_path / "data", port) as first:
        manager = running_redis_process(tmp_path / "data", port)

        def kill() -> None:
            os.killpg(first.process.pid, signal.SIGKILL)
            first.process.wait(5)

        try:
            collecting, errors, recovered = asyncio.run(
                interrupted(
                    RedisBroker(url, 1.0, 0.5), RedisBroker(url, 30.0), kill, lambda: _enter(manager), down=1.0
                )
            )
        finally:
            manager.__exit__(None, None, None)
    assert set(collecting.seen) == set(range(200))
    assert errors
    assert recovered < 5


def _enter(manager: object) -> None:
    manager.__enter__()  # type: ignore[attr-defined] # a context that outlives this call


@pytest.mark.parametrize("kind", ["redis", "kafka"])
@pytest.mark.parametrize("hole", ["black hole", "closed"])
def test_nobody_there_is_known_within_the_time_out(kind: str, hole: str) -> None:
    async def scenario(address: str) -> float:
        broker: Broker
        broker = (
            RedisBroker(f"redis://{address}/0", 0.5) if kind == "redis" else KafkaBroker(KafkaAccess(address), 0.5)
        )
        began = time.monotonic()
        for attempt in (
            broker.publish("s", [Outgoing("k", b"v")]),
            broker.consumer("s", "g", "n"),
            broker.browse("s", "g", 1),
        ):
            with pytest.raises(StoreUnavailable, match="next: check that"):
                await attempt
        await broker.close()
        return time.monotonic() - began

    with black_hole() as silent:
        address = (silent if hole == "black hole" else closed_port()).removeprefix("http://")
        assert asyncio.run(scenario(address)) < 3 * 4 * 0.5
