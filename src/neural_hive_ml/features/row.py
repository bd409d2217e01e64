"""One row for serving: the same kernel as training's, one ticket at a time, statistics unchanged."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from neural_hive_ml.compiled import COMPILED
from neural_hive_ml.features import layout as at
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import STAGES, Stage
from neural_hive_ml.features.kernel import make_row, replay
from neural_hive_ml.features.raw import QUARTER_MS, fill_parameters, keys_of, local_hour
from neural_hive_ml.features.spec import COLUMN_COUNT
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.lifecycle import LifecycleEvent
from neural_hive_ml.tickets.ticket import (
    CONSISTENCIES,
    DELIVERY_MODES,
    DURABILITIES,
    FAILED_STATUSES,
    PRIORITIES,
    RISK_BANDS,
    SECURITY_LEVELS,
    TASK_TYPES,
    Ticket,
)

_TYPES = {name: code for code, name in enumerate(TASK_TYPES)}
_PRIORITIES = {name: code for code, name in enumerate(PRIORITIES)}
_RISKS = {name: code for code, name in enumerate(RISK_BANDS)}
_SECURITY = {name: code for code, name in enumerate(SECURITY_LEVELS)}
_DELIVERY = {name: code for code, name in enumerate(DELIVERY_MODES)}
_CONSISTENCY = {name: code for code, name in enumerate(CONSISTENCIES)}
_DURABILITY = {name: code for code, name in enumerate(DURABILITIES)}
_KINDS = {"created": at.CREATED_EVENT, "started": at.STARTED_EVENT, "ended": at.ENDED_EVENT}
_NONE = np.array([-1], dtype=np.int64)
_YES = np.ones(1, dtype=np.uint8)
_KIND = {code: np.array([code], dtype=np.int8) for code in range(4)}


def stage_of(ticket: Ticket) -> Stage:
    """Return the stage at which a document shows its ticket."""
    if ticket.ended:
        return "ended"
    return "running" if ticket.started_at is not None else "created"


def raw_ticket(ticket: Ticket, stage: Stage, at_ms: int, binding: FeatureBinding) -> list[float]:
    """Lay one ticket out as the kernel's raw columns, RAW_WIDTH of them, as it was known at `at_ms`."""
    row = [0.0] * at.RAW_WIDTH
    if ticket.estimated_duration_ms is not None:
        row[at.ESTIMATE_MS], row[at.HAS_ESTIMATE] = ticket.estimated_duration_ms, 1.0
    row[at.SLA_TIMEOUT_MS] = ticket.sla.timeout_ms
    row[at.PRIORITY] = _PRIORITIES[ticket.priority]
    row[at.RISK] = _RISKS[ticket.risk_band]
    row[at.SECURITY] = _SECURITY[ticket.security_level]
    row[at.DELIVERY] = _DELIVERY[ticket.qos.delivery_mode]
    row[at.CONSISTENCY] = _CONSISTENCY[ticket.qos.consistency]
    row[at.DURABILITY] = _DURABILITY[ticket.qos.durability]
    row[at.TYPE] = _TYPES[ticket.task_type]
    row[at.CAPABILITIES] = len(ticket.required_capabilities)
    row[at.DEPENDENCIES] = len(ticket.dependencies)
    row[at.MAX_RETRIES] = ticket.sla.max_retries
    row[at.CREATED_MS] = ticket.created_at
    row[at.HOUR], row[at.WEEKDAY] = local_hour(ticket.created_at // QUARTER_MS, binding.timezone)
    fill_parameters(row, ticket.parameters, binding)
    if stage == "created":
        return row
    started = ticket.started_at
    final = ticket.ended and stage == "running"
    if not final:
        row[at.RETRY_COUNT] = ticket.retry_count
        row[at.FAILED] = ticket.status in FAILED_STATUSES
        row[at.ERROR] = ticket.error_message is not None
    if stage == "running":
        runs = started is not None and started <= at_ms
        row[at.STARTED] = row[at.HAS_DURATION] = runs
        if started is not None and runs:
            row[at.DURATION_MS] = at_ms - started
            row[at.WAIT_MS] = started - ticket.created_at
        else:
            # The reader's clock may be behind the ticket's.
            row[at.WAIT_MS] = max(at_ms - ticket.created_at, 0)
        return row
    if started is not None:
        row[at.STARTED] = 1.0
        row[at.WAIT_MS] = started - ticket.created_at
        if ticket.completed_at is not None:
            row[at.HAS_DURATION], row[at.DURATION_MS] = 1.0, ticket.completed_at - started
    if ticket.actual_duration_ms is not None:
        row[at.HAS_DURATION], row[at.DURATION_MS] = 1.0, ticket.actual_duration_ms
    return row


def ticket_keys(ticket: Ticket) -> tuple[str, ...]:
    """Return the keys that statistics remember a ticket by."""
    return keys_of(
        ticket.task_id,
        ticket.owner,
        ticket.required_capabilities,
        ticket.parameters,
        _TYPES[ticket.task_type],
        _RISKS[ticket.risk_band],
    )


def feature_row(
    ticket: Ticket,
    stage: Stage,
    at_ms: int,
    statistics: Statistics,
    binding: FeatureBinding,
    *,
    compiled: bool = COMPILED,
) -> npt.NDArray[np.float64]:
    """Return the feature row [COLUMN_COUNT] of a ticket at a stage of its life, as of `at_ms` (UTC epoch ms).

    An owner or task never seen is a case like any other: its counts are 0 and its locations those of the wider scope.
    """
    slots, raw = statistics.find(ticket_keys(ticket)), raw_ticket(ticket, stage, at_ms, binding)
    return make_row(STAGES[stage], at_ms, slots, raw, statistics.tables, compiled=compiled)


def feature_rows(
    tickets: Sequence[Ticket],
    stages: Sequence[Stage],
    at_ms: Sequence[int],
    statistics: Statistics,
    binding: FeatureBinding,
) -> npt.NDArray[np.float64]:
    """Return the rows [n, COLUMN_COUNT] of several tickets, all against the same statistics."""
    n = len(tickets)
    out = np.empty((n, COLUMN_COUNT))
    if n == 0:
        return out
    raw = np.array([raw_ticket(t, s, m, binding) for t, s, m in zip(tickets, stages, at_ms, strict=True)])
    slots = np.array([statistics.find(ticket_keys(t)) for t in tickets], dtype=np.int64)
    replay(
        np.full(n, at.NO_EVENT, dtype=np.int8),
        np.array([STAGES[s] for s in stages], dtype=np.int8),
        np.arange(n, dtype=np.int64),
        np.zeros(n, dtype=np.uint8),
        np.array(at_ms, dtype=np.int64),
        slots,
        raw,
        statistics.tables,
        out,
    )
    return out


def learn(
    event: LifecycleEvent, statistics: Statistics, binding: FeatureBinding, *, compiled: bool = COMPILED
) -> None:
    """Let the statistics remember one lifecycle event; the caller sees to it that each is learned once."""
    stage: Stage = "created" if event.kind == "created" else "ended"
    slots = np.array([statistics.assign(ticket_keys(event.ticket))], dtype=np.int64)
    statistics.grow()
    replay(
        _KIND[_KINDS[event.kind]],
        _KIND[0],
        _NONE,
        _YES,
        np.array([event.at_ms], dtype=np.int64),
        slots,
        np.array([raw_ticket(event.ticket, stage, event.at_ms, binding)]),
        statistics.tables,
        np.empty((0, COLUMN_COUNT)),
        compiled=compiled,
    )
    statistics.as_of_ms = max(statistics.as_of_ms, event.at_ms)
    statistics.sequence += 1
