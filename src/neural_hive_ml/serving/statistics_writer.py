"""The one writer of the serving statistics, and what replicas do: take the newest numbered snapshot, stand by to write.

The writer reads the ticket stream in a group of its own and commits an event only once a published snapshot holds it. An
event that is delivered again is in the snapshot's list of the newest events, so it never counts twice.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from neural_hive_ml.clock import Clock
from neural_hive_ml.errors import Conflict, HiveError, InvalidTicket, StoreUnavailable
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.serving.slot import ModelSlot
from neural_hive_ml.serving.statistics_shelf import Shelf
from neural_hive_ml.serving.statistics_source import LiveStatistics
from neural_hive_ml.state.port import Lease, StateStore
from neural_hive_ml.streams.port import Message
from neural_hive_ml.streams.worker import StreamWorker
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.lifecycle import events_of, order_of

LEASE = "statistics-writer"
# The lease outlives its holder by so many of its rounds, at least two seconds.
LEASE_ROUNDS = 6
_log = structlog.get_logger("serving")


@dataclass(slots=True)
class Publisher:
    """Publishes statistics under growing numbers, at most once in `every_seconds`."""

    statistics: LiveStatistics
    shelf: Shelf
    every_seconds: float = 10.0
    number: int = 0
    _published: int = -1
    _at: float = float("-inf")

    def resume(self) -> None:
        """Go on from the newest snapshot, forgetting what was learned since; without one, from what is there."""
        newest = self.shelf.newest()
        if newest is not None:
            self.statistics.resume(newest.arrays)
            self.number, self._published = newest.number, self.statistics.current.sequence

    def publish(self, *, last: bool) -> bool:
        """Publish when it is time; True when all that was learned is in a published snapshot.

        Raises
        ------
        Conflict
            When another writer published meanwhile.
        """
        sequence = self.statistics.current.sequence
        if sequence == self._published:
            return True
        if not last and time.monotonic() - self._at < self.every_seconds:
            return False
        if not self.shelf.put(self.number + 1, self.statistics.snapshot()):
            raise Conflict(f"{self.shelf.describe()}: another writer published", remedy="go on from its snapshot")
        self.number, self._published, self._at = self.number + 1, sequence, time.monotonic()
        return True


@dataclass(slots=True)
class StatisticsWriter:
    """See `streams.worker.Handler`: learns every event of the stream."""

    publisher: Publisher
    slot: ModelSlot

    async def joined(self) -> None:
        """Begin from the newest snapshot or from what the model brings, whichever knows more."""
        loaded = self.slot.current
        if loaded is None:
            raise StoreUnavailable(
                f"{self.slot.name} has no model yet: the writer waits", remedy="hive-ml models show"
            )
        await asyncio.to_thread(self.publisher.resume)
        # The shelf may be behind a model that was trained since.
        scorer = loaded.artifact.scorer
        assert isinstance(scorer, AnomalyScorer), "the slot holds a detector"
        self.publisher.statistics.begin(Statistics.restore(loaded.artifact.model.statistics), scorer.binding)

    async def handle(self, message: Message) -> None:
        """Learn what is new in one ticket document; what is none is left to the reader that judges, which keeps it aside."""
        try:
            ticket = decode_ticket(message.value)
        except InvalidTicket:
            return
        for event in sorted(events_of(ticket), key=order_of):
            self.publisher.statistics.learn(event)

    async def settle(self, *, last: bool) -> bool:
        """Publish when it is time; what is not published is not committed."""
        return await asyncio.to_thread(lambda: self.publisher.publish(last=last))


@dataclass(slots=True)
class SharedStatistics:
    """What a replica does: serve from the newest snapshot, and write while it holds the lease."""

    statistics: LiveStatistics
    shelf: Shelf
    state: StateStore
    clock: Clock
    holder: str
    make_writer: Callable[[], StreamWorker]
    every_seconds: float = 5.0
    number: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _writer: StreamWorker | None = None
    _writing: "asyncio.Task[None] | None" = None

    @property
    def writes(self) -> bool:
        """True while this replica is the writer."""
        return self._writing is not None

    def stop(self) -> None:
        """Publish and commit what was learned, give the lease back."""
        self._stopping.set()

    async def run(self) -> None:
        """Take snapshots and stand by until stopped. Stores that do not answer are waited for; the last one serves."""
        while not self._stopping.is_set():
            try:
                await self._take_newest()
                await self._stand_by()
            except HiveError as error:
                _log.warning("serving.statistics_not_renewed", reason=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(self.every_seconds):
                    await self._stopping.wait()
        await self._stop_writing()
        with suppress(HiveError):
            # Whoever stands by need not wait for the lease to expire.
            lease = await asyncio.to_thread(self._acquire, 1)
            await asyncio.to_thread(self.state.release, lease)

    async def _take_newest(self) -> None:
        newest = await asyncio.to_thread(self.shelf.newest, self.number)
        if newest is not None:
            await asyncio.to_thread(self.statistics.resume, newest.arrays)
            self.number = newest.number

    async def _stand_by(self) -> None:
        """Hold the lease and write, or be ready to. Without an answer about the lease nothing is written."""
        try:
            await asyncio.to_thread(self._acquire, max(round(LEASE_ROUNDS * self.every_seconds * 1000), 2_000))
        except (Conflict, StoreUnavailable):
            await self._stop_writing()
            raise
        if self._writing is not None and self._writing.done():
            _log.error("serving.statistics_writer_ended", exc_info=self._writing.exception())
            self._writing = None
        if self._writing is None:
            self._writer = self.make_writer()
            self._writing = asyncio.create_task(self._writer.run())

    def _acquire(self, ttl_ms: int) -> Lease:
        return self.state.acquire(LEASE, self.holder, now_ms=self.clock.now_ms(), ttl_ms=ttl_ms)

    async def _stop_writing(self) -> None:
        if self._writer is not None and self._writing is not None:
            self._writer.stop()
            await asyncio.wait([self._writing], timeout=self.every_seconds)
            self._writing.cancel()
        self._writer = self._writing = None
