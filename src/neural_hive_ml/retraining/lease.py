"""One run at a time: a short lease, renewed while the run lives, so that a killed run blocks nobody for long."""

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from neural_hive_ml.clock import Clock
from neural_hive_ml.errors import HiveError
from neural_hive_ml.state.port import StateStore

LEASE = "retraining"
LEASE_SECONDS = 120.0
_log = structlog.get_logger("retraining.lease")


@contextmanager
def sole_run(
    state: StateStore, clock: Clock, *, name: str = LEASE, seconds: float = LEASE_SECONDS
) -> Iterator[None]:
    """Hold the lease of a job by its name and renew it four times in its life until the block ends.

    Raises
    ------
    Conflict
        When another run holds it.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    ttl_ms = round(seconds * 1000)
    held = state.acquire(name, holder, now_ms=clock.now_ms(), ttl_ms=ttl_ms)
    done = threading.Event()

    def renew() -> None:
        while not done.wait(seconds / 4):
            try:
                state.acquire(name, holder, now_ms=clock.now_ms(), ttl_ms=ttl_ms)
            except HiveError as error:
                _log.warning("retraining.lease_not_renewed", lease=name, error=str(error))

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        state.release(held)
