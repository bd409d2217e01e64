"""guard-agents as its own process, spoken to over HTTP as the platform does."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import httpx

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.errors import HiveError
from neural_hive_ml.settings import Settings
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.ticket import Ticket

_START_SECONDS = 30.0
_BATCH = 500


@dataclass(frozen=True, slots=True)
class GuardAgentsClient:
    """A running guard-agents; `pid` is its process, `base_url` where it listens."""

    base_url: str
    pid: int
    http: httpx.Client

    def score(self, tickets: Sequence[Ticket]) -> list[dict[str, Any]]:
        """Score tickets in batches; one answer each, in order."""
        return [answer for part in _parts(tickets) for answer in self._post("score/batch", part)["results"]]

    def learn(self, tickets: Sequence[Ticket]) -> None:
        """Tell the service what happened to tickets."""
        for part in _parts(tickets):
            self._post("events", part)

    def follow(self, tickets: Iterable[Ticket]) -> list[tuple[Ticket, dict[str, Any]]]:
        """Score tickets as they end, hour by hour; each hour is learned only after it was scored."""
        out: list[tuple[Ticket, dict[str, Any]]] = []
        ended = sorted((t for t in tickets if t.completed_at is not None), key=lambda t: t.completed_at or 0)
        for _, hour in groupby(ended, key=lambda t: (t.completed_at or 0) // HOUR_MS):
            together = list(hour)
            out += zip(together, self.score(together), strict=True)
            self.learn(together)
        return out

    def refresh(self) -> dict[str, Any]:
        """Ask it to look at the registry now."""
        return self._json(self.http.post("/api/v1/model/refresh"))

    def health(self) -> dict[str, Any]:
        """Return what serves, from where, since when."""
        return self._json(self.http.get("/health"))

    def metrics(self) -> str:
        """Return its metrics, in Prometheus text format."""
        return self.http.get("/metrics").text

    def _post(self, path: str, tickets: Sequence[Ticket]) -> dict[str, Any]:
        body = b'{"tickets":[' + b",".join(encode_ticket(t) for t in tickets) + b"]}"
        return self._json(self.http.post(f"/api/v1/tickets/{path}", content=body))

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.status_code >= 400:
            raise HiveError(f"guard-agents answered {answer.status_code}: {answer.text[:500]}")
        document: dict[str, Any] = answer.json()
        return document


@contextmanager
def guard_agents_running(settings: Settings) -> Iterator[GuardAgentsClient]:
    """Start guard-agents on a free port, wait until it is ready, stop it at the end whatever happens.

    Raises
    ------
    HiveError
        When it is not ready within 30 seconds; its log is named.
    """
    port = _free_port()
    log = settings.data_dir / "guard-agents.log"
    command = [
        sys.executable,
        "-m",
        "neural_hive_ml",
        "serve",
        "guard-agents",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=_environment(settings))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60.0, trust_env=False) as http:
            client = GuardAgentsClient(str(http.base_url), process.pid, http)
            _wait(client, process, str(log))
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(settings: Settings) -> dict[str, str]:
    """The environment that gives a child the very same settings."""
    known = {name: value.text for name, value in settings.values.items()}
    return {**os.environ, **known, "HIVE_DATA_DIR": str(settings.data_dir), "HIVE_PROFILE": settings.profile}


def _wait(client: GuardAgentsClient, process: "subprocess.Popen[bytes]", log: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if client.http.get("/health/readiness").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise HiveError(f"guard-agents is not ready after {_START_SECONDS:.0f} s", remedy=f"read {log}")


def _parts(tickets: Sequence[Ticket]) -> Iterator[Sequence[Ticket]]:
    for begin in range(0, len(tickets), _BATCH):
        yield tickets[begin : begin + _BATCH]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
