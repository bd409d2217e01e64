"""The execution ticket: schema version 1 of the platform (Avro `ExecutionTicket`), as frozen values.

Times are UTC epoch milliseconds, durations milliseconds. Field names and enum values are the
platform's own; legacy spellings are mapped by `tickets.legacy` before a document reaches here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

TaskType = Literal["BUILD", "DEPLOY", "TEST", "VALIDATE", "EXECUTE", "COMPENSATE", "QUERY", "TRANSFORM"]
TicketStatus = Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "COMPENSATING", "COMPENSATED", "REJECTED"]
Priority = Literal["LOW", "NORMAL", "HIGH", "CRITICAL"]
RiskBand = Literal["low", "medium", "high", "critical"]
DeliveryMode = Literal["AT_MOST_ONCE", "AT_LEAST_ONCE", "EXACTLY_ONCE"]
Consistency = Literal["EVENTUAL", "STRONG"]
Durability = Literal["TRANSIENT", "PERSISTENT"]
SecurityLevel = Literal["PUBLIC", "INTERNAL", "CONFIDENTIAL", "RESTRICTED"]

TASK_TYPES: Final = ("BUILD", "DEPLOY", "TEST", "VALIDATE", "EXECUTE", "COMPENSATE", "QUERY", "TRANSFORM")
STATUSES: Final = ("PENDING", "RUNNING", "COMPLETED", "FAILED", "COMPENSATING", "COMPENSATED", "REJECTED")
PRIORITIES: Final = ("LOW", "NORMAL", "HIGH", "CRITICAL")
RISK_BANDS: Final = ("low", "medium", "high", "critical")
DELIVERY_MODES: Final = ("AT_MOST_ONCE", "AT_LEAST_ONCE", "EXACTLY_ONCE")
CONSISTENCIES: Final = ("EVENTUAL", "STRONG")
DURABILITIES: Final = ("TRANSIENT", "PERSISTENT")
SECURITY_LEVELS: Final = ("PUBLIC", "INTERNAL", "CONFIDENTIAL", "RESTRICTED")

ENDED_STATUSES: Final = frozenset({"COMPLETED", "FAILED", "COMPENSATED", "REJECTED"})
FAILED_STATUSES: Final = frozenset({"FAILED", "COMPENSATING", "COMPENSATED", "REJECTED"})


@dataclass(frozen=True, slots=True)
class Sla:
    """What was promised: absolute deadline, longest run time, retries allowed."""

    deadline: int
    timeout_ms: int
    max_retries: int = 3


@dataclass(frozen=True, slots=True)
class Qos:
    """Delivery guarantees asked for."""

    delivery_mode: DeliveryMode = "AT_LEAST_ONCE"
    consistency: Consistency = "EVENTUAL"
    durability: Durability = "PERSISTENT"


@dataclass(frozen=True, slots=True)
class Ticket:
    """One execution ticket as known at some moment of its life.

    `created_at`, `started_at`, `completed_at` are UTC epoch milliseconds; `actual_duration_ms` runs
    from start to end. `metadata["owner"]`, when present, names who the work belongs to.
    """

    ticket_id: str
    plan_id: str
    intent_id: str
    decision_id: str
    task_id: str
    task_type: TaskType
    status: TicketStatus
    priority: Priority
    risk_band: RiskBand
    sla: Sla
    created_at: int
    qos: Qos = field(default_factory=Qos)
    description: str = ""
    dependencies: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    required_capabilities: tuple[str, ...] = ()
    security_level: SecurityLevel = "INTERNAL"
    started_at: int | None = None
    completed_at: int | None = None
    estimated_duration_ms: int | None = None
    actual_duration_ms: int | None = None
    retry_count: int = 0
    error_message: str | None = None
    compensation_ticket_id: str | None = None
    correlation_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    schema_version: int = 1

    @property
    def owner(self) -> str:
        """Who the work belongs to; empty when the ticket does not say."""
        return self.metadata.get("owner", "")

    @property
    def synthetic(self) -> bool:
        """True for tickets of the generator or of an injection, which no model may be promoted on."""
        return self.metadata.get("synthetic", "") == "true"

    @property
    def ended(self) -> bool:
        """True when the ticket reached a final status."""
        return self.status in ENDED_STATUSES
