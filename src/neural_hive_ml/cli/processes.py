"""Child processes of `hive-ml up`: start, wait until ready, notice an end, stop all of them."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_STOP_SECONDS = 20.0
_LAST_LINES = 5


@dataclass(frozen=True, slots=True)
class Part:
    """One process: `ready` is a URL that answers below 500 once it serves (empty: nothing to ask)."""

    name: str
    command: tuple[str, ...]
    url: str = ""
    ready: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Running:
    """The started parts; each writes its own log file in `logs`."""

    logs: Path
    processes: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    def start(self, part: Part) -> None:
        """Start a part in a process group of its own, so that Ctrl-C reaches it through us only."""
        with (self.logs / f"{part.name}.log").open("ab") as log:
            self.processes[part.name] = subprocess.Popen(
                part.command, env={**os.environ, **part.environment}, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip

    def wait_ready(self, part: Part, seconds: float) -> str:
        """Return "" once a part answers, else why it does not."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            code = self.processes[part.name].poll()
            if code is not None:
                return f"ended with exit code {code}: {self.last_words(part.name)}"
            if not part.ready or _answers(part.ready):
                return ""
            time.sleep(0.1)
        return f"no answer from {part.ready} after {seconds:g} s"

    def ended(self) -> dict[str, int]:
        """Return the exit codes of parts that are no longer there."""
        codes = {name: process.poll() for name, process in self.processes.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def last_words(self, name: str) -> str:
        """Return the end of a part's log."""
        text = (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-_LAST_LINES:])

    def stop(self) -> Sequence[str]:
        """End all, last started first; return the names of those that had to be killed."""
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        until, killed = time.monotonic() + _STOP_SECONDS, []
        for name, process in self.processes.items():
            try:
                process.wait(max(until - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                killed.append(name)
        return killed


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - addresses of our own on loopback
            return bool(answer.status < 500)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (urllib.error.URLError, OSError):
        return False
