"""Servers that tests start as separate processes: one way to start, wait for and stop them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port

TOOLS = Path(__file__).parents[2] / ".tools" / "testservers" / "bin"


@contextmanager
def running(
    command: Sequence[str], ready: Callable[[], bool], log: Path, seconds: float = 120.0
) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a server, in a process group of its own, until the block ends.

    Fails loudly when the server is not installed, dies or never becomes ready.
    """
    if not Path(command[0]).exists():
        raise RuntimeError(f"{command[0]} is missing; next: scripts/install_test_servers.sh")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            give_up = time.monotonic() + seconds
            while not ready():
                if process.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
                time.sleep(0.05)
            yield process
        finally:
            # A stopped (SIGSTOP) server must be woken to hear the end.
            for number in (signal.SIGCONT, signal.SIGTERM):
                if process.poll() is None:
                    os.killpg(process.pid, number)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=10)


def mongo_command(folder: Path, port: int) -> list[str]:
    """Return how the MongoDB stand-in is started: the native server, else the Python one."""
    native = TOOLS / "secantusd-rs"
    server = native if native.exists() else TOOLS / "secantusd-py"
    return [str(server), "--host", "127.0.0.1", "--port", str(port), "--storage-path", str(folder)]


def mongo_answers(port: int) -> bool:
    """Return whether a MongoDB on this port answers a ping."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    with MongoClient[dict[str, object]](f"mongodb://127.0.0.1:{port}", serverSelectionTimeoutMS=200) as client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
        return True


@contextmanager
def running_mongo(folder: Path) -> Iterator[str]:
    """Yield the URI of a MongoDB: that of MONGODB_TEST_URI, else a stand-in that runs until the block ends."""
    given = os.environ.get("MONGODB_TEST_URI")
    if given:
        yield given
        return
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    uri = f"mongodb://127.0.0.1:{port}"

    with running(mongo_command(folder / "data", port), lambda: mongo_answers(port), folder / "server.log"):
        yield uri
