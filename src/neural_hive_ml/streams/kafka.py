"""Kafka by aiokafka: a group's offsets are committed by us, after the work is done, never by the driver on its own."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from neural_hive_ml.errors import Conflict, StoreUnavailable, UsageError
from neural_hive_ml.streams.port import Message, Outgoing

T = TypeVar("T")
# A silent topic and a dead broker look the same to the driver: ask the broker this often.
PROBE_SECONDS: Final = 2.0
_JOIN_GRACE_MS: Final = 5_000
_CLOSED: Final = "the connection is closed"


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """How brokers are reached: `security_protocol` PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""

    bootstrap_servers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "SCRAM-SHA-256"
    username: str = ""
    password: str = ""
    ca_file: str = ""

    def options(self) -> dict[str, Any]:
        """Return the driver's options."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            from aiokafka.helpers import create_ssl_context

            options["ssl_context"] = create_ssl_context(cafile=self.ca_file or None)
        if self.security_protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options


class KafkaBroker:
    """See `streams.port.Broker`."""

    def __init__(self, access: KafkaAccess, timeout_seconds: float = 5.0, session_seconds: float = 10.0) -> None:
        try:
            import aiokafka  # noqa: F401 - known at once, not at the first message
        except ImportError:
            raise UsageError(
                "KAFKA_BOOTSTRAP_SERVERS is set, but aiokafka is not installed",
                remedy="pip install 'neural-hive-ml[kafka]'",
            ) from None
        self._options = access.options()
        self.name = f"kafka://{access.bootstrap_servers}"
        self.timeout_seconds = timeout_seconds
        self._session_ms = round(session_seconds * 1000)
        self._producer: Any = None
        self._starting = asyncio.Lock()
        self._closed = False

    def describe(self) -> str:
        return f"streams in {self.name}"

    async def publish(self, stream: str, messages: Sequence[Outgoing]) -> None:
        if not messages:
            return
        async with self.answering():
            producer = await self._started_producer()
            try:
                sent = [
                    await producer.send(
                        stream,
                        m.value,
                        key=m.key.encode() or None,
                        headers=[(name, text.encode()) for name, text in m.headers.items()],
                    )
                    for m in messages
                ]
                # The driver goes on trying in the background: what is given up here may still arrive, once.
                await self.in_time(asyncio.gather(*sent))
            except BaseException:
                self._producer = None
                with suppress(Exception):
                    await asyncio.wait_for(producer.stop(), self.timeout_seconds)
                raise

    async def _started_producer(self) -> Any:
        from aiokafka import AIOKafkaProducer

        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._options,
                    acks="all",
                    enable_idempotence=True,
                    request_timeout_ms=round(self.timeout_seconds * 1000),
                    client_id="neural-hive-ml",
                )
                await self._start(producer, seconds=2 * self.timeout_seconds)
                self._producer = producer
            return self._producer

    async def _start(self, part: Any, seconds: float) -> None:
        """Start a producer or consumer; one that does not start in time leaves nothing behind."""
        try:
            async with asyncio.timeout(seconds):
                await part.start()
        except BaseException:
            with suppress(Exception):
                await asyncio.wait_for(part.stop(), self.timeout_seconds)
            raise

    async def consumer(self, stream: str, group: str, name: str) -> "KafkaConsumer":
        async with self.answering():
            # Joining may rightly take long; whether anybody is there must be known soon.
            await self._started_producer()
            return KafkaConsumer(self, stream, await self._joined(group, name, stream))

    async def _joined(self, group: str, name: str, *topics: str) -> Any:
        from aiokafka import AIOKafkaConsumer

        driver = AIOKafkaConsumer(
            *topics,
            **self._options,
            group_id=group,
            client_id=name,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=self._session_ms // 4,
            # Waiting for a store may take long; then others do our messages again, which changes nothing.
            max_poll_interval_ms=600_000,
            # A join is answered once the group's dead members are given up: giving up ourselves before that would
            # make us another dead member, for ever.
            request_timeout_ms=self._session_ms + _JOIN_GRACE_MS,
        )
        await self._start(driver, seconds=(self._session_ms + 2 * _JOIN_GRACE_MS) / 1000)
        return driver

    async def browse(self, stream: str, group: str, limit: int) -> Sequence[Message]:
        from aiokafka import TopicPartition

        async with self.answering():
            await self._started_producer()
            # Without subscribing: the group's readers keep their partitions.
            driver = await self._joined(group, "browse")
            try:
                found: list[Message] = []
                topics = await self.in_time(driver.topics())
                partitions = driver.partitions_for_topic(stream) if stream in topics else None
                places = [TopicPartition(stream, number) for number in sorted(partitions or ())]
                if not places:
                    return []
                driver.assign(places)
                ends = await self.in_time(driver.end_offsets(places))
                for place in places:
                    begin = await self.in_time(driver.committed(place))
                    if begin is None:
                        begin = (await self.in_time(driver.beginning_offsets([place])))[place]
                    driver.seek(place, begin)
                    ends[place] -= begin
                while len(found) < limit and any(left > 0 for left in ends.values()):
                    got = await driver.getmany(timeout_ms=round(self.timeout_seconds * 1000), max_records=limit)
                    if not got:
                        break
                    for place, records in got.items():
                        ends[place] -= len(records)
                        found += [_message(record) for record in records]
                return found[:limit]
            finally:
                with suppress(Exception):
                    await asyncio.wait_for(driver.stop(), self.timeout_seconds)

    async def trim(self, stream: str, before_ms: int, *, unread: bool = False) -> int | None:
        """Return None: the topic's ``retention.ms`` does it."""
        return None

    async def erase(self, stream: str, wanted: Callable[[Message], bool]) -> int | None:
        """Return None: Kafka deletes whole segments only, after the topic's ``retention.ms``."""
        return None

    async def close(self) -> None:
        self._closed = True
        if self._producer is not None:
            with suppress(Exception):
                await asyncio.wait_for(self._producer.stop(), self.timeout_seconds)

    async def in_time(self, step: Awaitable[T]) -> T:
        """Await a step of the driver for at most the time-out."""
        async with asyncio.timeout(self.timeout_seconds):
            return await step

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Turn the driver's errors into `StoreUnavailable`, naming the brokers."""
        from aiokafka.errors import KafkaError

        if self._closed:
            raise StoreUnavailable(f"{self.name}: {_CLOSED}", remedy="open it again")
        try:
            yield
        except (KafkaError, OSError) as error:
            what = (
                f"no answer within {self.timeout_seconds:g} s" if isinstance(error, TimeoutError) else f"{error}"
            )
            raise StoreUnavailable(
                f"{self.name}: {what or type(error).__name__}",
                remedy="check that Kafka runs, the topic exists, and KAFKA_BOOTSTRAP_SERVERS is right",
            ) from error


class KafkaConsumer:
    """See `streams.port.Consumer`."""

    def __init__(self, broker: KafkaBroker, stream: str, driver: Any) -> None:
        self._broker = broker
        self._stream = stream
        self._driver = driver
        self._probed_at = time.monotonic()
        self._closed = False

    async def receive(self, limit: int, wait_seconds: float) -> Sequence[Message]:
        async with self._answering():
            got = await self._driver.getmany(timeout_ms=round(wait_seconds * 1000), max_records=limit)
            if not got and time.monotonic() - self._probed_at > PROBE_SECONDS:
                await self._broker.in_time(self._driver.end_offsets(self._driver.assignment()))
                self._probed_at = time.monotonic()
        return [_message(record) for records in got.values() for record in records]

    async def commit(self, messages: Sequence[Message]) -> None:
        from aiokafka import TopicPartition
        from aiokafka.errors import CommitFailedError, IllegalStateError

        behind: defaultdict[Any, int] = defaultdict(int)
        for message in messages:
            partition, offset = message.id.split(":")
            place = TopicPartition(self._stream, int(partition))
            behind[place] = max(behind[place], int(offset) + 1)
        if not behind:
            return
        async with self._answering():
            try:
                await self._broker.in_time(self._driver.commit(dict(behind)))
            except (CommitFailedError, IllegalStateError) as error:
                raise Conflict(
                    f"{self._stream}: partitions were given to another reader: {error}", remedy="leave it to it"
                ) from error

    async def lag(self) -> int | None:
        async with self._answering():
            places = list(self._driver.assignment())
            ends = await self._broker.in_time(self._driver.end_offsets(places))
            begins = await self._broker.in_time(self._driver.beginning_offsets(places))
            total = 0
            for place in places:
                done = await self._broker.in_time(self._driver.committed(place))
                total += ends[place] - (begins[place] if done is None else done)
            return total

    async def others(self) -> bool:
        async with self._answering():
            # What we do not have of the topic, others have.
            return len(self._driver.assignment()) < len(self._driver.partitions_for_topic(self._stream) or ())

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with suppress(Exception):
            await asyncio.wait_for(self._driver.stop(), self._broker.timeout_seconds)

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        if self._closed:
            raise StoreUnavailable(f"{self._broker.describe()}: this reader is closed", remedy="open another")
        async with self._broker.answering():
            yield


def _message(record: Any) -> Message:
    headers = {name: (text or b"").decode(errors="replace") for name, text in record.headers}
    key = (record.key or b"").decode(errors="replace")
    return Message(f"{record.partition}:{record.offset}", key, record.value or b"", headers)
