"""The feature cache within one process: for one replica, and for tests."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from neural_hive_ml.cache.port import CachedRow, Observe, unobserved
from neural_hive_ml.clock import Clock

MOST_ROWS = 50_000


class MemoryFeatureCache:
    """See `cache.port.FeatureCache`; holds at most `most_rows`, the least recently used go first."""

    def __init__(
        self, clock: Clock, ttl_ms: int, observe: Observe = unobserved, most_rows: int = MOST_ROWS
    ) -> None:
        self._clock = clock
        self._ttl_ms = ttl_ms
        self._observe = observe
        self._most_rows = most_rows
        self._held: OrderedDict[str, tuple[CachedRow, int]] = OrderedDict()
        self._closed = False
        self._lock = threading.Lock()

    def describe(self) -> str:
        return "features cached in memory"

    def find(self, keys: Sequence[str]) -> list[CachedRow | None]:
        now_ms = self._clock.now_ms()
        with self._lock:
            return [self._find(key, now_ms) for key in keys]

    def _find(self, key: str, now_ms: int) -> CachedRow | None:
        if self._closed:
            self._observe("error")
            return None
        held = self._held.get(key)
        if held is None:
            self._observe("miss")
            return None
        row, made_at_ms = held
        if now_ms - made_at_ms >= self._ttl_ms:
            del self._held[key]
            self._observe("stale")
            return None
        self._held.move_to_end(key)
        self._observe("hit")
        return row

    def keep(self, rows: Mapping[str, CachedRow]) -> bool:
        now_ms = self._clock.now_ms()
        with self._lock:
            if self._closed:
                return False
            for key, row in rows.items():
                values = row.values.copy()
                values.setflags(write=False)
                self._held[key] = CachedRow(values, row.sequence), now_ms
                self._held.move_to_end(key)
            while len(self._held) > self._most_rows:
                self._held.popitem(last=False)
        return True

    def close(self) -> None:
        with self._lock:
            self._held.clear()
            self._closed = True
