"""What was known of tickets at a moment: the past as it looked then, not as it ended."""

from dataclasses import replace

import numpy as np

from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns
from neural_hive_ml.tickets.ticket import STATUSES

_RUNNING = STATUSES.index("RUNNING")
_PENDING = STATUSES.index("PENDING")


def as_of(columns: TicketColumns, at_ms: int) -> TicketColumns:
    """Return the tickets created before `at_ms`, with everything that happened later taken back.

    A ticket that starts or ends after `at_ms` is open: the times that lie later, the duration, the final status, retries and
    error are set to what a reader saw then (RUNNING, or PENDING before its start). What happened at `at_ms` itself is known,
    a ticket created at it is not. O(n); the input is not changed.
    """
    known = columns.take(columns.created_at_ms < at_ms)
    # MISSING_MS lies before every moment.
    started = (known.started_at_ms != MISSING_MS) & (known.started_at_ms <= at_ms)
    open_still = (known.started_at_ms > at_ms) | (known.completed_at_ms > at_ms)
    return replace(
        known,
        started_at_ms=np.where(started, known.started_at_ms, MISSING_MS),
        completed_at_ms=np.where(open_still, MISSING_MS, known.completed_at_ms),
        actual_duration_ms=np.where(open_still, MISSING_MS, known.actual_duration_ms),
        status=np.where(open_still, np.where(started, _RUNNING, _PENDING), known.status).astype(np.int8),
        retry_count=np.where(open_still, 0, known.retry_count),
        error=known.error & ~open_still,
    )
