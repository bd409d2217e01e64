"""Commands of this program that a loop runs one after the other, until a signal ends the loop and what it runs."""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Final

# So soon a machine that was asleep, or whose clock was set, notices what time it is.
LONGEST_WAIT_SECONDS: Final = 60.0


class CommandLoop:
    """Takes over SIGTERM and SIGINT, so in the main thread only; `wait` is the loop's clock, `run` its work."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._running: subprocess.Popen[bytes] | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def wait(self, seconds: float) -> bool:
        """Wait; True, at once, when a signal came."""
        return self._stop.wait(seconds)

    def run(self, arguments: Sequence[str]) -> int | None:
        """Run `hive-ml` with arguments and return its exit code, None when a signal ended it."""
        with subprocess.Popen(command_of(arguments)) as process:
            self._running = process
            if self._stop.is_set():  # the signal came while the process was being started
                process.terminate()
            code = process.wait()
            self._running = None
        return None if self._stop.is_set() else code

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop.set()
        if self._running is not None:
            self._running.terminate()


def command_of(arguments: Sequence[str]) -> list[str]:
    """Return the command line of `hive-ml` with arguments, by this very interpreter."""
    return [sys.executable, "-m", "neural_hive_ml", *arguments]
