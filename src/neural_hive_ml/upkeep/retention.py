"""How long each kind of record is kept: a pure plan, and the deletions it leads to.

The ledger is never pruned: it holds digests only, and a chain with a hole proves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from neural_hive_ml.clock import kept_since
from neural_hive_ml.conventions import TICKETS
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.tickets.port import TicketStore, TicketWindow

_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Cut:
    """What goes of a collection: everything before `before_ms`; None: nothing ever does."""

    collection: str
    days: float
    before_ms: int | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """A cut and how many records went, or would."""

    cut: Cut
    records: int


def plan(days_of: "dict[str, float]", now_ms: int) -> tuple[Cut, ...]:
    """Return the cut of each collection, given its days (0: kept for ever). Pure.

    >>> plan({"model_predictions": 90, "human_verdicts": 0}, 100 * 86_400_000)[0].before_ms == 10 * 86_400_000
    True
    """
    return tuple(Cut(collection, days, kept_since(now_ms, days)) for collection, days in days_of.items())


def prune(
    cuts: Sequence[Cut], tickets: TicketStore, state: StateStore, *, dry_run: bool = False
) -> tuple[Pruned, ...]:
    """Delete what the cuts say, page by page while others write; return what went. Raises `StoreUnavailable`."""
    done = []
    for cut in cuts:
        if cut.before_ms is None:
            records = 0
        elif cut.collection == TICKETS:
            records = _old_tickets(tickets, cut.before_ms) if dry_run else tickets.prune(cut.before_ms)
        else:
            records = _old_records(state, cut.collection, cut.before_ms, dry_run=dry_run)
        done.append(Pruned(cut, records))
    return tuple(done)


def _old_tickets(tickets: TicketStore, before_ms: int) -> int:
    return sum(len(block) for block in tickets.blocks(TicketWindow(until_ms=before_ms)))


def _old_records(state: StateStore, collection: str, before_ms: int, *, dry_run: bool) -> int:
    if dry_run:
        return state.count(collection, until_ms=before_ms)
    gone = 0
    while old := state.find(collection, until_ms=before_ms, limit=_AT_ONCE):
        gone += state.delete(collection, [record.key for record in old])
    return gone
