"""One run at a time: a short lease, renewed while the run lives, so that a killed run blocks nobody for long."""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from neural_hive_ml.clock import Clock
from neural_hive_ml.errors import Conflict, HiveError
from neural_hive_ml.state.port import Lease, StateStore

LEASE = "retraining"
LEASE_SECONDS = 120.0
# Who asks for so long and is refused throughout has met a living run: a dead one's lease is over by then.
PATIENCE_SECONDS: Final = LEASE_SECONDS + 10.0
_ASK_SECONDS: Final = 5.0
_log = structlog.get_logger("retraining.lease")


@dataclass(frozen=True, slots=True)
class Hold:
    """The lease of a run under way."""

    state: StateStore
    clock: Clock
    lease: Lease
    ttl_ms: int

    def require(self) -> None:
        """Renew the lease now: before any step that two runs must not both take.

        Raises
        ------
        Conflict
            When it was lost: another run is, or was meanwhile, at work.
        """
        held = self.lease
        again = self.state.acquire(held.name, held.holder, now_ms=self.clock.now_ms(), ttl_ms=self.ttl_ms)
        if again.token != held.token:
            self.state.release(again)
            raise Conflict(
                f"lease {held.name} ran out, and another run may have been at work meanwhile",
                remedy="the next run decides anew; look whether the state store answers slowly",
            )


@contextmanager
def sole_run(
    state: StateStore,
    clock: Clock,
    *,
    name: str = LEASE,
    seconds: float = LEASE_SECONDS,
    patience_seconds: float = 0.0,
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[Hold]:
    """Hold the lease of a job by its name and renew it four times in its life until the block ends.

    While another run holds it, it is asked for again every few seconds for `patience_seconds`.

    Raises
    ------
    Conflict
        When another run still holds it.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    ttl_ms = round(seconds * 1000)
    held = _take(state, clock, (name, holder, ttl_ms), patience_seconds, wait)
    done = threading.Event()

    def renew() -> None:
        while not done.wait(seconds / 4):
            try:
                state.acquire(name, holder, now_ms=clock.now_ms(), ttl_ms=ttl_ms)
            except (HiveError, MemoryError) as error:  # a training may have taken all memory just then
                _log.warning("retraining.lease_not_renewed", lease=name, error=str(error))

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield Hold(state, clock, held, ttl_ms)
    finally:
        done.set()
        thread.join()
        state.release(held)


def _take(
    state: StateStore,
    clock: Clock,
    asked: tuple[str, str, int],
    patience_seconds: float,
    wait: Callable[[float], object],
) -> Lease:
    name, holder, ttl_ms = asked
    told = False
    while True:
        try:
            return state.acquire(name, holder, now_ms=clock.now_ms(), ttl_ms=ttl_ms)
        except Conflict as conflict:
            if patience_seconds <= 0:
                raise
            if not told:
                _log.info("retraining.lease_awaited", lease=name, seconds=patience_seconds, held=str(conflict))
            told = True
        wait(min(_ASK_SECONDS, patience_seconds))
        patience_seconds -= _ASK_SECONDS
