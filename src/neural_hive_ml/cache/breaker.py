"""A circuit breaker: after failures in a row a service is left alone for a while, then one call tries again."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Breaker:
    """Opens after `failures` in a row for `open_seconds`; then one caller is let through, and its luck decides.

    `monotonic` gives seconds. Safe for threads.

    >>> now = [0.0]
    >>> breaker = Breaker(failures=1, open_seconds=5.0, monotonic=lambda: now[0])
    >>> breaker.failed(), breaker.allows()
    (True, False)
    >>> now[0] = 5.0
    >>> breaker.allows(), breaker.allows()
    (True, False)
    >>> breaker.succeeded(), breaker.allows()
    (True, True)
    """

    failures: int = 3
    open_seconds: float = 5.0
    monotonic: Callable[[], float] = time.monotonic
    _failed: int = 0
    _opened_at: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_open(self) -> bool:
        """True while the service counts as gone."""
        return self._opened_at is not None

    def allows(self) -> bool:
        """Return whether a call may be made now. Whoever is let through reports `succeeded` or `failed`."""
        with self._lock:
            if self._opened_at is None:
                return True
            if self.monotonic() - self._opened_at < self.open_seconds:
                return False
            # One caller tries; the others wait another period, whether or not it ever reports back.
            self._opened_at = self.monotonic()
            return True

    def succeeded(self) -> bool:
        """Note a call that worked; True when this closed the breaker."""
        with self._lock:
            closed = self._opened_at is not None
            self._failed, self._opened_at = 0, None
            return closed

    def failed(self) -> bool:
        """Note a call that did not work; True when this opened the breaker."""
        with self._lock:
            self._failed += 1
            if self._opened_at is not None:
                self._opened_at = self.monotonic()
                return False
            if self._failed < self.failures:
                return False
            self._opened_at = self.monotonic()
            return True
