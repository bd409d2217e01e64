"""The live statistics of a service: begun from a snapshot, fed by lifecycle events, each learned once."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal

from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.row import learn
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.lifecycle import LifecycleEvent

Learned = Literal["learned", "duplicate"]
# Events remembered so that a redelivery is known: at 100 events a second more than two hours.
REMEMBERED = 1_000_000


@dataclass(slots=True)
class LiveStatistics:
    """One writer at a time; readers use `current` between writes. Events of before `began_ms` were in the snapshot."""

    current: Statistics = field(default_factory=Statistics)
    binding: FeatureBinding = field(default_factory=FeatureBinding)
    began_ms: int = 0
    _seen: "OrderedDict[tuple[str, str], None]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, statistics: Statistics, binding: FeatureBinding) -> bool:
        """Take over a snapshot when it is newer than what is here; a time zone or parameters follow the binding."""
        with self._lock:
            self.binding = binding
            if statistics.as_of_ms <= self.current.as_of_ms:
                return False
            self.current, self.began_ms = statistics, statistics.as_of_ms
            return True

    def knows(self, event: LifecycleEvent) -> bool:
        """Return whether an event was learned before, or lies before the snapshot."""
        with self._lock:
            return (event.ticket.ticket_id, event.kind) in self._seen or event.at_ms <= self.began_ms

    def learn(self, event: LifecycleEvent) -> Learned:
        """Learn an event unless it was learned before; (ticket_id, kind) identifies it."""
        key = (event.ticket.ticket_id, event.kind)
        with self._lock:
            if key in self._seen or event.at_ms <= self.began_ms:
                return "duplicate"
            self._seen[key] = None
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
            learn(event, self.current, self.binding)
            return "learned"
