"""A real Redis for tests: that of REDIS_TEST_URL, else Debian's redis-server as a separate process."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port
from tests.support.servers import running


def redis_command(folder: Path, port: int) -> list[str]:
    """Return how a Redis that keeps what it acknowledged is started."""
    server = shutil.which("redis-server")
    if server is None:
        raise RuntimeError("redis-server is missing; next: apt-get install redis-server")
    durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    return [server, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), *durable]


def answers(port: int) -> bool:
    """Return whether a Redis on this port answers a ping."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


@dataclass(frozen=True)
class RedisProcess:
    """A running server of our own: its URL, and the process to pause or kill (a process group of its own)."""

    url: str
    process: "subprocess.Popen[bytes]"


@contextmanager
def running_redis_process(folder: Path, port: int | None = None) -> Iterator[RedisProcess]:
    """Run a Redis of our own, for tests that stop it."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    with running(redis_command(folder, port), lambda: answers(port), folder / "server.log") as process:
        yield RedisProcess(f"redis://127.0.0.1:{port}/0", process)


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Yield the URL of a Redis that tests share: that of REDIS_TEST_URL, else one of our own."""
    given = os.environ.get("REDIS_TEST_URL")
    if given:
        yield given
        return
    with running_redis_process(folder) as server:
        yield server.url
