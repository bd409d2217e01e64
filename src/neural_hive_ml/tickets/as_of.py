"""What was known of tickets at a moment: the past as it looked then, not as it ended."""

from dataclasses import replace

import numpy as np

from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns
from neural_hive_ml.tickets.ticket import STATUSES

_RUNNING = STATUSES.index("RUNNING")
_PENDING = STATUSES.index("PENDING")


def as_of(columns: TicketColumns, at_ms: int) -> TicketColumns:
    """Return the tickets created before `at_ms`, with everything that happened later taken back.

    A start or end after `at_ms` is unknown: its time, the duration, the final status, retries and error are
    set to what a reader saw then (a ticket that would end later is RUNNING, or PENDING before its start).
    O(n); the input is not changed.
    """
    known = columns.take(columns.created_at_ms < at_ms)
    started = (known.started_at_ms != MISSING_MS) & (known.started_at_ms <= at_ms)
    open_still = (known.completed_at_ms != MISSING_MS) & (known.completed_at_ms > at_ms)
    waiting = np.where(started, _RUNNING, _PENDING).astype(np.int8)
    return replace(
        known,
        started_at_ms=np.where(started, known.started_at_ms, MISSING_MS),
        completed_at_ms=np.where(open_still, MISSING_MS, known.completed_at_ms),
        actual_duration_ms=np.where(open_still, MISSING_MS, known.actual_duration_ms),
        status=np.where(open_still, waiting, known.status).astype(np.int8),
        retry_count=np.where(open_still, 0, known.retry_count),
        error=known.error & ~open_still,
    )
