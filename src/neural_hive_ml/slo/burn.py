"""Burn-rate arithmetic: how fast a budget goes, which alerts can fire at all, and how long the budget lasts.

Source: Google SRE Workbook, chapter 5; the pairs of windows are those of its table 5-8. The short window is a
twelfth of the long one: it only makes an alert reset soon after the fault is over.
"""

from dataclasses import dataclass
from typing import Final, Literal

from neural_hive_ml.errors import UsageError
from neural_hive_ml.slo.durations import seconds_of

Speed = Literal["fast", "slow"]


class UnreachableAlert(UsageError):
    """An alert that no error ratio could ever set off."""


@dataclass(frozen=True, slots=True)
class WindowPair:
    """An alert's two windows and the share of the period's budget that is gone when it fires."""

    speed: Speed
    consumed: float
    long: str
    short: str

    def factor(self, period: str) -> float:
        """Return the burn rate that consumes `consumed` of the budget of `period` within the long window.

        >>> round(WindowPair("fast", 0.02, "1h", "5m").factor("30d"), 6)
        14.4
        """
        return self.consumed * seconds_of(period) / seconds_of(self.long)


PAIRS: Final = (
    WindowPair("fast", 0.02, "1h", "5m"),
    WindowPair("fast", 0.05, "6h", "30m"),
    WindowPair("slow", 0.10, "24h", "2h"),
    WindowPair("slow", 0.10, "3d", "6h"),
)


def budget(objective: float) -> float:
    """Return the share of bad events that an objective allows. Raises `UsageError` outside (0, 1)."""
    if not 0 < objective < 1:
        raise UsageError(f"objective {objective} is not between 0 and 1", remedy="write 0.995 for 99.5 %")
    return 1 - objective


def ceiling(objective: float) -> float:
    """Return the highest burn rate there can be: everything fails.

    >>> round(ceiling(0.75), 9)
    4.0
    """
    return 1 / budget(objective)


def least_objective(factor: float) -> float:
    """Return the objective above which an alert at `factor` can fire.

    >>> round(least_objective(14.4), 4)
    0.9306
    """
    return 1 - 1 / factor


def require_reachable(name: str, objective: float, pair: WindowPair, period: str) -> float:
    """Return the factor of an alert, if some error ratio can exceed it.

    Raises
    ------
    UnreachableAlert
        When even an outage would not set it off; the message names the ceiling and the way out.
    """
    factor = pair.factor(period)
    if factor >= ceiling(objective):
        raise UnreachableAlert(
            f"{name}: its alert over {pair.long} fires at a burn rate of {factor:g}, but an objective of "
            f"{objective:.4g} can never burn faster than {ceiling(objective):.4g}",
            remedy=f"raise the objective above {least_objective(factor):.4f}, or restate it as compliance time",
        )
    return factor


def hours_to_exhaustion(remaining: float, burn_rate: float, period: str) -> float:
    """Return how long `remaining` (share of the budget, 0..1) lasts at a burn rate; infinite when nothing burns.

    >>> hours_to_exhaustion(0.5, 14.4, "30d")
    25.0
    """
    if burn_rate <= 0:
        return float("inf")
    return max(remaining, 0.0) * seconds_of(period) / 3600 / burn_rate


def fewest_events(factor: float, objective: float) -> float:
    """Return how many events a window needs so that a single bad one cannot set an alert off.

    >>> round(fewest_events(14.4, 0.995), 1)
    13.9
    """
    return 1 / (factor * budget(objective))
