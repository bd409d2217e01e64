"""An event loop in a thread of its own, for callers that wait.

Sockets' own time-outs are per read, so that a server which drips holds a waiting caller for ever; a loop can end anything
at a moment, name look-ups included.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Held = TypeVar("Held")


class LoopThread(Generic[Held]):
    """Runs coroutines on what `make` returns; begun at the first call, and anew in a forked process. Safe for threads."""

    def __init__(self, make: Callable[[], Held]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._running: tuple[int, asyncio.AbstractEventLoop, Held] | None = None

    def run(self, call: Callable[[Held], Coroutine[Any, Any, T]]) -> T:
        """Return what a coroutine returns; whoever is interrupted while waiting leaves nothing running."""
        loop, held = self._begun()
        future = asyncio.run_coroutine_threadsafe(call(held), loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def _begun(self) -> tuple[asyncio.AbstractEventLoop, Held]:
        with self._lock:
            # A forked child has the memory but not the thread, and must not speak on its parent's connections.
            if self._running is None or self._running[0] != os.getpid():
                loop = asyncio.new_event_loop()
                threading.Thread(target=loop.run_forever, name="hive-client", daemon=True).start()
                self._running = (os.getpid(), loop, self._make())
            return self._running[1:]

    def close(self, end: Callable[[Held], Coroutine[Any, Any, None]]) -> None:
        """End what is held and the thread; a later call begins anew."""
        with self._lock:
            running, self._running = self._running, None
        if running is None or running[0] != os.getpid():
            return
        _, loop, held = running
        asyncio.run_coroutine_threadsafe(end(held), loop).result()
        loop.call_soon_threadsafe(loop.stop)
