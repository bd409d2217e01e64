"""Rows in bulk: replay the lifecycle of many tickets in time order, each row made before its own event is learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from neural_hive_ml.compiled import COMPILED
from neural_hive_ml.features import layout as at
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.kernel import replay
from neural_hive_ml.features.raw import raw_tickets
from neural_hive_ml.features.slots import slots_of
from neural_hive_ml.features.spec import COLUMN_COUNT
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns, ranks
from neural_hive_ml.tickets.ticket import ENDED_STATUSES, STATUSES

Stage = Literal["created", "running", "ended"]
STAGES: dict[Stage, int] = {"created": at.CREATED_STAGE, "running": at.RUNNING_STAGE, "ended": at.ENDED_STAGE}
_ENDED_CODES = np.array([status in ENDED_STATUSES for status in STATUSES])
Ints = npt.NDArray[np.int64]
# Raw columns that a creation row does not know.
_KNOWN_LATER = np.array(
    [at.RETRY_COUNT, at.FAILED, at.ERROR, at.STARTED, at.WAIT_MS, at.DURATION_MS, at.HAS_DURATION]
)


@dataclass(frozen=True, slots=True)
class FeatureFrame:
    """Rows with where they come from: `rows` [n, COLUMN_COUNT] float64, `at_ms` [n], `ticket` [n] index into
    the columns, `stage` [n] code of `layout`."""

    rows: npt.NDArray[np.float64]
    at_ms: Ints
    ticket: npt.NDArray[np.intp]
    stage: npt.NDArray[np.int8]

    def of_stage(self, stage: Stage) -> "FeatureFrame":
        """Return only the rows of a stage."""
        keep = self.stage == STAGES[stage]
        return FeatureFrame(self.rows[keep], self.at_ms[keep], self.ticket[keep], self.stage[keep])


@dataclass(frozen=True, slots=True)
class RunningMoments:
    """Moments at which running tickets are looked at: ticket index and epoch ms, arrays of one length."""

    ticket: npt.NDArray[np.intp]
    at_ms: Ints


def build_frame(
    columns: TicketColumns,
    binding: FeatureBinding,
    stages: Sequence[Stage] = ("created", "ended"),
    statistics: Statistics | None = None,
    running: RunningMoments | None = None,
    *,
    learn_from: npt.NDArray[np.bool_] | None = None,
    since_ms: int = MISSING_MS,
    compiled: bool = COMPILED,
) -> tuple[FeatureFrame, Statistics]:
    """Replay tickets in time order and return their rows and the statistics at the end.

    Events at one moment run in the order of `tickets.lifecycle.order_of`, looks at running tickets just before creations.
    So the order of the input does not matter, and a row knows nothing of what happens later. `learn_from` [n] masks tickets
    that are scored but never remembered (injections).
    `statistics` to begin with is copied, not changed; it knows what was before `since_ms` (epoch ms), where the
    replay begins. O(n log n).
    """
    memory = Statistics() if statistics is None else statistics.copy()
    return extend_frame(
        columns, binding, memory, stages, running,
        learn_from=learn_from, between=(since_ms, -MISSING_MS), compiled=compiled,
    ), memory  # fmt: skip


def extend_frame(
    columns: TicketColumns,
    binding: FeatureBinding,
    memory: Statistics,
    stages: Sequence[Stage] = ("created", "ended"),
    running: RunningMoments | None = None,
    *,
    learn_from: npt.NDArray[np.bool_] | None = None,
    between: tuple[int, int] = (MISSING_MS, -MISSING_MS),
    compiled: bool = COMPILED,
) -> FeatureFrame:
    """Go on where `memory` is: replay the events at `between[0]` <= at < `between[1]` (epoch ms), and let it learn them.

    See `build_frame`, which does this from a copy and for all time.
    """
    raw = raw_tickets(columns, binding)
    learned = np.ones(len(columns), dtype=bool) if learn_from is None else learn_from
    slots = np.zeros((len(columns), at.SLOT_COUNT), dtype=np.int64)
    slots[learned] = slots_of(columns.take(learned), memory.slot)
    memory.grow()
    if not learned.all():
        # A ticket that is not learned from may still meet keys that others bring: it looks once all are known.
        slots[~learned] = slots_of(columns.take(~learned), memory.look)
    events = _events(columns, stages, running, between)
    order = events.order
    ticket = events.ticket[order]
    emitted = events.emits[order]
    emit = np.where(emitted, np.cumsum(emitted) - 1, -1).astype(np.int64)
    at_ms = np.ascontiguousarray(events.at_ms[order])
    stage = np.ascontiguousarray(events.stage[order])
    picked = raw[ticket]
    _hide_what_is_not_known_yet(picked, stage, events.kind[order], at_ms, columns, ticket)
    rows = np.empty((int(emitted.sum()), COLUMN_COUNT))
    replay(
        np.ascontiguousarray(events.kind[order]),
        stage,
        emit,
        learned[ticket].astype(np.uint8),
        at_ms,
        np.ascontiguousarray(slots[ticket]),
        picked,
        memory.tables,
        rows,
        compiled=compiled,
    )
    remembered = (events.kind[order] != at.NO_EVENT) & learned[ticket]
    if remembered.any():
        memory.as_of_ms = max(memory.as_of_ms, int(at_ms[remembered].max()))
        memory.sequence += int(remembered.sum())
    return FeatureFrame(rows, at_ms[emitted], ticket[emitted].astype(np.intp), stage[emitted])


def batch_rows(
    columns: TicketColumns,
    stage: npt.NDArray[np.int8],
    at_ms: Ints,
    statistics: Statistics,
    binding: FeatureBinding,
) -> npt.NDArray[np.float64]:
    """Return rows [n, COLUMN_COUNT] of tickets at the stage codes [n] and moments [n], all against the same statistics.

    Bit for bit what `row.feature_row` gives of each ticket. O(n log n).
    """
    n = len(columns)
    out = np.empty((n, COLUMN_COUNT))
    if n == 0:
        return out
    raw = raw_tickets(columns, binding)
    raw[np.ix_(stage == at.CREATED_STAGE, _KNOWN_LATER)] = 0.0
    kind = np.full(n, at.NO_EVENT, dtype=np.int8)
    _hide_what_is_not_known_yet(raw, stage, kind, at_ms, columns, np.arange(n, dtype=np.int64))
    replay(
        kind,
        np.ascontiguousarray(stage),
        np.arange(n, dtype=np.int64),
        np.zeros(n, dtype=np.uint8),
        np.ascontiguousarray(at_ms),
        slots_of(columns, statistics.look),
        raw,
        statistics.tables,
        out,
    )
    return out


@dataclass(frozen=True, slots=True)
class _Events:
    kind: npt.NDArray[np.int8]
    stage: npt.NDArray[np.int8]
    emits: npt.NDArray[np.bool_]
    ticket: Ints
    at_ms: Ints
    order: npt.NDArray[np.intp]


def _events(
    columns: TicketColumns, stages: Sequence[Stage], running: RunningMoments | None, between: tuple[int, int]
) -> _Events:
    """Lay out the events of all tickets in a span of time and the order in which they are replayed."""
    everyone = np.arange(len(columns))
    ended = _ENDED_CODES[columns.status] & (columns.completed_at_ms != MISSING_MS)
    started = columns.started_at_ms != MISSING_MS
    created = columns.created_at_ms
    # rank: 0 starts and 1 ends of earlier tickets, 2 looks at running ones, 3 creations, 4 starts and 5 ends of tickets
    # created at that very moment.
    parts = [
        (at.CREATED_EVENT, at.CREATED_STAGE, "created" in stages, everyone, created, np.full(len(columns), 3)),
        (
            at.STARTED_EVENT,
            at.RUNNING_STAGE,
            False,
            everyone[started],
            columns.started_at_ms[started],
            np.where(columns.started_at_ms[started] > created[started], 0, 4),
        ),
        (
            at.ENDED_EVENT,
            at.ENDED_STAGE,
            "ended" in stages,
            everyone[ended],
            columns.completed_at_ms[ended],
            np.where(columns.completed_at_ms[ended] > created[ended], 1, 5),
        ),
    ]
    if running is not None:
        parts.append(
            (
                at.NO_EVENT,
                at.RUNNING_STAGE,
                True,
                np.asarray(running.ticket),
                running.at_ms,
                np.full(len(running.ticket), 2),
            )
        )
    sizes = [len(p[3]) for p in parts]
    kind = np.repeat(np.array([p[0] for p in parts], dtype=np.int8), sizes)
    stage = np.repeat(np.array([p[1] for p in parts], dtype=np.int8), sizes)
    emits = np.repeat(np.array([p[2] for p in parts], dtype=bool), sizes)
    ticket = np.concatenate([p[3] for p in parts]).astype(np.int64)
    at_ms = np.concatenate([p[4] for p in parts]).astype(np.int64)
    rank = np.concatenate([p[5] for p in parts])
    within = np.flatnonzero((at_ms >= between[0]) & (at_ms < between[1]))
    order = within[_in_order(at_ms[within], rank[within], columns.ticket_id[ticket[within]])]
    return _Events(kind, stage, emits, ticket, at_ms, order)


def _in_order(at_ms: Ints, rank: Ints, ids: npt.NDArray[np.object_]) -> npt.NDArray[np.intp]:
    """Return the order by time, rank and id; texts are compared only where the others tie."""
    order = np.lexsort((rank, at_ms))
    ties = (np.diff(at_ms[order]) == 0) & (np.diff(rank[order]) == 0)
    tied = np.flatnonzero(np.append(ties, False) | np.append(False, ties))
    if len(tied):
        who = order[tied]
        order[tied] = who[np.lexsort((ranks(ids[who]), rank[who], at_ms[who]))]
    return order


def _hide_what_is_not_known_yet(
    raw: npt.NDArray[np.float64],
    stage: npt.NDArray[np.int8],
    kind: npt.NDArray[np.int8],
    at_ms: Ints,
    columns: TicketColumns,
    ticket: Ints,
) -> None:
    """Set the raw columns of rows that look at running tickets to what was known then; the same as `row.raw_ticket`."""
    looks = (stage == at.RUNNING_STAGE) & (kind == at.NO_EVENT)
    if not looks.any():
        return
    started = columns.started_at_ms[ticket[looks]]
    created = columns.created_at_ms[ticket[looks]]
    runs = (started != MISSING_MS) & (started <= at_ms[looks])
    raw[looks, at.STARTED] = runs
    raw[looks, at.HAS_DURATION] = runs
    raw[looks, at.DURATION_MS] = np.where(runs, at_ms[looks] - started, 0)
    raw[looks, at.WAIT_MS] = np.maximum(np.where(runs, started, at_ms[looks]) - created, 0)
    # Retries of a running ticket are what its document says; a final document's are not known while it ran.
    final = _ENDED_CODES[columns.status[ticket[looks]]]
    raw[looks, at.RETRY_COUNT] = np.where(final, 0, raw[looks, at.RETRY_COUNT])
    raw[looks, at.FAILED] = np.where(final, 0, raw[looks, at.FAILED])
    raw[looks, at.ERROR] = np.where(final, 0, raw[looks, at.ERROR])
