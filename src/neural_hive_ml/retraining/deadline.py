"""A training that takes too long is given up, in this process."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from neural_hive_ml.errors import TrainingFailed

AGAIN_SECONDS: Final = 10.0


@contextmanager
def deadline(seconds: float, again_seconds: float = AGAIN_SECONDS) -> Iterator[None]:
    """Raise `TrainingFailed` in the block once `seconds` are over, and again every `again_seconds` until the block ends,
    since a search may take the first one for a trial that failed; in the main thread of a POSIX process.

    A long call into compiled code is interrupted when it returns. In another thread there is no deadline.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise TrainingFailed(
            f"training took more than {seconds:,.0f} s",
            remedy="shorten RETRAINING_WINDOW_DAYS or give it more CPU",
        )

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds, again_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
