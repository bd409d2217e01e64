"""Predictions, outcomes and verdicts of a window, read from the stores into columns."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.conventions import PREDICTIONS, VERDICTS
from neural_hive_ml.feedback.verdict import Resolution, Verdict, by_ticket, resolve
from neural_hive_ml.state.pages import pages
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns, columns_of, concat
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.tickets.ticket import ENDED_STATUSES, FAILED_STATUSES, STATUSES

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
# Tickets created this long before the window may be predicted in it; older ones (replayed logs) are looked up one by one.
BEFORE_DAYS: Final = 3
MOST_LOOKED_UP: Final = 5_000
_ENDED = np.array([s in ENDED_STATUSES for s in STATUSES])
_FAILED = np.array([s in FAILED_STATUSES for s in STATUSES])
_COMPLETED = STATUSES.index("COMPLETED")


def predictions(state: StateStore, name: str, since_ms: int, until_ms: int) -> Iterator[Record]:
    """Yield a model's predictions made in [since, until), oldest first.

    Left out: answers without a model, and backfilled ones about the training's own data.
    """
    for page in pages(state, PREDICTIONS, where={"model_name": name}, since_ms=since_ms, until_ms=until_ms):
        for record in page:
            d = record.document
            if d.get("model_version") is not None and not d.get("in_sample"):
                yield record


@dataclass(frozen=True, slots=True)
class Said:
    """What people said about tickets up to a moment: the resolution of each, and when its last verdict came."""

    resolved: Mapping[str, Resolution]
    last_ms: Mapping[str, int]

    def label(self, ticket_id: str) -> float:
        """Return 1.0 for an anomaly, 0.0 for a normal ticket, NaN where nobody knew, was sure, or all agreed."""
        found = self.resolved.get(ticket_id)
        return {"anomaly": 1.0, "normal": 0.0}.get(found.label if found else "", np.nan)


def verdicts_between(state: StateStore, since_ms: int, until_ms: int) -> Iterator[Verdict]:
    """Yield the verdicts given in [since, until), oldest first."""
    for page in pages(state, VERDICTS, since_ms=since_ms, until_ms=until_ms):
        for record in page:
            yield Verdict.from_document(record.document)


def verdicts_until(state: StateStore, since_ms: int, until_ms: int) -> Said:
    """Read the verdicts given in [since, until) and resolve them by ticket."""
    groups = by_ticket(verdicts_between(state, since_ms, until_ms))
    resolved = {ticket: found for ticket, group in groups.items() if (found := resolve(group)) is not None}
    return Said(resolved, {ticket: max(one.at_ms for one in group) for ticket, group in groups.items()})


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How tickets ended, as known at `until_ms`; `known_until_ms` is the newest event that reached the store."""

    columns: TicketColumns
    place: Mapping[str, int]
    known_until_ms: int

    def of(self, ticket_ids: Collection[str]) -> "Ended":
        """Return the ends of tickets [n] in their order."""
        at = np.fromiter((self.place.get(t, -1) for t in ticket_ids), dtype=np.int64, count=len(ticket_ids))
        if not len(self.columns):
            nothing = np.full(len(at), np.nan)
            return Ended(np.zeros(len(at), dtype=bool), nothing, nothing, nothing)
        c, known = self.columns, at >= 0
        ended = known & _ENDED[c.status[at]] & (c.completed_at_ms[at] != MISSING_MS)
        measured = np.where(
            c.actual_duration_ms[at] != MISSING_MS, c.actual_duration_ms[at], c.completed_at_ms[at] - c.started_at_ms[at]
        )  # fmt: skip
        timed = (c.actual_duration_ms[at] != MISSING_MS) | (c.started_at_ms[at] != MISSING_MS)
        duration = np.where(ended & timed & (c.status[at] == _COMPLETED), np.maximum(measured, 0), np.nan)
        broke = (c.completed_at_ms[at] > c.sla_deadline_ms[at]) | (timed & (measured > c.sla_timeout_ms[at]))
        bad = np.where(ended, (_FAILED[c.status[at]] | broke).astype(float), np.nan)
        return Ended(ended, duration, bad, np.where(ended, c.completed_at_ms[at], np.nan).astype(float))


@dataclass(frozen=True, slots=True)
class Ended:
    """[n] each: whether a ticket ended; its run time in ms (NaN unless it succeeded); 1.0 where it failed, was
    compensated or broke its SLA (NaN while open); when it ended, epoch ms (NaN while open)."""

    ended: Mask
    duration_ms: Floats
    bad: Floats
    at_ms: Floats


def read_outcomes(tickets: TicketStore, wanted: Collection[str], since_ms: int, until_ms: int) -> Outcomes:
    """Read the tickets created since a little before `since_ms`, and of older ones those that are `wanted`."""
    window = TicketWindow(since_ms - BEFORE_DAYS * DAY_MS, until_ms)
    columns = as_of(concat(list(tickets.blocks(window))), until_ms)
    place = {str(ticket): i for i, ticket in enumerate(columns.ticket_id)}
    absent = [ticket for ticket in dict.fromkeys(wanted) if ticket not in place][:MOST_LOOKED_UP]
    older = [found for ticket in absent if (found := tickets.get(ticket)) is not None]
    if older:
        columns = concat([columns, as_of(columns_of(older), until_ms)])
        place = {str(ticket): i for i, ticket in enumerate(columns.ticket_id)}
    newest = tickets.extent().newest_event_ms
    return Outcomes(columns, place, min(until_ms, newest if newest is not None else 0))


def number(document: Mapping[str, Any], name: str) -> float:
    """Return a number of a document, NaN where there is none."""
    value = document.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else np.nan
