"""The log of predictions: kept beside the answers, in batches, in a thread. It never holds an answer up.

The queue is bounded: when the store does not keep up, the newest are dropped and counted. What a challenger predicted
in shadow (`shadow` is true) is kept in a collection of its own, so that no reader can take it for an answer that was given.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice

import structlog

from neural_hive_ml.clock import HOUR_MS, Clock, kept_since
from neural_hive_ml.conventions import PREDICTIONS, SHADOW_PREDICTIONS
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.observability.metrics import PredictingMetrics
from neural_hive_ml.state.port import Record, StateStore

log = structlog.get_logger("serving")
# What a prediction becomes in the store; made in the writing thread.
Entry = Callable[[], Record]
_QUEUE = "prediction_log"
# Records deleted in one go; an hour's round goes on until none is too old.
_PRUNED_AT_ONCE = 1_000


def new_id() -> str:
    """Return an id for a prediction that nobody else makes."""
    return uuid.uuid4().hex


def repeatable_id(caller: str, key: str, ticket_id: str) -> str:
    """Return the id of a request that its caller may send again under the same key: kept once, however often it comes."""
    text = f"{caller}\0{key}\0{ticket_id}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16, person=b"hive-repeat").hexdigest()


def _nobody(_: Sequence[Record]) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class PredictionLog:
    """See `service.Background`. `open_state` is called in the writing thread, again until it worked.

    `written` is told which answers have become durable. Predictions older than `kept_days` are deleted; 0 keeps all.
    """

    open_state: Callable[[], StateStore]
    metrics: PredictingMetrics
    clock: Clock
    kept_days: float
    written: Callable[[Sequence[Record]], None] = _nobody
    most_waiting: int = 50_000
    batch: int = 1_000
    pause_seconds: float = 0.25
    retry_seconds: float = 1.0
    _waiting: "deque[Entry]" = field(default_factory=deque)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _state: StateStore | None = None
    _pruned_ms: int = 0

    def keep(self, entry: Entry) -> None:
        """Queue one prediction; dropped and counted when the queue is full."""
        if len(self._waiting) >= self.most_waiting:
            self.metrics.prediction_log.inc("dropped")
        else:
            self._waiting.append(entry)

    def write(self, records: Sequence[Record]) -> None:
        """Make predictions durable now, each key once. Raises `StoreUnavailable`."""
        if self._state is None:
            self._state = self.open_state()
        shadows = [record for record in records if record.document.get("shadow")]
        answers = [record for record in records if not record.document.get("shadow")] if shadows else records
        for collection, part in ((PREDICTIONS, answers), (SHADOW_PREDICTIONS, shadows)):
            if part:
                self._state.insert(collection, part)
        self.metrics.prediction_log.inc("written", by=len(records))
        self.written(answers)

    async def run(self) -> None:
        """Write what waits until stopped, then what is left as far as the store takes it."""
        pause = self.pause_seconds
        while not self._stopping.is_set():
            pause = self.pause_seconds if await self._write_all() else self.retry_seconds
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
        if not await self._write_all():
            self.metrics.prediction_log.inc("dropped", by=len(self._waiting))
            log.error("serving.predictions_lost", count=len(self._waiting))
        if self._state is not None:
            await asyncio.to_thread(self._state.close)

    def stop(self) -> None:
        """Write what is left and end."""
        self._stopping.set()

    async def _write_all(self) -> bool:
        """Write until nothing waits; False when the store does not answer: what waits stays."""
        while self._waiting:
            entries = list(islice(self._waiting, self.batch))
            if not await asyncio.to_thread(self._write_entries, entries):
                self.metrics.queue_depth.set(len(self._waiting), _QUEUE)
                return False
            for _ in entries:
                self._waiting.popleft()
        self.metrics.queue_depth.set(0, _QUEUE)
        return True

    def _write_entries(self, entries: Sequence[Entry]) -> bool:
        try:
            self.write([entry() for entry in entries])
            self._prune()
        except StoreUnavailable as error:
            self.metrics.dependency_up.set(0, "state")
            log.warning("serving.predictions_wait", reason=str(error))
            return False
        except Exception:
            # What cannot be written now cannot be written later: it must not stand in the way of the rest.
            self.metrics.prediction_log.inc("dropped", by=len(entries))
            log.exception("serving.predictions_not_written", count=len(entries))
            return True
        self.metrics.dependency_up.set(1, "state")
        return True

    def _prune(self) -> None:
        now_ms = self.clock.now_ms()
        until_ms = kept_since(now_ms, self.kept_days)
        if self._state is None or until_ms is None or now_ms - self._pruned_ms < HOUR_MS:
            return
        self._pruned_ms = now_ms
        for collection in (PREDICTIONS, SHADOW_PREDICTIONS):
            while old := self._state.find(collection, until_ms=until_ms, limit=_PRUNED_AT_ONCE):
                self._state.delete(collection, [record.key for record in old])
