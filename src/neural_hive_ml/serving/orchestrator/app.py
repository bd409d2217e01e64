"""orchestrator-dynamic over HTTP: routes translate, `duration` and `load` answer, metrics count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from neural_hive_ml.observability.metrics import OrchestratorMetrics
from neural_hive_ml.serving.http.answers import json_answer
from neural_hive_ml.serving.http.body import MAX_TICKET_BYTES, read_body
from neural_hive_ml.serving.http.contract import AT_MS, BATCH, ONCE, TICKET, BatchAnswer, TicketBatch
from neural_hive_ml.serving.http.endpoint import Endpoint, Example, Gate
from neural_hive_ml.serving.http.problem import Problem
from neural_hive_ml.serving.orchestrator.contract import (
    EXAMPLE_DURATION,
    EXAMPLE_LOAD,
    HORIZONS,
    LoadDocument,
)
from neural_hive_ml.serving.orchestrator.duration import DurationAnswer, DurationPrediction
from neural_hive_ml.serving.orchestrator.load import LoadForecasting
from neural_hive_ml.serving.orchestrator.platform import PlatformDesk
from neural_hive_ml.serving.orchestrator.records import keep_duration, keep_forecast
from neural_hive_ml.serving.prediction_log import PredictionLog
from neural_hive_ml.serving.service import Background, PredictingService, batch_answer, id_asked_for, moment_of
from neural_hive_ml.serving.slot import ModelSlot
from neural_hive_ml.serving.watch import ModelWatch
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.lifecycle import LifecycleEvent
from neural_hive_ml.tickets.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """The service: what its handlers need."""

    durations: DurationPrediction
    load: LoadForecasting
    metrics: OrchestratorMetrics
    gate: Gate
    refresh_seconds: float
    readers: Sequence[Background] = ()
    log: PredictionLog | None = None
    challengers: Sequence[ModelSlot] = ()
    platform: PlatformDesk | None = None

    def app(self) -> Starlette:
        """Return the ASGI app. The platform's own paths below ``/api/v1/ml`` answer the same."""
        service = PredictingService(self._watch, self.gate, self._state, self.readers, noted=self._note)
        endpoints = (
            *(
                Endpoint(
                    path, self.predict, DurationAnswer, "POST", "score", "predict_duration", Ticket, (AT_MS, ONCE),
                    Example(TICKET, EXAMPLE_DURATION),
                )
                for path in ("/api/v1/duration/predict", "/api/v1/ml/predict/duration")
            ),
            Endpoint(
                "/api/v1/duration/predict/batch", self.predict_batch, BatchAnswer, "POST", "score",
                "predict_duration_batch", TicketBatch, example=Example(BATCH, {"results": [EXAMPLE_DURATION]}),
            ),
            *(
                Endpoint(
                    path, self.forecast, LoadDocument, role="score", counted_as="load_forecast",
                    parameters=(*HORIZONS, AT_MS), example=Example(answer=EXAMPLE_LOAD),
                )
                for path in ("/api/v1/load/forecast", "/api/v1/ml/load-forecast")
            ),
        )  # fmt: skip
        if self.platform is not None:
            endpoints = (*endpoints, *self.platform.endpoints())
        return service.app("orchestrator-dynamic", __doc__ or "", endpoints)

    async def predict(self, request: Request) -> Response:
        """How long this ticket will run: quantiles of the time from start to end.

        `at_ms` looks at it as of then, by default as of its creation.
        """
        ticket = decode_ticket(await read_body(request, MAX_TICKET_BYTES))
        answer = self._predicted(ticket, moment_of(request), id_asked_for(request, ticket.ticket_id))
        return json_answer(answer, degraded=answer.degraded)

    async def predict_batch(self, request: Request) -> Response:
        """Up to 1,000 tickets; each gets an answer or its own error, in order."""
        return await batch_answer(request, self._predicted)

    async def forecast(self, request: Request) -> Response:
        """How many tickets will be completed in the hours ahead, from now or as of `at_ms`.

        Nothing is fitted here: the model's forecast from the present history, made in the background every few seconds.
        """
        horizon = self._horizon(request)
        at_ms = moment_of(request)
        answer = self.load.forecast(horizon, at_ms)
        name = self.load.slots[horizon].name
        self.metrics.forecasts.inc(name, "cache" if answer.cached else "computed")
        self.metrics.cache.inc("forecast", "hit" if answer.cached else "miss")
        self.metrics.predictions.inc("load", "fallback" if answer.degraded else "success")
        if not answer.cached:
            self.metrics.model_seconds.observe(answer.model_seconds, "load")
        if self.log is not None and answer.first and at_ms is None:
            keep_forecast(self.log, answer)
        return json_answer(answer.document, degraded=answer.degraded)

    def _predicted(self, ticket: Ticket, at_ms: int | None = None, prediction_id: str = "") -> DurationAnswer:
        answer = self.durations.predict(ticket, at_ms)
        self.metrics.predictions.inc("scheduling", "fallback" if answer.degraded else "success")
        self.metrics.model_seconds.observe(answer.latency_ms / 1000, "scheduling")
        if self.log is None or at_ms is not None:  # a look at the past is no prediction of the present
            return answer
        return keep_duration(self.log, answer, prediction_id)

    def _horizon(self, request: Request) -> int:
        query = request.query_params
        text = query.get("horizon") or query.get("horizon_minutes") or "60"
        for minutes in self.load.slots:
            if text == str(minutes):
                return minutes
        raise Problem(
            400,
            "Bad request",
            f"horizon={text[:40]!r} is none of the horizons",
            field="horizon",
            remedy=f"use {', '.join(map(str, self.load.slots))} minutes",
        )

    def _note(self, event: LifecycleEvent) -> None:
        self.load.history.note(event, self.load.clock.now_ms())
        self.durations.note(event)

    @property
    def _watch(self) -> ModelWatch:
        slots = (self.durations.slot, *self.load.slots.values())
        if self.platform is not None:
            slots = (*slots, self.platform.enrichment.scoring.slot)
        return ModelWatch(
            slots,
            self.durations.statistics,
            self.load.clock,
            self.metrics,
            self.refresh_seconds,
            self.challengers,
        )

    def _state(self) -> dict[str, Any]:
        """Ready as soon as one model serves: what the others would say has its fallback."""
        watch, history = self._watch, self.load.history
        serving = [slot.current is not None and not slot.failure for slot in watch.slots]
        return {
            "ready": any(slot.current is not None for slot in watch.slots),
            "status": "ok" if all(serving) and history.read else "degraded",
            "models": {
                slot.name: {"model": watch.model_state(slot), "failure": slot.failure} for slot in watch.slots
            },
            "challengers": watch.challenger_states(),
            "statistics": watch.statistics_state(),
            "history": {"read": history.read, "until_ms": history.known_until_ms},
        }
