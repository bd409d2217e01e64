"""Do the servers' clocks agree with ours? Asked of each server itself, judged by what the question's round trip allows."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from neural_hive_ml.clock import SystemClock
from neural_hive_ml.diagnosis.check import Check

# Leases, watermarks and the order of records bear this much.
MOST_SKEW_MS: Final = 2_000
# Looks at a coarse clock: a second and a half of them, in which a second changes.
_LOOKS, _BETWEEN_SECONDS = 6, 0.3


@dataclass(frozen=True, slots=True)
class Skew:
    """How far a server's clock is ahead of ours, and by how much that may be wrong."""

    offset_ms: float
    uncertainty_ms: float

    @property
    def verdict(self) -> str:
        """``apart``, ``together``, or ``unknown`` where the answer took too long to tell."""
        if abs(self.offset_ms) - self.uncertainty_ms > MOST_SKEW_MS:
            return "apart"
        return "together" if abs(self.offset_ms) + self.uncertainty_ms <= MOST_SKEW_MS else "unknown"


def skew_of(asked_ms: int, told_ms: int, answered_ms: int, resolution_ms: int = 1) -> Skew:
    """Compare the time a server told, cut to `resolution_ms`, with the middle of our question and its answer.

    >>> skew_of(1_000, 6_050, 1_100)
    Skew(offset_ms=5000.5, uncertainty_ms=50.5)
    """
    middle = (asked_ms + answered_ms) / 2
    return Skew(told_ms + resolution_ms / 2 - middle, (answered_ms - asked_ms + resolution_ms) / 2)


def narrowed(first: Skew, second: Skew) -> Skew:
    """Return what two looks at one clock leave: where both may be; the second where a clock was set in between.

    >>> narrowed(Skew(0.0, 1_000.0), Skew(900.0, 1_000.0))
    Skew(offset_ms=450.0, uncertainty_ms=550.0)
    """
    low = max(one.offset_ms - one.uncertainty_ms for one in (first, second))
    high = min(one.offset_ms + one.uncertainty_ms for one in (first, second))
    return Skew((low + high) / 2, (high - low) / 2) if low <= high else second


def check_clock(server: str, asked_ms: int, told_ms: int, resolution_ms: int = 1) -> Check:
    """Judge a time that was told just now in answer to a question of `asked_ms`."""
    return _judged(server, skew_of(asked_ms, told_ms, SystemClock().now_ms(), resolution_ms))


def watch_clock(server: str, ask: Callable[[], int], resolution_ms: int) -> Check:
    """Judge a clock by what `ask` returns of it (ms), asked again for a while when one coarse answer is not enough.

    A time that is cut to a second tells most at the moment when it changes.
    """
    clock, skew = SystemClock(), None
    for look in range(_LOOKS):
        if look:
            time.sleep(_BETWEEN_SECONDS)
        asked_ms = clock.now_ms()
        told_ms = ask()
        seen = skew_of(asked_ms, told_ms, clock.now_ms(), resolution_ms)
        skew = seen if skew is None else narrowed(skew, seen)
        if skew.verdict != "unknown":
            break
    assert skew is not None
    return _judged(server, skew)


def _judged(server: str, skew: Skew) -> Check:
    detail = f"{skew.offset_ms / 1000:+,.2f} s from ours, give or take {skew.uncertainty_ms / 1000:,.2f} s"
    match skew.verdict:
        case "apart":
            return Check(f"clock {server}", "warning", detail, "timedatectl set-ntp true, on both machines")
        case "together":
            return Check(f"clock {server}", "ok", detail)
        case _:
            return Check(
                f"clock {server}", "unknown", f"{detail}: too slow an answer to tell", "hive-ml doctor, again"
            )
