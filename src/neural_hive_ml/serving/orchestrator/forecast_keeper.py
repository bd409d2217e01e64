"""Forecasts of the present, made in the background before anybody asks."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from neural_hive_ml.observability.metrics import OrchestratorMetrics
from neural_hive_ml.serving.orchestrator.load import FRESH_MS, LoadForecasting

log = structlog.get_logger("serving")


@dataclass(slots=True)
class ForecastKeeper:
    """See `service.Background`. A request only makes a forecast itself when another model has just come to serve."""

    load: LoadForecasting
    metrics: OrchestratorMetrics
    pause_seconds: float = FRESH_MS / 2_000
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Renew the forecast of every horizon, at twice the pace at which they grow old."""
        while not self._stopping.is_set():
            for horizon in self.load.slots:
                try:
                    held = await asyncio.to_thread(self.load.renew, horizon)
                except Exception:
                    # Whatever one model's numbers raise must not end the renewing of the others until the next start. A
                    # request makes its own forecast then, and shows the fault to whoever asks.
                    log.exception("serving.forecast_not_made", horizon_minutes=horizon)
                else:
                    self.metrics.model_seconds.observe(held.answer.model_seconds, "load")
            with suppress(TimeoutError):
                async with asyncio.timeout(self.pause_seconds):
                    await self._stopping.wait()

    def stop(self) -> None:
        """Make no more."""
        self._stopping.set()
