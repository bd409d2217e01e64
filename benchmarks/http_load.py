"""Load over HTTP: wrk at full speed, and paced connections whose latency counts from when a request was due."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a service did at full speed: requests a second, latency in ms at P50 and P99, answers that were no 2xx."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


def press(url: str, body: bytes, headers: Mapping[str, str], seconds: float, folder: Path) -> Pressed:
    """Post one body over four connections as fast as answers come (wrk)."""
    (folder / "body").write_bytes(body)
    lines = [
        'wrk.method = "POST"',
        f'local file = io.open("{folder / "body"}", "rb")',
        'wrk.body = file:read("*a")',
        *(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()),
    ]
    script = folder / "post.lua"
    script.write_text("\n".join(lines))
    command = ["wrk", "-t1", "-c4", f"-d{seconds:g}s", "--timeout", "30s", "--latency", "-s", str(script), url]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    failed = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", out))
    failed += sum(sum(map(int, re.findall(r"\d+", line))) for line in out.splitlines() if "Socket errors" in line)
    rate = float(re.findall(r"Requests/sec:\s+([\d.]+)", out)[0])
    return Pressed(rate, _latency(out, "50"), _latency(out, "99"), failed)


def _latency(out: str, percent: str) -> float:
    value, unit = re.findall(rf"\s{percent}%\s+([\d.]+)(us|ms|s)", out)[0]
    return float(value) * UNITS[unit]


@dataclass(slots=True)
class Paced:
    """Latencies in ms from when each request was due, and how many failed."""

    latencies_ms: list[float]
    failed: int = 0


def pace(
    url: str, body: bytes, headers: Mapping[str, str], per_second: float, seconds: float, connections: int = 4
) -> Paced:
    """Post at a steady rate over `connections`; a late answer makes the next late, as it does for callers."""
    parts, done = urlsplit(url), [Paced([]) for _ in range(connections)]
    began = time.perf_counter() + 0.2

    def one(number: int) -> None:
        mine, connection = done[number], HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        step = connections / per_second
        due = began + number * step / connections
        while due < began + seconds:
            time.sleep(max(due - time.perf_counter(), 0))
            try:
                connection.request("POST", parts.path, body, dict(headers))
                answer = connection.getresponse()
                answer.read()
                mine.failed += answer.status >= 300
            except (OSError, HTTPException):
                mine.failed += 1
                connection.close()
            mine.latencies_ms.append((time.perf_counter() - due) * 1e3)
            due += step

    threads = [threading.Thread(target=one, args=(i,)) for i in range(connections)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    return Paced([x for part in done for x in part.latencies_ms], sum(part.failed for part in done))


def resident_mib(pid: int) -> float:
    """Return the resident set of a process and of its children, MiB."""
    total, waiting = 0.0, [pid]
    while waiting:
        now = waiting.pop()
        try:
            status = Path(f"/proc/{now}/status").read_text()
            tasks = Path(f"/proc/{now}/task").iterdir()
            for task in tasks:
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
        total += int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024
    return total
