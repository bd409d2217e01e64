"""What several routes take and give, with the examples that /openapi.json shows."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from neural_hive_ml.serving.http.body import MAX_BATCH_TICKETS
from neural_hive_ml.serving.http.endpoint import Example, Parameter
from neural_hive_ml.tickets.limits import LATEST_MS
from neural_hive_ml.tickets.ticket import Ticket

TICKET: Final[Mapping[str, Any]] = {
    "ticket_id": "0b9e2b1c-6f0e-4c53-9a57-2f6f3f1f7a10",
    "plan_id": "plan-42",
    "intent_id": "intent-42",
    "decision_id": "decision-42",
    "task_id": "task-3",
    "task_type": "DEPLOY",
    "status": "COMPLETED",
    "priority": "HIGH",
    "risk_band": "medium",
    "sla": {"deadline": 1_788_170_400_000, "timeout_ms": 180_000, "max_retries": 3},
    "qos": {"delivery_mode": "AT_LEAST_ONCE", "consistency": "EVENTUAL", "durability": "PERSISTENT"},
    "parameters": {"environment": "staging"},
    "required_capabilities": ["deployment", "validation"],
    "security_level": "INTERNAL",
    "created_at": 1_788_156_000_000,
    "started_at": 1_788_156_004_000,
    "completed_at": 1_788_156_076_340,
    "estimated_duration_ms": 60_000,
    "actual_duration_ms": 72_340,
    "retry_count": 0,
    "metadata": {"owner": "team-a"},
}
BATCH: Final[Mapping[str, Any]] = {"tickets": [TICKET]}

AT_MS: Final = Parameter(
    "at_ms",
    Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)],
    "UTC epoch milliseconds to look as of",
    1_788_156_100_000,
)
STAGE: Final = Parameter(
    "stage", Literal["created", "running", "ended"], "the moment of the ticket's life to judge", "created"
)
ONCE: Final = Parameter(
    "Idempotency-Key",
    Annotated[str, msgspec.Meta(max_length=256)],
    "the same key, caller and ticket are one prediction on record, however often they are sent",
    "6f1c0c9e-5d1e-4b7e-9a55-0c2f0a6a1d11",
    "header",
)
HEALTH_STATUSES: Final = {503: "not ready; the document says why"}


class TicketBatch(msgspec.Struct, frozen=True):
    """Tickets, each judged by itself: one bad ticket does not fail the others."""

    tickets: Annotated[list[Ticket], msgspec.Meta(max_length=MAX_BATCH_TICKETS)]


class BatchAnswer(msgspec.Struct, frozen=True):
    """One entry for each ticket, in order: the answer that it would get alone, or ``{"error": {...}}``."""

    results: list[dict[str, Any]]


class Learned(msgspec.Struct, frozen=True):
    """What became of the lifecycle events that posted tickets prove; each is learned once, however often it comes."""

    learned: int
    duplicate: int
    invalid: int
    statistics_sequence: int


LEARNED: Final = Example(BATCH, {"learned": 3, "duplicate": 0, "invalid": 0, "statistics_sequence": 184_223})
