"""Random input over HTTP: no 5xx, no new metric series, no growth of memory.

    python -m benchmarks.fuzz [--bodies 10000] [--names 10000] [--seed 1] [--json FILE]

Each service runs as a process of its own, with models, and gets its part. `bodies` are thrown at every route that takes
one: bytes, JSON of no kind, and the routes' own examples with a part replaced. `names` are random model names, tasks,
owners, types and query values; where a route is there to remember tasks and owners (lifecycle events) they are of a
few hundred. Memory is the resident set, read after a warm-up of the same kind of input and after each of ten rounds of
bodies and names alike: growth by the warm-up levels off, growth by requests goes on. The slope is the median of the
slopes between any two readings of the second half (Theil and Sen): a step of an allocator does not make one.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import httpx
from rich.console import Console
from rich.table import Table

SERVICES = ("guard-agents", "orchestrator-dynamic", "approval-service")
WARM = 1_000
ROUNDS = 10
# What is learned is kept, as it should be: of each name once.
_LEARNING, _LEARNED = "/tickets/events", 300
_TEXTS = (
    "",
    " ",
    "\0",
    "ä",
    "日本",
    "💥",
    "'; DROP TABLE x",
    "../..",
    "<script>",
    "NaN",
    "1e999",
    "a" * 5_000,
    "{}",
    "null",
)


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a service's requests; memory in MiB."""

    id: str
    requests: int
    status: dict[str, int]
    server_errors: int
    new_series: int
    rss_mib: list[float]
    growth_mib: float
    slope_kib_per_1000: float
    learned: int
    requests_per_second: float


def scalar(rng: random.Random) -> Any:
    """Return a value that is often just wrong."""
    kind = rng.randrange(7)
    if kind == 0:
        return rng.choice(_TEXTS)
    if kind == 1:
        return "".join(chr(rng.randrange(32, 0x2FFF)) for _ in range(rng.randrange(40)))
    if kind == 2:
        return rng.choice((0, -1, 1, 2**31, 2**63, 2**64, 10**30, -(2**63)))
    if kind == 3:
        return rng.uniform(-1e12, 1e12)
    return rng.choice((True, False, None))


def tree(rng: random.Random, depth: int = 0) -> Any:
    """Return JSON of no kind."""
    if depth > 3 or rng.random() < 0.5:
        return scalar(rng)
    if rng.random() < 0.5:
        return [tree(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {str(scalar(rng))[:60]: tree(rng, depth + 1) for _ in range(rng.randrange(4))}


def mutated(rng: random.Random, example: Any) -> Any:
    """Return a copy with one to three places replaced, removed or doubled."""
    copy = deepcopy(example)
    for _ in range(rng.randrange(1, 4)):
        place = copy
        while isinstance(place, dict | list) and place:
            key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
            inner = place[key]
            if isinstance(inner, dict | list) and inner and rng.random() < 0.7:
                place = inner
                continue
            if isinstance(place, dict) and rng.random() < 0.2:
                del place[key]
            else:
                place[key] = tree(rng)
            break
    return copy


def body(rng: random.Random, example: Any) -> bytes:
    """Return a body that may be anything."""
    kind = rng.randrange(10)
    if kind == 0:
        return rng.randbytes(rng.randrange(400))
    if kind == 1:
        return b"[" * rng.randrange(1, 3_000)
    if kind == 2:
        return json.dumps(tree(rng)).encode()
    if kind == 3:
        whole = json.dumps(example).encode()
        return whole[: rng.randrange(len(whole))]
    return json.dumps(mutated(rng, example)).encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Target:
    """A running service: its client, its process, the routes of its document."""

    http: httpx.Client
    pid: int
    document: dict[str, Any]

    def series(self) -> set[str]:
        lines = self.http.get("/metrics").text.splitlines()
        return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}

    def rss_mib(self) -> float:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024

    def learned(self) -> int:
        """Return how many lifecycle events the statistics know; approval-service has none."""
        for line in self.http.get("/metrics").text.splitlines():
            if line.startswith("neural_hive_ml_statistics_sequence "):
                return int(float(line.rpartition(" ")[2]))
        return 0

    def posts(self) -> list[tuple[str, Any]]:
        return [
            (_example_path(path, methods["post"]), _content(methods["post"]["requestBody"]))
            for path, methods in self.document["paths"].items()
            if "requestBody" in methods.get("post", {})
        ]

    def gets(self) -> list[str]:
        return [path for path, methods in self.document["paths"].items() if "get" in methods]


def _content(part: dict[str, Any]) -> Any:
    return part["content"]["application/json"]["example"]


def _example_path(path: str, operation: dict[str, Any]) -> str:
    for parameter in operation.get("parameters", ()):
        path = path.replace(f"{{{parameter['name']}}}", str(parameter.get("example")))
    return path


def throw_body(target: Target, rng: random.Random, routes: list[tuple[str, Any]]) -> int:
    """Send one random body; return the status."""
    path, example = rng.choice(routes)
    kind = rng.choice(("application/json", "application/json", "text/plain", "x/y"))
    return target.http.post(path, content=body(rng, example), headers={"content-type": kind}).status_code


def throw_name(target: Target, rng: random.Random, routes: list[tuple[str, Any]], gets: list[str]) -> int:
    """Send a well-formed request about names that nobody knows; return the status."""
    name = "".join(rng.choice("abcdefghijklmnop-_.") for _ in range(rng.randrange(1, 80))) or "x"
    if rng.random() < 0.2:
        name = str(rng.choice(_TEXTS))[:200] + name
    if rng.random() < 0.4:
        path = rng.choice([*gets, f"/v2/models/{quote(name, safe='')}/infer", f"/{quote(name, safe='')}"])
        path = path.replace("{name}", quote(name, safe="")).replace("{model}", quote(name, safe=""))
        query = dict.fromkeys(
            rng.sample(("model_type", "horizon", "stage", "at_ms", "limit", "ticket_id"), 2), name
        )
        if path.endswith("/export"):
            query["since"] = name
        headers = {"X-Request-Id": quote(name), "X-API-Key": quote(name)}
        return target.http.get(path, params=query, headers=headers).status_code
    path, example = rng.choice(routes)
    path = path.replace("anomaly-detector-isolation_forest", quote(name, safe="")) if rng.random() < 0.5 else path
    named = deepcopy(example)
    if path.endswith(_LEARNING):
        name = f"task-{rng.randrange(_LEARNED)}"
    for holder in _holders(named):
        for field in ("task_id", "plan_id", "type", "event_id", "ticket_id", "user_id", "threat_type", "note"):
            if field in holder and isinstance(holder[field], str):
                holder[field] = name[:200]
        if "metadata" in holder:
            holder["metadata"] = {"owner": name[:200]}
    return target.http.post(path, json=named).status_code


def _holders(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _holders(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _holders(inner)


def repeat(times: int, send: Callable[[], int]) -> Counter[str]:
    """Send many; return the statuses."""
    return Counter(str(send()) for _ in range(times))


def fuzz(service: str, target: Target, bodies: int, names: int, seed: int) -> Found:
    """Warm up, then send everything and compare."""
    rng = random.Random(seed)
    routes, gets = target.posts(), target.gets()
    for path, example in routes:
        target.http.post(path, json=example)
    for _ in range(WARM // 2):
        throw_body(target, rng, routes)
        throw_name(target, rng, routes, gets)
    series, learned, began = target.series(), target.learned(), time.perf_counter()
    status: Counter[str] = Counter()
    rss = [target.rss_mib()]
    for _ in range(ROUNDS):
        status += repeat(-(-bodies // ROUNDS), lambda: throw_body(target, rng, routes))
        status += repeat(-(-names // ROUNDS), lambda: throw_name(target, rng, routes, gets))
        rss.append(target.rss_mib())
    seconds, sent = time.perf_counter() - began, status.total()
    return Found(
        id=f"fuzz-{service}",
        requests=sent,
        status=dict(sorted(status.items())),
        server_errors=sum(count for code, count in status.items() if code >= "500"),
        new_series=len(target.series() - series),
        rss_mib=rss,
        growth_mib=rss[-1] - rss[0],
        slope_kib_per_1000=slope(rss[ROUNDS // 2 :]) * 1024 / (sent / ROUNDS / 1000),
        learned=target.learned() - learned,
        requests_per_second=sent / seconds,
    )


def slope(readings: list[float]) -> float:
    """Return the median slope between any two of equally spaced readings, a step."""
    pairs = combinations(enumerate(readings), 2)
    return median((later - earlier) / (j - i) for (i, earlier), (j, later) in pairs)


@contextmanager
def served(service: str, folder: Path) -> Iterator[Target]:
    """Run a service in a process of its own until it is ready."""
    import os
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "neural_hive_ml", "serve", service, "--port", str(port)]
    environment = {**os.environ, "HIVE_DATA_DIR": str(folder), "OMP_NUM_THREADS": "1", "HIVE_LOG_LEVEL": "ERROR"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                with suppress(httpx.TransportError):
                    if http.get("/health/readiness").status_code == 200:
                        break
                time.sleep(0.1)
            yield Target(http, process.pid, http.get("/openapi.json").json())
    finally:
        process.kill()
        process.wait(10)


def with_models(folder: Path) -> None:
    """Publish small models of the packaged flights."""
    from neural_hive_ml.evaluation.verdict import Outcome, Verdict
    from neural_hive_ml.registry.memory import MemoryRegistry
    from neural_hive_ml.registry.promotion import promote
    from neural_hive_ml.state.memory import MemoryStateStore
    from neural_hive_ml.tickets.columns import columns_of
    from neural_hive_ml.tickets.sample import sample_tickets
    from neural_hive_ml.training.anomaly import train_anomaly
    from neural_hive_ml.training.duration import train_duration
    from neural_hive_ml.training.load import train_load
    from neural_hive_ml.training.request import TrainingRequest

    columns = columns_of([t for t in sample_tickets(until_ms=1_360_454_400_000) if t.owner == "AA"])
    until = int(columns.completed_at_ms.max()) + 1
    registry, state = MemoryRegistry(folder), MemoryStateStore()
    made = [
        train_anomaly(columns, TrainingRequest("anomaly", until, min_samples=500, threads=1)),
        train_duration(columns, TrainingRequest("scheduling", until, min_samples=500, threads=1)),
    ]
    for minutes in (60, 360, 1440):
        request = TrainingRequest(
            "load", until, min_samples=500, threads=1, algorithm="seasonal_mean", horizon_minutes=minutes
        )
        made.append(train_load(columns, request))
    for candidate in made:
        verdict = Verdict(Outcome.PROMOTE, ("for a benchmark",))
        version = registry.register(candidate.model, candidate.evaluation, verdict, {})
        promote(registry, state, version, actor="benchmark", reason="for a benchmark", at_ms=1)


def main() -> int:
    """Print a table; 1 when anything is found that must not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=int, default=10_000)
    parser.add_argument("--names", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--service", choices=SERVICES, action="append")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    found = []
    with TemporaryDirectory() as folder:
        with_models(Path(folder))
        services = args.service or SERVICES
        for service in services:
            with served(service, Path(folder)) as target:
                bodies, names = -(-args.bodies // len(services)), -(-args.names // len(services))
                found.append(fuzz(service, target, bodies, names, args.seed))
    table = Table(title="random input")
    for heading in (
        "id", "requests", "status", "5xx", "new series", "RSS MiB after each round", "growth MiB",
        "slope KiB per 1,000", "events learned", "per s",
    ):  # fmt: skip
        table.add_column(heading, overflow="fold")
    for one in found:
        status = " ".join(f"{code}:{count}" for code, count in one.status.items())
        table.add_row(
            one.id, str(one.requests), status, str(one.server_errors), str(one.new_series),
            " ".join(f"{mib:.1f}" for mib in one.rss_mib), f"{one.growth_mib:+.1f}",
            f"{one.slope_kib_per_1000:+.0f}", str(one.learned), f"{one.requests_per_second:.0f}",
        )  # fmt: skip
    Console(width=160).print(table)
    if args.json:
        args.json.write_text(json.dumps([asdict(one) for one in found], indent=1))
    return int(any(one.server_errors or one.new_series for one in found))


if __name__ == "__main__":
    sys.exit(main())
