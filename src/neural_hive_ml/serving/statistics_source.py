"""The live statistics of a service: begun from a snapshot, fed by lifecycle events, each learned once."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt

from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.row import learn
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.lifecycle import LifecycleEvent

Learned = Literal["learned", "duplicate"]
# Events remembered so that a redelivery is known: at 100 events a second more than two hours.
REMEMBERED = 1_000_000
# Of these a snapshot keeps the newest: more than are ever learned between two snapshots.
REMEMBERED_IN_SNAPSHOT = 200_000


@dataclass(slots=True)
class LiveStatistics:
    """One writer at a time; readers use `current` between writes. Events of before `began_ms` were in the snapshot.

    `shared` statistics are renewed from the one writer's snapshots and learn nothing here.
    """

    current: Statistics = field(default_factory=Statistics)
    binding: FeatureBinding = field(default_factory=FeatureBinding)
    began_ms: int = 0
    shared: bool = False
    _seen: "OrderedDict[int, None]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, statistics: Statistics, binding: FeatureBinding) -> bool:
        """Take over a snapshot when it is newer than what is here; a time zone or parameters follow the binding."""
        with self._lock:
            self.binding = binding
            if statistics.as_of_ms <= self.current.as_of_ms:
                return False
            self.current, self.began_ms = statistics, statistics.as_of_ms
            return True

    def snapshot(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return everything as plain arrays, with the newest events learned, which `resume` reads."""
        with self._lock:
            arrays = self.current.snapshot()
            newest = list(islice(reversed(self._seen), REMEMBERED_IN_SNAPSHOT))
            arrays["began"] = np.array([self.began_ms], dtype=np.int64)
        arrays["seen"] = np.array(newest[::-1], dtype=np.uint64)
        return arrays

    def resume(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Go on from a `snapshot`, forgetting what was learned since.

        Raises
        ------
        ArtifactRefused
            When it is of another feature set version or incomplete.
        """
        statistics = Statistics.restore(arrays)
        with self._lock:
            self.current, self.began_ms = statistics, int(arrays["began"][0])
            self._seen = OrderedDict.fromkeys(arrays["seen"].tolist())

    def knows(self, event: LifecycleEvent) -> bool:
        """Return whether an event was learned before, or lies before the snapshot."""
        with self._lock:
            return event.at_ms <= self.began_ms or key_of(event.kind, event.ticket.ticket_id) in self._seen

    def learn(self, event: LifecycleEvent) -> Learned:
        """Learn an event unless it was learned before; (ticket_id, kind) identifies it."""
        key = key_of(event.kind, event.ticket.ticket_id)
        with self._lock:
            if key in self._seen or event.at_ms <= self.began_ms:
                return "duplicate"
            self._seen[key] = None
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
            learn(event, self.current, self.binding)
            return "learned"


def key_of(kind: str, ticket_id: str) -> int:
    """Return 64 bits that stand for an event; an event meets one of a million remembered once in 10^13."""
    text = f"{kind}\0{ticket_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
