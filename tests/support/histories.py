"""Hypothesis strategies of whole ticket histories: few keys and few moments, so that they collide."""

from collections.abc import Iterator

from hypothesis import strategies as st

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.tickets.ticket import Qos, Sla, Ticket

START_MS = 1_700_000_000_000
TIMEZONES = ("UTC", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe")

_PARAMETERS: tuple[dict[str, str], ...] = (
    {},
    {"items": "3"},
    {"items": "3", "region": "sa-east-1"},
    {"items": "-0.1", "weight": "0.3", "size": "1e5", "share": "1.7"},
    {"items": "nan", "weight": "", "code": "M0001"},
)
_CAPABILITIES: tuple[tuple[str, ...], ...] = ((), ("deployment",), ("validation", "deployment"))
_MOMENTS = st.sampled_from([0, 0, 1, 1_000, HOUR_MS, DAY_MS]) | st.integers(0, 40 * DAY_MS)
_WAITS = st.none() | st.sampled_from([0, 0, 1, 1_000]) | st.integers(0, 2 * HOUR_MS)
_SPANS = st.sampled_from([0, 0, 1, 999, 60_000]) | st.integers(0, 3 * DAY_MS)
# Names that break what compares texts carelessly: empty, with a null at the end, beyond the first plane.
_IDS = st.text("ab\0\x1f\U0001f41d", min_size=1, max_size=3)


@st.composite
def one_ticket(draw: st.DrawFn, ticket_id: str) -> Ticket:
    """Draw a valid ticket of few tasks, owners and moments, open or ended, with fields missing."""
    created_at = START_MS + draw(_MOMENTS)
    wait = draw(_WAITS)
    started_at = None if wait is None else created_at + wait
    status = draw(
        st.sampled_from(
            ["COMPLETED"] * 6 + ["FAILED", "COMPENSATED", "REJECTED", "COMPENSATING", "RUNNING", "PENDING"]
        )
    )
    ended = status in {"COMPLETED", "FAILED", "COMPENSATED"} or (status == "REJECTED" and draw(st.booleans()))
    completed_at = (created_at if started_at is None else started_at) + draw(_SPANS) if ended else None
    return Ticket(
        ticket_id=ticket_id,
        plan_id="plan",
        intent_id="intent",
        decision_id="decision",
        task_id=draw(st.sampled_from(["t", "t", "u", "v", ""])),
        task_type=draw(st.sampled_from(["BUILD", "DEPLOY"])),
        status=status,  # type: ignore[arg-type] - one of its literals
        priority=draw(st.sampled_from(["LOW", "CRITICAL"])),
        risk_band=draw(st.sampled_from(["low", "high"])),
        sla=Sla(created_at + DAY_MS, draw(st.sampled_from([0, 60_000, 10**8]))),
        created_at=created_at,
        qos=Qos(draw(st.sampled_from(["AT_LEAST_ONCE", "EXACTLY_ONCE"]))),
        dependencies=draw(st.sampled_from([(), ("other",)])),
        parameters=draw(st.sampled_from(_PARAMETERS)),
        required_capabilities=draw(st.sampled_from(_CAPABILITIES)),
        started_at=started_at,
        completed_at=completed_at,
        estimated_duration_ms=draw(st.none() | st.sampled_from([0, 60_000, 10**9])),
        actual_duration_ms=draw(st.none() | _SPANS) if ended else None,
        retry_count=draw(st.sampled_from([0, 0, 1, 12])),
        error_message=draw(st.sampled_from([None, None, "broke"])),
        metadata=draw(st.sampled_from([{}, {"owner": "o"}, {"owner": "o"}, {"owner": "p"}])),
    )


@st.composite
def histories(draw: st.DrawFn, most: int = 14) -> list[Ticket]:
    """Draw tickets with distinct ids, in any order."""
    ids = draw(st.lists(_IDS, min_size=1, max_size=most, unique=True))
    return [draw(one_ticket(ticket_id)) for ticket_id in ids]


def moments_of(tickets: list[Ticket]) -> Iterator[int]:
    """Yield every moment at which anything happened."""
    for ticket in tickets:
        yield from (m for m in (ticket.created_at, ticket.started_at, ticket.completed_at) if m is not None)
