"""The loop of a reader: receive, do, make durable, commit; whatever fails, no message is lost and none blocks the rest.

A store that does not answer is waited for: the batch stays with us and the stream is the buffer. A message that is
wrong in itself goes to the dead letters at once, one that makes the handler fail after some attempts, one that ended
its readers several times (`in_hand`) before it is even tried again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Protocol, TypeVar

import structlog

from neural_hive_ml.clock import Clock
from neural_hive_ml.errors import Conflict, HiveError, StoreUnavailable
from neural_hive_ml.observability.tracing import line_fields
from neural_hive_ml.streams.dead_letters import bury
from neural_hive_ml.streams.in_hand import InHand
from neural_hive_ml.streams.message_trace import fields_of
from neural_hive_ml.streams.port import Broker, Consumer, Message

Outcome = Literal["done", "dead"]
T = TypeVar("T")
_log = structlog.get_logger("streams")


class Handler(Protocol):
    """What is done with messages; doing a message twice must change nothing."""

    async def handle(self, message: Message) -> None:
        """Do one message.

        Raises
        ------
        InvalidTicket, UsageError, ...
            Any `HiveError` but `StoreUnavailable`: the message is hopeless and goes to the dead letters with the reason.
        StoreUnavailable
            A store is needed and does not answer: the message waits until it does.
        """
        ...

    async def joined(self) -> None:
        """Begin: the reader joined its group, perhaps again; what it did not commit comes again, perhaps elsewhere."""
        ...

    async def settle(self, *, last: bool) -> bool:
        """Make durable what the handled messages caused; True when all of them may be committed.

        False keeps them uncommitted for now: it is asked again after the next batch and in silence. `last` is the last
        chance before the reader leaves.

        Raises
        ------
        Conflict
            When another took this reader's place: it joins again.
        StoreUnavailable
            When a store does not answer: it is asked again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at once, how patient: waits double from `first_wait_seconds` to `longest_wait_seconds`."""

    batch: int = 200
    idle_seconds: float = 1.0
    attempts: int = 3
    deaths: int = 5
    first_wait_seconds: float = 0.1
    longest_wait_seconds: float = 5.0
    look_seconds: float = 60.0


@dataclass(slots=True)
class StreamWorker:
    """Reads one stream in one group. `run` ends when `stop` is called, after the message in hand."""

    broker: Broker
    stream: str
    group: str
    name: str
    handler: Handler
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    in_hand: InHand = field(default_factory=InHand)
    observe: Callable[[Outcome], None] = lambda _: None
    show_lag: Callable[[int | None], None] = lambda _: None
    # Told again and again while others read in the group too; None: nobody minds, nobody looks.
    meet: Callable[[], None] | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _open: list[Message] = field(default_factory=list)
    _suspect: str | None = None
    _look_at: float = 0.0

    def stop(self) -> None:
        """Finish the message in hand, commit what is done, leave the group."""
        self._stopping.set()

    async def run(self) -> None:
        """Read until stopped; connections that are lost are made again."""
        self.in_hand.begin()
        try:
            await self._run()
        finally:
            self.in_hand.end()
            # Whoever reads on says how far it is.
            self.show_lag(None)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            consumer = await self._until_it_works(
                lambda: self.broker.consumer(self.stream, self.group, self.name), "join"
            )
            if consumer is None:
                return
            self._open = []
            await self._until_it_works(self._joined, "begin")
            try:
                await self._read(consumer)
            except Conflict as error:
                _log.info("streams.taken_over", stream=self.stream, reason=str(error))
                await self._pause(self.pace.first_wait_seconds)
            finally:
                await consumer.close()

    async def _read(self, consumer: Consumer) -> None:
        """Work batch by batch until stopped. Raises `Conflict` when the messages are another reader's by now."""
        wait = self.pace.first_wait_seconds
        while not self._stopping.is_set():
            try:
                messages = await consumer.receive(self.pace.batch, self.pace.idle_seconds)
                if not messages and not self._open:
                    self.show_lag(await consumer.lag())
            except StoreUnavailable as error:
                _log.warning("streams.unavailable", stream=self.stream, reason=str(error), waits_s=wait)
                await self._pause(wait)
                wait = min(2 * wait, self.pace.longest_wait_seconds)
                continue
            wait = self.pace.first_wait_seconds
            for message in messages:
                if not await self._take(consumer, message):
                    break
            await self._commit(consumer)
            await self._look_around(consumer)
        await self._commit(consumer)

    async def _look_around(self, consumer: Consumer) -> None:
        if self.meet is None or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + self.pace.look_seconds
        with suppress(StoreUnavailable):
            if await consumer.others():
                self.meet()

    async def _take(self, consumer: Consumer, message: Message) -> bool:
        """Do a message, a suspect apart from all others; False when stopped before it was done."""
        if not self.in_hand.deaths(message.id):
            return await self._done(message)
        # What was done before it is settled first: it is to be settled alone too.
        await self._commit(consumer)
        self._suspect = message.id
        try:
            if not await self._done(message):
                return False
            await self._commit(consumer)
        finally:
            self._suspect = None
        self.in_hand.acquit(message.id)
        return True

    async def _done(self, message: Message) -> bool:
        about = line_fields.set(partial(fields_of, message))
        try:
            outcome = await self._do(message)
        finally:
            line_fields.reset(about)
        if outcome is not None:
            self.observe(outcome)
            self._open.append(message)
        return outcome is not None

    async def _commit(self, consumer: Consumer) -> None:
        """Make durable what was done since the last commit, and commit it, as far as the handler allows."""
        if not self._open:
            return
        # A stop must not cost what was done: both steps are tried once more after it.
        if not await self._until_it_works(self._settled, "settle", final=True):
            return
        done = self._open
        if await self._until_it_works(lambda: _true(consumer.commit(done)), "commit", final=True):
            self._open = []
            self.show_lag(await self._lag_or_none(consumer))

    async def _joined(self) -> bool:
        await self.handler.joined()
        return True

    async def _settled(self) -> bool:
        # A handler that publishes now and then leaves many open: what is new is what was added since the last time.
        newest = self._open[-self.pace.batch :]
        ids = [message.id for message in newest] if self._suspect is None else [self._suspect]
        last = self._stopping.is_set()
        return await self.in_hand.during(
            ids, lambda: self.handler.settle(last=last), alone=self._suspect is not None
        )

    async def _lag_or_none(self, consumer: Consumer) -> int | None:
        try:
            return await consumer.lag()
        except StoreUnavailable:
            return None

    async def _do(self, message: Message) -> Outcome | None:
        """Do one message; None when stopped before it was done."""
        deaths = self.in_hand.deaths(message.id)
        if deaths >= self.pace.deaths:
            return await self._bury(message, f"its reader ended with it in hand {deaths} times", deaths)
        failed, wait = 0, self.pace.first_wait_seconds
        while True:
            try:
                await self.in_hand.during(
                    (message.id,), lambda: self.handler.handle(message), alone=message.id == self._suspect
                )
            except StoreUnavailable as error:
                _log.warning("streams.handler_waits", stream=self.stream, reason=str(error), waits_s=wait)
            except HiveError as error:
                return await self._bury(message, str(error), failed + 1)
            except Exception as error:  # noqa: BLE001 - a bug costs this message, kept aside and logged whole, not the stream
                failed += 1
                if failed >= self.pace.attempts:
                    _log.error("streams.handler_failed", stream=self.stream, message_id=message.id, exc_info=error)
                    return await self._bury(message, f"{type(error).__name__}: {error}", failed)
            else:
                return "done"
            await self._pause(wait)
            if self._stopping.is_set():
                return None
            wait = min(2 * wait, self.pace.longest_wait_seconds)

    async def _bury(self, message: Message, reason: str, attempts: int) -> Outcome | None:
        at_ms = self.clock.now_ms()

        async def try_to() -> Outcome:
            await bury(self.broker, self.stream, message, reason=reason, attempts=attempts, at_ms=at_ms)
            return "dead"

        buried = await self._until_it_works(try_to, "dead-letter")
        if buried is not None:
            _log.warning("streams.dead_letter", stream=self.stream, message_id=message.id, reason=reason)
        return buried

    async def _until_it_works(
        self, attempt: Callable[[], Awaitable[T]], what: str, *, final: bool = False
    ) -> T | None:
        """Try until it works; None when stopped meanwhile. A `final` step is tried once more after the stop."""
        wait = self.pace.first_wait_seconds
        while not self._stopping.is_set() or final:
            last = self._stopping.is_set()
            try:
                return await attempt()
            except StoreUnavailable as error:
                _log.warning("streams.unavailable", stream=self.stream, step=what, reason=str(error), waits_s=wait)
            if last:
                return None
            await self._pause(wait)
            wait = min(2 * wait, self.pace.longest_wait_seconds)
        return None

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


async def _true(step: Awaitable[None]) -> bool:
    await step
    return True
