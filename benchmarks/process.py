"""A step of a benchmark in a process of its own, so that the system tells its peak memory."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - before any import of ours


@dataclass(frozen=True, slots=True)
class Ended:
    """What a step printed as JSON, and what the system says it took; `peak_mib` is its largest resident set."""

    told: Any
    cpu_s: float
    peak_mib: float


def run(module: str, *arguments: str) -> Ended:
    """Run `python -m module arguments` and return what it said; its last line of standard output is JSON."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if not line.startswith("{"):
            print(line, end="", flush=True)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)} ended with {process.returncode}")
    return Ended(json.loads(lines[-1]), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
