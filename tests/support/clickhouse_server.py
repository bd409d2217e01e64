"""ClickHouse for tests: that of CLICKHOUSE_TEST_URL, else its engine (chdb) behind HTTP as a separate process."""

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
from neural_hive_ml.tickets.clickhouse_client import ClickHouseTarget
from tests.support.ports import free_port
from tests.support.servers import TOOLS, running

FACADE = Path(__file__).with_name("clickhouse_facade.py")


@dataclass(frozen=True)
class ClickHouseAddress:
    """Where a server is and who may use it."""

    host: str
    port: int
    user: str = "default"
    password: str = ""


@dataclass(frozen=True)
class ClickHouseProcess:
    """A server of our own, to pause or kill."""

    address: ClickHouseAddress
    process: "subprocess.Popen[bytes]"


@contextmanager
def running_clickhouse_process(
    folder: Path, port: int | None = None, password: str = ""
) -> Iterator[ClickHouseProcess]:
    """Run a server of our own on a folder that survives it."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=0.5):
                return True
        except OSError:
            return False

    command = [str(TOOLS / "python"), str(FACADE), str(folder / "data"), str(port), password]
    with running(command, ready, folder / f"server-{port}.log") as process:
        yield ClickHouseProcess(ClickHouseAddress("127.0.0.1", port, "default", password), process)


@contextmanager
def running_clickhouse(folder: Path) -> Iterator[ClickHouseAddress]:
    """Yield a server that tests share: CLICKHOUSE_TEST_URL (http://user:password@host:8123), else one of our own."""
    given = os.environ.get("CLICKHOUSE_TEST_URL")
    if given:
        parts = urlsplit(given)
        assert parts.hostname, "CLICKHOUSE_TEST_URL names no host"
        yield ClickHouseAddress(
            parts.hostname, parts.port or 8123, parts.username or "default", parts.password or ""
        )
        return
    with running_clickhouse_process(folder) as server:
        yield server.address


def clickhouse_store(
    address: ClickHouseAddress,
    database: str | None = None,
    *,
    retention_days: int = 0,
    timeout_seconds: float = 10.0,
) -> ClickHouseTicketStore:
    """Return a store in a database, by default a new one, that keeps old tickets."""
    name = database or f"test_{uuid4().hex[:12]}"
    target = ClickHouseTarget(
        address.host, address.port, address.user, address.password, name, timeout_seconds=timeout_seconds
    )
    return ClickHouseTicketStore(target, retention_days)
