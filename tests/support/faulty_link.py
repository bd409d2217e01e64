"""A TCP link to a server that can be cut, swallowed by a black hole, or made slow, while both ends run."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from tests.support.ports import free_port

Fault = Literal["none", "gone", "black hole", "slow"]
SLOW_SECONDS = 0.4


@dataclass
class Link:
    """Forwards `port` to `target`. ``gone``: refused and reset; ``black hole``: accepted and never answered;
    ``slow``: each piece arrives late."""

    target: int
    port: int = field(default_factory=free_port)
    fault: Fault = "none"
    slow_seconds: float = SLOW_SECONDS
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _server: "asyncio.Server | None" = None
    _writers: "set[asyncio.StreamWriter]" = field(default_factory=set)

    def become(self, fault: Fault) -> None:
        """Change what the link does, from now on and on the connections there are."""
        asyncio.run_coroutine_threadsafe(self._become(fault), self._loop).result(10)

    async def _become(self, fault: Fault) -> None:
        self.fault = fault
        if fault in {"gone", "none"}:  # what hung in a black hole does not come back either
            for writer in tuple(self._writers):
                writer.transport.abort()
        if fault == "gone" and self._server is not None:
            self._server.close()
            self._server = None
        elif fault != "gone" and self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while self.fault == "black hole":
                await asyncio.sleep(0.05)
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(back)
            try:
                await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
            finally:
                self._writers.discard(back)
                back.close()
        except OSError:
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(65_536):
                while self.fault == "black hole":
                    await asyncio.sleep(0.05)
                if self.fault == "slow":
                    await asyncio.sleep(self.slow_seconds)
                sink.write(piece)
                await sink.drain()
        sink.close()

    def run(self) -> None:
        """Forward until `stop`."""
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def stop(self) -> None:
        """End."""
        self.become("gone")
        self._loop.call_soon_threadsafe(self._loop.stop)


@contextmanager
def linked(target: int, slow_seconds: float = SLOW_SECONDS) -> Iterator[Link]:
    """Run a link to a port of this machine."""
    link = Link(target, slow_seconds=slow_seconds)
    thread = threading.Thread(target=link.run, daemon=True)
    thread.start()
    link.become("none")
    try:
        yield link
    finally:
        link.stop()
        thread.join(10)
