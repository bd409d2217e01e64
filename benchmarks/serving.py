"""guard-agents over HTTP beside `mlflow models serve` and MLServer, with one worker and four connections each, in one run.

    scripts/install_bench_peers.sh
    python -m benchmarks.serving [--seconds S] [--rounds N] [--soak S] [--json FILE]

A row: the feature row as each server takes it; the peers score a forest of 100 trees, guard-agents its whole detector.
A ticket: a document to a verdict, with features, authentication, prediction log and metrics. Ratios are of the medians of
the rounds. The load comes from another process (wrk); latency at half of the maximum is from when a request was due.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import IsolationForest
from tests.services.test_ticket_stream import later_tickets
from tests.support.served import publish, served
from tests.support.trained import anomaly_candidate

from benchmarks.http_load import Pressed, pace, press, resident_mib
from benchmarks.peers import mlflow_serving, mlserver_serving
from neural_hive_ml.tickets.encode import encode_ticket

NAME = "anomaly-detector-isolation_forest"
KEY = "bench"
AUTHENTICATED = {"content-type": "application/json", "x-api-key": KEY}
PLAIN = {"content-type": "application/json"}
BARS = {
    ("row", "mlflow models serve"): 40,
    ("row", "MLServer"): 20,
    ("ticket", "mlflow models serve"): 20,
    ("ticket", "MLServer"): 10,
}


def bodies() -> tuple[Any, bytes, bytes, bytes]:
    """Return rows to fit the peers on, one row for MLflow, the same by the inference protocol, and a ticket."""
    rows = np.repeat(anomaly_candidate().model.golden.rows, 8, axis=0)
    rows = rows + np.random.default_rng(0).normal(0, 1e-3, rows.shape)
    row = anomaly_candidate().model.golden.rows[:1]
    tensor = {"name": "rows", "shape": list(row.shape), "datatype": "FP64", "data": row.tolist()}
    ticket = encode_ticket(later_tickets()[0])
    return rows, json.dumps({"inputs": row.tolist()}).encode(), json.dumps({"inputs": [tensor]}).encode(), ticket


def ended(rounds: list[Pressed]) -> Pressed:
    """Return the median of rounds; all failures."""
    return Pressed(
        median(r.per_second for r in rounds),
        median(r.p50_ms for r in rounds),
        median(r.p99_ms for r in rounds),
        sum(r.failed for r in rounds),
    )


def main(arguments: list[str]) -> int:
    """Print the table; exit code 1 where a request failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--soak", type=float, default=600.0, help="seconds at half of the maximum")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    rows, for_mlflow, tensor, ticket = bodies()
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=0, n_jobs=1).fit(rows)
    found: dict[str, list[Pressed]] = {}
    with TemporaryDirectory() as name:
        places = {part: Path(name) / part for part in ("ours", "mlflow", "mlserver")}
        for place in places.values():
            place.mkdir()
        publish(places["ours"], [anomaly_candidate()])
        key = f"{KEY}:score+operate:{sha256(KEY.encode()).hexdigest()}"
        with (
            served(places["ours"], HIVE_API_KEYS=key, HIVE_LOG_LEVEL="WARNING") as (address, process),
            mlflow_serving(forest, places["mlflow"]) as (mlflow_url, mlflow_process),
            mlserver_serving(rows, places["mlserver"]) as (mlserver_url, mlserver_process),
        ):
            ticket_url = f"{address}/api/v1/tickets/score"
            doors = {
                "row": (f"{address}/v2/models/{NAME}/infer", tensor, AUTHENTICATED),
                "ticket": (ticket_url, ticket, AUTHENTICATED),
                "mlflow models serve": (mlflow_url, for_mlflow, PLAIN),
                "MLServer": (mlserver_url, tensor, PLAIN),
            }
            await_ready(doors["row"])
            for _ in range(asked.rounds):
                for what, (url, body, headers) in doors.items():
                    found.setdefault(what, []).append(press(url, body, headers, asked.seconds, Path(name)))
            medians = {what: ended(rounds) for what, rounds in found.items()}
            half = medians["ticket"].per_second / 2
            paced = pace(ticket_url, ticket, AUTHENTICATED, half, 10.0)
            soaked = soak(ticket_url, ticket, half, asked.soak, process.pid)
            sizes = {
                "guard-agents": resident_mib(process.pid),
                "mlflow models serve": resident_mib(mlflow_process.pid),
                "MLServer": resident_mib(mlserver_process.pid),
            }
    p50, p99 = np.quantile(paced.latencies_ms, (0.5, 0.99)).tolist()
    told = {
        "pressed": {what: asdict(value) for what, value in medians.items()},
        "half": {"per_second": half, "p50_ms": p50, "p99_ms": p99, "failed": paced.failed},
        "soak": soaked,
        "resident_mib": sizes,
        "ratios": {f"{ours} / {peer}": medians[ours].per_second / medians[peer].per_second for ours, peer in BARS},
    }
    show(told)
    if asked.json is not None:
        asked.json.write_text(json.dumps(told, indent=2) + "\n")
    failed = sum(value.failed for value in medians.values()) + paced.failed + soaked["failed"]
    return 1 if failed else 0


def await_ready(door: tuple[str, bytes, dict[str, str]]) -> None:
    """Wait until a door answers 200."""
    url, body, headers = door
    give_up = time.monotonic() + 30
    while pace(url, body, headers, 4, 0.5, connections=1).failed:
        if time.monotonic() > give_up:
            raise RuntimeError(f"{url} does not answer")


def soak(url: str, body: bytes, per_second: float, seconds: float, pid: int) -> dict[str, Any]:
    """Go on for a while; return failures, the resident set at the start and the end, and its slope over the second half."""
    minutes, sizes, failed, latencies = [0.0], [resident_mib(pid)], 0, []
    began = time.monotonic()
    while (left := seconds - (time.monotonic() - began)) > 1:
        part = pace(url, body, AUTHENTICATED, per_second, min(left, 20.0))
        failed += part.failed
        latencies += part.latencies_ms
        minutes.append((time.monotonic() - began) / 60)
        sizes.append(resident_mib(pid))
    later = len(sizes) // 2
    slope = float(np.polyfit(minutes[later:], sizes[later:], 1)[0]) if len(sizes) - later >= 2 else float("nan")
    return {
        "seconds": seconds,
        "requests": len(latencies),
        "failed": failed,
        "p99_ms": float(np.quantile(latencies, 0.99)) if latencies else None,
        "first_mib": sizes[0],
        "last_mib": sizes[-1],
        "slope_mib_per_minute": slope,
    }


def show(told: dict[str, Any]) -> None:
    """Print what was measured, with the bars."""
    console = Console(width=120)
    table = Table(title="HTTP, one worker, four connections")
    for heading in ("id", "requests/s", "P50 ms", "P99 ms", "failed"):
        table.add_column(heading, justify="right")
    for what, value in told["pressed"].items():
        numbers = (f"{value['per_second']:,.0f}", f"{value['p50_ms']:.2f}", f"{value['p99_ms']:.2f}")
        table.add_row(f"speed.http.{what.replace(' ', '_')}", *numbers, str(value["failed"]))
    console.print(table)
    for (ours, peer), bar in BARS.items():
        console.print(f"{ours} against {peer}: {told['ratios'][f'{ours} / {peer}']:.1f} times (bar {bar})")
    half, soaked = told["half"], told["soak"]
    console.print(
        f"speed.http.half: {half['per_second']:,.0f} tickets/s, P50 {half['p50_ms']:.2f} ms, P99 {half['p99_ms']:.2f} ms "
        f"(bar 10), {half['failed']} failed"
    )
    console.print(
        f"speed.http.soak: {soaked['seconds']:.0f} s, {soaked['requests']:,} tickets, {soaked['failed']} failed; resident "
        f"{soaked['first_mib']:.0f} to {soaked['last_mib']:.0f} MiB (bar 250), "
        f"{soaked['slope_mib_per_minute']:+.2f} MiB a minute"
    )
    console.print(
        "resident MiB: " + ", ".join(f"{name} {size:.0f}" for name, size in told["resident_mib"].items())
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
