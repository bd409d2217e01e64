"""guard-agents over HTTP: routes translate, `scoring` decides, metrics count."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from neural_hive_ml.observability.metrics import GuardAgentsMetrics
from neural_hive_ml.serving.guard_agents.counting import count_answer
from neural_hive_ml.serving.guard_agents.event_desk import EventDesk
from neural_hive_ml.serving.guard_agents.inference import InferenceDesk
from neural_hive_ml.serving.guard_agents.records import VerdictLog
from neural_hive_ml.serving.guard_agents.scoring import TicketAnswer, TicketScoring
from neural_hive_ml.serving.http.answers import json_answer
from neural_hive_ml.serving.http.body import MAX_TICKET_BYTES, read_body
from neural_hive_ml.serving.http.contract import AT_MS, BATCH, ONCE, STAGE, TICKET, BatchAnswer, TicketBatch
from neural_hive_ml.serving.http.endpoint import Endpoint, Example, Gate
from neural_hive_ml.serving.service import Background, PredictingService, batch_answer, id_asked_for, moment_of
from neural_hive_ml.serving.slot import ModelSlot
from neural_hive_ml.serving.watch import ModelWatch
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.ticket import Ticket

EXAMPLE_ANSWER: Final = {
    "ticket_id": TICKET["ticket_id"],
    "is_anomaly": True,
    "anomaly_score": 0.97,
    "threshold": 0.81,
    "anomaly_type": "duration_outlier",
    "severity": "high",
    "confidence": 0.97,
    "explanation": "took 12 min, 10x this task's median of 1.2 min",
    "contributions": [
        {"signal": "slow_for_task", "rarity": 3.4, "words": "took 12 min, 10x this task's median of 1.2 min"}
    ],
    "stage": "ended",
    "model_type": "isolation_forest",
    "model_name": "anomaly-detector-isolation_forest",
    "model_version": 7,
    "statistics_sequence": 184_223,
    "latency_ms": 0.12,
    "degraded": False,
    "prediction_id": "4f0c6a0d8f5b4a2e9c3b7d6e5f4a3b2c",
}


@dataclass(frozen=True, slots=True)
class GuardAgents:
    """The service: what its handlers need."""

    scoring: TicketScoring
    metrics: GuardAgentsMetrics
    gate: Gate
    refresh_seconds: float
    readers: Sequence[Background] = ()
    closing: Sequence[Callable[[], Awaitable[None]]] = ()
    log: VerdictLog | None = None
    challengers: Sequence[ModelSlot] = ()
    desk: EventDesk | None = None

    def app(self) -> Starlette:
        """Return the ASGI app."""
        service = PredictingService(self._watch, self.gate, self._state, self.readers, self.closing)
        endpoints: tuple[Endpoint, ...] = (
            Endpoint(
                "/api/v1/tickets/score", self.score, TicketAnswer, "POST", "score", "tickets_score", Ticket,
                (STAGE, AT_MS, ONCE), Example(TICKET, EXAMPLE_ANSWER),
            ),
            Endpoint(
                "/api/v1/tickets/score/batch", self.score_batch, BatchAnswer, "POST", "score",
                "tickets_score_batch", TicketBatch, example=Example(BATCH, {"results": [EXAMPLE_ANSWER]}),
            ),
            *InferenceDesk(self.scoring.slot, self.metrics).endpoints(),
        )  # fmt: skip
        if self.desk is not None:
            endpoints = (*endpoints, *self.desk.endpoints())
        return service.app("guard-agents", __doc__ or "", endpoints)

    async def score(self, request: Request) -> Response:
        """Is this ticket anomalous, and why.

        `stage` and `at_ms` look at it as of then; by default as its document shows it, at the time of that event.
        """
        ticket = decode_ticket(await read_body(request, MAX_TICKET_BYTES))
        at_ms = moment_of(request)
        stage = request.query_params.get("stage") or None
        answer = self.scoring.score(ticket, stage, at_ms, cached=True)  # type: ignore[arg-type] # checked in score
        count_answer(self.metrics, answer)
        if self.log is not None and at_ms is None:  # a look at the past is no prediction of the present
            answer = self.log.keep(answer, id_asked_for(request, answer.ticket_id))
        return json_answer(answer, degraded=answer.degraded)

    async def score_batch(self, request: Request) -> Response:
        """Up to 1,000 tickets; each gets an answer or its own error, in order."""
        return await batch_answer(request, self._judged)

    def refresh(self) -> dict[str, object]:
        """Refresh the slot and show what came of it in metrics; runs in a worker thread."""
        return self._watch.refresh()[self.scoring.slot.name]

    def _judged(self, ticket: Ticket) -> TicketAnswer:
        answer = self.scoring.score(ticket)
        count_answer(self.metrics, answer)
        return answer if self.log is None else self.log.keep(answer)

    @property
    def _watch(self) -> ModelWatch:
        scoring = self.scoring
        return ModelWatch(
            (scoring.slot,),
            scoring.statistics,
            scoring.clock,
            self.metrics,
            self.refresh_seconds,
            self.challengers,
        )

    def _state(self) -> dict[str, Any]:
        watch, slot = self._watch, self.scoring.slot
        return {
            "ready": slot.current is not None,
            "status": "ok" if slot.current is not None and not slot.failure else "degraded",
            "model": watch.model_state(slot),
            "failure": slot.failure,
            "challengers": watch.challenger_states(),
            "statistics": watch.statistics_state(),
        }
