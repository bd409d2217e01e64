"""Kafka for tests: that of KAFKA_TEST_BOOTSTRAP, else a wire-compatible broker (noida-db) as a separate process."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port
from tests.support.servers import TOOLS, running


@dataclass(frozen=True)
class KafkaProcess:
    """A broker of our own, to pause or kill; the launcher forks, so signals go to its process group."""

    bootstrap: str
    process: "subprocess.Popen[bytes]"


def listens(port: int) -> bool:
    """Return whether anybody accepts connections on this port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return True
    except OSError:
        return False


@contextmanager
def running_kafka_process(folder: Path, port: int | None = None) -> Iterator[KafkaProcess]:
    """Run a broker of our own on a folder that survives it."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command = [str(TOOLS / "noida-db"), "start", "--data-dir", str(folder / "data"), "--only", "kafka"]
    command += ["--kafka-port", str(port)]
    with running(command, lambda: listens(port), folder / f"server-{port}.log") as process:
        yield KafkaProcess(f"127.0.0.1:{port}", process)
    # The launcher ends before the broker that it forked: whoever starts the next one must not meet this one.
    give_up = time.monotonic() + 10
    while listens(port):
        if time.monotonic() > give_up:
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.02)


@contextmanager
def running_kafka(folder: Path) -> Iterator[str]:
    """Yield the bootstrap address of a Kafka that tests share."""
    given = os.environ.get("KAFKA_TEST_BOOTSTRAP")
    if given:
        yield given
        return
    with running_kafka_process(folder) as server:
        yield server.bootstrap
