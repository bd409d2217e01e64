"""How long the same task took lately: what a person compares a ticket with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.tickets.ticket import FAILED_STATUSES, STATUSES, Ticket

MOST_RUNS: Final = 60
# Looked at back from the ticket, wider and wider, until enough runs are found or this many tickets were read.
WIDTHS_MS: Final = (6 * HOUR_MS, DAY_MS, 4 * DAY_MS, 14 * DAY_MS)
MOST_READ: Final = 100_000
_FAILED = np.array([s in FAILED_STATUSES for s in STATUSES])


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a task: when it was created, how long it ran in ms, and whether it failed."""

    at_ms: int
    duration_ms: int
    failed: bool


@dataclass(frozen=True, slots=True)
class TaskHistory:
    """Runs of the ticket's task created before it, oldest first, and its own: `state` says whether that one has ended.

    `own` is its run so far where it still runs, None where it has not started. `median_ms` and `p90_ms` are of the
    earlier runs, None without any.
    """

    task_id: str
    runs: tuple[Run, ...]
    own: Run | None
    state: Literal["ended", "running", "waiting"]
    median_ms: float | None
    p90_ms: float | None


def task_history(tickets: TicketStore, ticket_id: str, now_ms: int) -> TaskHistory | None:
    """Read the history of a ticket's task, None when the ticket is not in the store. Reads at most about 100,000 tickets.

    Raises `StoreUnavailable`.
    """
    ticket = tickets.get(ticket_id)
    if ticket is None:
        return None
    runs: list[Run] = []
    read, until_ms = 0, ticket.created_at
    for width in WIDTHS_MS:
        since_ms = ticket.created_at - width
        found: list[Run] = []
        for block in tickets.blocks(TicketWindow(since_ms, until_ms)):
            read += len(block)
            found += runs_of(block, ticket.task_id)
            if read >= MOST_READ:
                break
        runs = found + runs
        until_ms = since_ms
        if len(runs) >= MOST_RUNS or read >= MOST_READ:
            break
    runs = runs[-MOST_RUNS:]
    own, state = _own(ticket, now_ms)
    durations = [run.duration_ms for run in runs]
    median, p90 = (float(v) for v in np.quantile(durations, [0.5, 0.9])) if durations else (None, None)
    return TaskHistory(ticket.task_id, tuple(runs), own, state, median, p90)


def runs_of(columns: TicketColumns, task_id: str) -> Sequence[Run]:
    """Return the ended runs of a task, in the order of the columns."""
    ended = (columns.task_id == task_id) & (columns.completed_at_ms != MISSING_MS)
    timed = ended & ((columns.actual_duration_ms != MISSING_MS) | (columns.started_at_ms != MISSING_MS))
    return [
        Run(
            int(columns.created_at_ms[i]),
            max(int(
                columns.actual_duration_ms[i]
                if columns.actual_duration_ms[i] != MISSING_MS
                else columns.completed_at_ms[i] - columns.started_at_ms[i]
            ), 0),
            bool(_FAILED[columns.status[i]]),
        )
        for i in np.flatnonzero(timed)
    ]  # fmt: skip


def _own(ticket: Ticket, now_ms: int) -> tuple[Run | None, Literal["ended", "running", "waiting"]]:
    failed = ticket.status in FAILED_STATUSES
    if ticket.completed_at is not None and (
        ticket.actual_duration_ms is not None or ticket.started_at is not None
    ):
        measured = ticket.actual_duration_ms
        if measured is None:
            assert ticket.started_at is not None
            measured = ticket.completed_at - ticket.started_at
        return Run(ticket.created_at, max(measured, 0), failed), "ended"
    if ticket.started_at is not None:
        return Run(ticket.created_at, max(now_ms - ticket.started_at, 0), failed), "running"
    return None, "waiting"
