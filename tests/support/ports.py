"""Ports to listen on, and ports that do not answer."""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

# Below those that the system hands out by itself, and those that `hive-ml up` is tested on; a share for each worker of
# pytest-xdist, so that no two of them find the same one free before either listens.
_FIRST, _SHARE, _WORKERS = 10_000, 3_500, 4
_worker: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
# From somewhere in it, since another run on this machine may have the same share.
_numbers: Final = count(random.randrange(_SHARE))
_refusing: Final[list[socket.socket]] = []


def free_port() -> int:
    """Return a port that nobody listens on, and that this process has not been given before."""
    for _ in range(_SHARE):
        port = _FIRST + _worker * _SHARE + next(_numbers) % _SHARE
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"none of {_SHARE} ports from {_FIRST + _worker * _SHARE} is free")


def closed_port() -> str:
    """Return the URI of a port that refuses connections as long as this process lives."""
    # Bound and not listened on: whoever connects is refused, and nobody else gets the port.
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    _refusing.append(held)
    return f"http://127.0.0.1:{held.getsockname()[1]}"


@contextmanager
def black_hole() -> Iterator[str]:
    """Yield the URI of a port that accepts connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
