"""Start a service: one process, one worker, numerical libraries on one thread."""

import asyncio
import contextlib
import ipaddress
import signal
import sys
from types import FrameType
from typing import Any, Final

from neural_hive_ml.errors import UsageError

# Longer than the 60 s for which the usual load balancers and proxies keep an unused connection: the side that closes first
# cannot have sent a request on it in the same moment, which would get no answer.
KEEP_ALIVE_SECONDS: Final = 75


def check_exposure(host: str, *, protected: bool) -> None:
    """Refuse to listen beyond loopback without API keys.

    Raises
    ------
    UsageError
        When anybody on the network could write.
    """
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback and not protected:
        raise UsageError(
            f"HIVE_HOST={host} is reachable from the network, but HIVE_API_KEYS is empty",
            remedy="set HIVE_API_KEYS (hive-ml keys new), or HIVE_HOST=127.0.0.1",
        )


def run_app(
    app: Any, host: str, port: int, operations_port: int = 0, keep_alive_seconds: int = KEEP_ALIVE_SECONDS
) -> None:
    """Serve an ASGI app until a signal ends it; requests under way are finished first, and the exit code is 0.

    With `operations_port` health and metrics (`app.state.operations`) are served there, as long as the app is. A connection
    that is not used for `keep_alive_seconds` is closed.
    """
    # uvicorn ends cleanly and then raises the signal again, for whoever was there before: an end that was asked for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    asyncio.run(_serve(app, host, port, operations_port, keep_alive_seconds))


async def _serve(app: Any, host: str, port: int, operations_port: int, keep_alive_seconds: int) -> None:
    import uvicorn

    def config(served: Any, on_port: int) -> uvicorn.Config:
        return uvicorn.Config(
            served,
            host=host,
            port=on_port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=10,
            timeout_keep_alive=keep_alive_seconds,
            server_header=False,
            date_header=False,
            h11_max_incomplete_event_size=65_536,
        )

    server = uvicorn.Server(config(app, port))
    if not operations_port:
        await server.serve()
        return
    beside = uvicorn.Server(config(app.state.operations, operations_port))
    # Signals are the first server's; this one ends with it.
    beside.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment] # takes no argument either
    watching = asyncio.create_task(beside.serve())
    try:
        await server.serve()
    finally:
        beside.should_exit = True
        await watching


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
