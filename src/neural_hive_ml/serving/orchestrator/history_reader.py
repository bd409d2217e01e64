"""Reads the history of completions once at the start, and again until the ticket store answers."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from neural_hive_ml.observability.metrics import PredictingMetrics
from neural_hive_ml.serving.orchestrator.history import Completions, LoadHistory

_log = structlog.get_logger("serving")


@dataclass(slots=True)
class HistoryReader:
    """See `service.Background`. `read` runs in a thread; it may take seconds and fail."""

    history: LoadHistory
    read: Callable[[], Completions | None]
    metrics: PredictingMetrics
    retry_seconds: float = 10.0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Read until it worked. Forecasts are answered meanwhile, from what events have told."""
        while not self._stopping.is_set():
            try:
                found = await asyncio.to_thread(self.read)
            except Exception as error:  # noqa: BLE001 - however the reading process ends, the service goes on
                self.metrics.dependency_up.set(0, "tickets")
                _log.warning("serving.history_not_read", reason=str(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.retry_seconds):
                        await self._stopping.wait()
                continue
            self.metrics.dependency_up.set(1, "tickets")
            self.history.begin(found)
            _log.info("serving.history_read", completions=0 if found is None else len(found.at_ms))
            return

    def stop(self) -> None:
        """Try no more."""
        self._stopping.set()
