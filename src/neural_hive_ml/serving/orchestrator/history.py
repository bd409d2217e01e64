"""Recent completions as a load forecaster reads them: from the ticket store at the start, then event by event."""

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, HOUR_MS, WEEK_MS
from neural_hive_ml.features.series import GRAIN_MS, CountSeries
from neural_hive_ml.serving.statistics_source import REMEMBERED, key_of
from neural_hive_ml.tickets.columns import MISSING_MS
from neural_hive_ml.tickets.lifecycle import LifecycleEvent
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.tickets.ticket import STATUSES

Ints = npt.NDArray[np.int64]

# A forecast looks back four weeks; as many again can be replayed.
KEPT_MS = 8 * WEEK_MS
# Tickets created this long before the kept span may still complete inside it.
_LONGEST_RUN_MS = DAY_MS
# Without any event for longer than this nobody can tell a quiet platform from a feed that stands still.
QUIET_MS = HOUR_MS
# Clocks of others may run ahead this far; what lies further ahead is no evidence of how far the feed is.
_AHEAD_MS = GRAIN_MS
_COMPLETED = STATUSES.index("COMPLETED")


@dataclass(frozen=True, slots=True)
class Completions:
    """Completed tickets of [`since_ms`, `until_ms`]: when, and 64 bits that stand for each, oldest first."""

    since_ms: int
    until_ms: int
    at_ms: Ints
    keys: npt.NDArray[np.uint64]


def read_completions(store: TicketStore, now_ms: int, kept_ms: int = KEPT_MS) -> Completions | None:
    """Read the completions of the time before the newest event of a store; None when it is empty.

    Raises
    ------
    StoreUnavailable
        When the store does not answer.
    """
    extent = store.extent()
    if extent.newest_event_ms is None or extent.oldest_ms is None:
        return None
    until = min(extent.newest_event_ms, now_ms)
    # Before its first ticket a store knows nothing, not even that nothing was completed.
    since = max(until - kept_ms, extent.oldest_ms)
    times: list[Ints] = []
    keys: list[int] = []
    for block in store.blocks(TicketWindow(since_ms=since - _LONGEST_RUN_MS)):
        at: npt.NDArray[Any] = block.completed_at_ms
        kept = (block.status == _COMPLETED) & (at != MISSING_MS) & (at >= since) & (at <= until)
        times.append(at[kept])
        keys.extend(key_of("ended", ticket_id) for ticket_id in block.ticket_id[kept].tolist())
    at_ms = np.concatenate(times) if times else np.zeros(0, dtype=np.int64)
    order = np.argsort(at_ms, kind="stable")
    return Completions(since, until, at_ms[order], np.array(keys, dtype=np.uint64)[order])


@dataclass(slots=True)
class LoadHistory:
    """Counts completions in five-minute buckets, each ticket once; what is not known is NaN, never zero.

    `known_until_ms` is the newest event seen, 0 before any; `sequence` grows with every change.
    """

    read: bool = False
    known_since_ms: int = 0
    known_until_ms: int = 0
    sequence: int = 0
    _counts: "Counter[int]" = field(default_factory=Counter)
    _seen: "OrderedDict[int, int]" = field(default_factory=OrderedDict)
    _forgotten_ms: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, completions: Completions | None) -> None:
        """Take over what the store knew; what was posted meanwhile stays, counted once."""
        with self._lock:
            self.read = True
            self.sequence += 1
            if completions is None:
                return
            posted, self._forgotten_ms = self._seen, 0
            buckets, counts = np.unique(completions.at_ms // GRAIN_MS, return_counts=True)
            self._counts = Counter(dict(zip(buckets.tolist(), counts.tolist(), strict=True)))
            self._seen = OrderedDict(zip(completions.keys.tolist(), completions.at_ms.tolist(), strict=True))
            for key, at_ms in posted.items():
                self._count(key, at_ms)
            self._forget()
            self.known_since_ms = completions.since_ms
            self.known_until_ms = max(self.known_until_ms, completions.until_ms)

    def note(self, event: LifecycleEvent, now_ms: int) -> None:
        """Note an event: any shows how far the feed is, a completion is counted unless it was before."""
        if event.at_ms > now_ms + _AHEAD_MS:
            return
        with self._lock:
            self.sequence += 1
            self.known_until_ms = max(self.known_until_ms, event.at_ms)
            if not self.known_since_ms:
                self.known_since_ms = event.at_ms
            if event.kind == "ended" and event.ticket.status == "COMPLETED":
                self._count(key_of(event.kind, event.ticket.ticket_id), event.at_ms)
                self._forget()

    def series(self, now_ms: int, back_ms: int = 4 * WEEK_MS + HOUR_MS) -> CountSeries:
        """Return the counts of the time before `now_ms`, as far as they are known; may be empty."""
        with self._lock:
            until = min(now_ms, self.known_until_ms + QUIET_MS) if self.known_until_ms else now_ms
            end = until // GRAIN_MS
            first = min(max(-(-self.known_since_ms // GRAIN_MS), (now_ms - back_ms) // GRAIN_MS), end)
            if not self.known_until_ms:
                first = end
            buckets = range(first, end)
            counts = np.fromiter((self._counts.get(b, 0) for b in buckets), dtype=np.float64, count=len(buckets))
        return CountSeries(first * GRAIN_MS, GRAIN_MS, counts)

    def _count(self, key: int, at_ms: int) -> None:
        if key not in self._seen and at_ms > self._forgotten_ms:
            self._seen[key] = at_ms
            self._counts[at_ms // GRAIN_MS] += 1

    def _forget(self) -> None:
        while len(self._seen) > REMEMBERED:
            # Who comes again from before the oldest remembered was counted then.
            self._forgotten_ms = max(self._forgotten_ms, self._seen.popitem(last=False)[1])
        oldest = (self.known_until_ms - KEPT_MS) // GRAIN_MS
        if len(self._counts) > 2 * KEPT_MS // GRAIN_MS:
            self._counts = Counter({b: n for b, n in self._counts.items() if b >= oldest})
