"""Requests and answers of API v1 as a client of its first release saw them; new services must go on answering them.

python -m tests.support.api_v1     # records them anew: only when v1 gains something, never to make a test pass
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from neural_hive_ml.client import Target
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.encode import encode_ticket
from tests.support.served import publish, served
from tests.support.trained import anomaly_candidate, flights, flights_duration_candidate, flights_load_candidate

RECORDED = Path(__file__).parents[1] / "fixtures" / "api-v1.json"
Json = Any


def requests() -> list[dict[str, Json]]:
    """The requests, as plain JSON."""
    tickets = [json.loads(encode_ticket(t)) for t in flights()[-3:]]
    now = tickets[-1]["created_at"]
    return [
        {"service": "guard_agents", "method": "POST", "path": "/api/v1/tickets/score", "body": tickets[0]},
        {"service": "guard_agents", "method": "POST", "path": "/api/v1/tickets/score", "body": tickets[1],
         "query": {"stage": "created", "at_ms": str(now)}},
        {"service": "guard_agents", "method": "POST", "path": "/api/v1/tickets/score/batch",
         "body": {"tickets": [*tickets, {"ticket_id": 1}]}},
        {"service": "guard_agents", "method": "POST", "path": "/api/v1/tickets/events", "body": {"tickets": tickets}},
        {"service": "guard_agents", "method": "POST", "path": "/api/v1/tickets/score", "body": {"ticket_id": 1}},
        {"service": "orchestrator", "method": "POST", "path": "/api/v1/duration/predict", "body": tickets[0]},
        {"service": "orchestrator", "method": "POST", "path": "/api/v1/ml/predict/duration", "body": tickets[0]},
        {"service": "orchestrator", "method": "POST", "path": "/api/v1/duration/predict/batch",
         "body": {"tickets": [*tickets, {"ticket_id": 1}]}},
        {"service": "orchestrator", "method": "GET", "path": "/api/v1/load/forecast",
         "query": {"horizon": "60", "at_ms": str(now)}},
        {"service": "orchestrator", "method": "GET", "path": "/api/v1/ml/load-forecast",
         "query": {"horizon_minutes": "60", "at_ms": str(now)}},
        {"service": "orchestrator", "method": "GET", "path": "/api/v1/load/forecast", "query": {"horizon": "7"}},
        {"service": "orchestrator", "method": "POST", "path": "/api/v1/ml/enrich", "body": tickets[0]},
        {"service": "approval", "method": "POST", "path": "/api/v1/feedback",
         "body": {"ticket_id": tickets[0]["ticket_id"], "verdict": "normal", "author": "ana", "note": "planned"}},
        {"service": "approval", "method": "POST", "path": "/api/v1/feedback", "body": {"verdict": "perhaps"}},
    ]  # fmt: skip


@contextmanager
def services() -> Iterator[Target]:
    """Run the three services on one data folder with models of real flights."""
    with TemporaryDirectory(prefix="hive-api-") as scratch, ExitStack() as stack:
        folder = Path(scratch)
        publish(folder, [anomaly_candidate(), flights_duration_candidate(), flights_load_candidate(60)])
        store = EmbeddedTicketStore(folder / "tickets")
        store.upsert(flights())
        store.close()
        names = ("guard-agents", "orchestrator-dynamic", "approval-service")
        target = Target(*(stack.enter_context(served(folder, name))[0] for name in names))
        for address in (target.guard_agents, target.orchestrator, target.approval):
            _wait(address)
        yield target


def send(target: Target, request: dict[str, Json]) -> httpx.Response:
    """Send one request as an old client would: plain HTTP and JSON."""
    content = json.dumps(request["body"]).encode() if "body" in request else None
    headers = {"content-type": "application/json"} if content else {}
    return httpx.request(
        request["method"], getattr(target, request["service"]) + request["path"],
        params=request.get("query"), content=content, headers=headers, timeout=30,
    )  # fmt: skip


def missing(old: Json, new: Json, where: str = "$") -> list[str]:
    """Return what an old answer has and a new one lacks or has as another type; null fits everything."""
    if old is None or new is None:
        return []
    if isinstance(old, dict):
        if not isinstance(new, dict):
            return [f"{where} is no object any more"]
        gone = [f"{where}.{name} is gone" for name in old if name not in new]
        return gone + [m for name in old if name in new for m in missing(old[name], new[name], f"{where}.{name}")]
    if isinstance(old, list):
        if not isinstance(new, list):
            return [f"{where} is no list any more"]
        fewer = [f"{where} had {len(old)} items, has {len(new)}"] if len(new) < len(old) else []
        pairs = zip(old, new, strict=False)  # more of them are welcome
        return fewer + [m for i, (a, b) in enumerate(pairs) for m in missing(a, b, f"{where}[{i}]")]
    kinds = [bool if isinstance(v, bool) else float if isinstance(v, int | float) else type(v) for v in (old, new)]
    return [] if kinds[0] is kinds[1] else [f"{where} was {kinds[0].__name__}, is {kinds[1].__name__}"]


def _wait(address: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            health = httpx.get(f"{address}/health", timeout=60).json()
            if health.get("ready", True) and health.get("history", {"read": True})["read"]:
                return
        time.sleep(0.05)
    raise AssertionError(f"{address} is not ready within a minute")


if __name__ == "__main__":
    with services() as where:
        exchanges = []
        for one in requests():
            answer = send(where, one)
            exchanges.append({"request": one, "status": answer.status_code, "answer": answer.json()})
    RECORDED.write_text(json.dumps(exchanges, indent=1, sort_keys=True) + "\n")
