"""Challengers answer in shadow: after the champion's answer is made, beside the requests, and within bounds.

A round of shadow work is as short as one slice, and rests so long that it takes at most `share` of the process: the
tail of the answers does not feel it. What does not fit is dropped and counted, never waited for.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

import structlog

from neural_hive_ml.observability.metrics import PredictingMetrics
from neural_hive_ml.serving.prediction_log import PredictionLog, new_id
from neural_hive_ml.serving.slot import ModelSlot
from neural_hive_ml.state.port import Document, Record

log = structlog.get_logger("serving")
_QUEUE: Final = "shadow"
_SLICE_SECONDS: Final = 0.0005


@dataclass(slots=True)
class ShadowQueue:
    """See `service.Background`. One a process; jobs run on the event loop in the order they came."""

    metrics: PredictingMetrics
    most_waiting: int = 1_000
    share: float = 0.1
    _waiting: "deque[tuple[str, Callable[[], None]]]" = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    def offer(self, name: str, job: Callable[[], None]) -> None:
        """Queue a prediction of model `name`'s challenger; dropped and counted when the queue is full."""
        if self._stopping or len(self._waiting) >= self.most_waiting:
            self.metrics.shadow_lost.inc(name, "dropped")
            return
        self._waiting.append((name, job))
        self._wake.set()

    async def run(self) -> None:
        """Do what waits until stopped; what is left then is counted as dropped."""
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting and not self._stopping:
                spent = self._slice()
                self.metrics.queue_depth.set(len(self._waiting), _QUEUE)
                await asyncio.sleep(spent * (1.0 / self.share - 1.0))
        for name, _ in self._waiting:
            self.metrics.shadow_lost.inc(name, "dropped")

    def stop(self) -> None:
        """End soon."""
        self._stopping = True
        self._wake.set()

    def _slice(self) -> float:
        began = perf_counter()
        while self._waiting and perf_counter() - began < _SLICE_SECONDS:
            name, job = self._waiting.popleft()
            try:
                job()
            except Exception:
                # A challenger is on trial: whatever it raises is counted against it, and must not end the queue.
                self.metrics.shadow_lost.inc(name, "failed")
                log.exception("serving.shadow_failed", model=name)
        return perf_counter() - began


@dataclass(frozen=True, slots=True)
class Shadow:
    """The challenger's slot of one model, and where its predictions go."""

    slot: ModelSlot
    queue: ShadowQueue
    log: PredictionLog | None = None

    def offer(self, job: Callable[[], None]) -> None:
        """Queue work; see `ShadowQueue.offer`."""
        self.queue.offer(self.slot.name, job)

    def keep(self, at_ms: int, document: Document, *, agreed: bool) -> None:
        """Count a challenger's prediction and put it in the log, marked as shadow."""
        self.queue.metrics.shadow.inc(self.slot.name, "true" if agreed else "false")
        if self.log is not None:
            record = Record(new_id(), at_ms, {**document, "shadow": True, "agreed": agreed})
            self.log.keep(lambda: record)
