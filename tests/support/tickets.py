"""Tickets for tests: a base document, and a Hypothesis strategy of valid tickets."""

from dataclasses import replace
from itertools import islice
from typing import Any, get_args

from hypothesis import strategies as st

from neural_hive_ml.tickets.limits import EARLIEST_MS
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.tickets.ticket import (
    Consistency,
    DeliveryMode,
    Durability,
    Priority,
    Qos,
    RiskBand,
    SecurityLevel,
    Sla,
    TaskType,
    Ticket,
    TicketStatus,
)

START_MS = 1_700_000_000_000


def ticket(ticket_id: str = "t-1", created_at: int = START_MS, **changes: Any) -> Ticket:
    """Return a COMPLETED ticket that ran from 1 s to 61 s after its creation, with changes."""
    base = Ticket(
        ticket_id=ticket_id,
        plan_id="plan-1",
        intent_id="intent-1",
        decision_id="decision-1",
        task_id="task-3",
        task_type="DEPLOY",
        status="COMPLETED",
        priority="HIGH",
        risk_band="medium",
        sla=Sla(created_at + 14_400_000, 180_000, 3),
        qos=Qos(),
        created_at=created_at,
        started_at=created_at + 1_000,
        completed_at=created_at + 61_000,
        estimated_duration_ms=60_000,
        actual_duration_ms=60_000,
        parameters={"service": "billing", "region": "sa-east-1"},
        required_capabilities=("deployment", "validation"),
        metadata={"owner": "team-a"},
    )
    return replace(base, **changes)


def flights(count: int) -> list[Ticket]:
    """Return the first tickets of the shipped sample."""
    return list(islice(sample_tickets(), count))


def _texts(most: int = 12) -> st.SearchStrategy[str]:
    # A short alphabet of what breaks things: quotes, dots, dollars, control and wide characters.
    return st.text("aZ9 .$'\"\\{}/\n\x7f\u00e7\u2713\U0001f41d", max_size=most)


@st.composite
def tickets(draw: st.DrawFn, ids: st.SearchStrategy[str] | None = None) -> Ticket:
    """Draw any valid ticket."""
    created_at = draw(st.integers(EARLIEST_MS, 4_000_000_000_000))
    status = draw(st.sampled_from(get_args(TicketStatus)))
    ended = status in {"COMPLETED", "FAILED", "COMPENSATED"}
    started_at = draw(st.none() | st.integers(created_at, created_at + 10**7))
    earliest_end = created_at if started_at is None else started_at
    ends = st.integers(earliest_end, earliest_end + 10**8)
    ticket_id = draw(ids if ids is not None else _texts().filter(bool))
    maps = st.dictionaries(_texts(6), _texts(), max_size=3)
    durations = st.none() | st.integers(0, 10**9)
    return Ticket(
        ticket_id=ticket_id,
        plan_id=draw(_texts()),
        intent_id=draw(_texts()),
        decision_id=draw(_texts()),
        task_id=draw(_texts()),
        task_type=draw(st.sampled_from(get_args(TaskType))),
        status=status,
        priority=draw(st.sampled_from(get_args(Priority))),
        risk_band=draw(st.sampled_from(get_args(RiskBand))),
        sla=Sla(draw(st.integers(0, 10**13 // 2)), draw(st.integers(0, 10**9)), draw(st.integers(0, 10))),
        created_at=created_at,
        qos=Qos(
            draw(st.sampled_from(get_args(DeliveryMode))),
            draw(st.sampled_from(get_args(Consistency))),
            draw(st.sampled_from(get_args(Durability))),
        ),
        description=draw(_texts()),
        dependencies=tuple(draw(st.lists(_texts().filter(lambda x: x != ticket_id), max_size=3))),
        parameters=draw(maps),
        required_capabilities=tuple(draw(st.lists(_texts(), max_size=3))),
        security_level=draw(st.sampled_from(get_args(SecurityLevel))),
        started_at=started_at,
        completed_at=draw(ends if ended else st.none() | ends),
        estimated_duration_ms=draw(durations),
        actual_duration_ms=draw(durations),
        retry_count=draw(st.integers(0, 5)),
        error_message=draw(st.none() | _texts()),
        compensation_ticket_id=draw(st.none() | _texts()),
        correlation_id=draw(st.none() | _texts()),
        trace_id=draw(st.none() | _texts()),
        span_id=draw(st.none() | _texts()),
        metadata=draw(maps | st.just({"owner": "o", "synthetic": "true"})),
    )
