"""An interval that keeps its coverage while the world moves: each end of a ticket moves the two ends of the interval.

Quantile tracking (Angelopoulos, Candès, Tibshirani 2023): an outcome beyond an end moves it out by 0.9 steps, any other
moves it in by 0.1, so that in the long run one in ten lies beyond each, whatever the order of outcomes. Labels arrive when
tickets end, not when they are predicted.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_BEYOND = 0.1
# Steps, in half widths of the interval: a tenth of all outcomes wrongly inside is made good in about 500 of them.
PACE = 0.02
# A ticket that never ends must not be waited for for ever.
_MOST_OPEN = 100_000
_FARTHEST = 5.0


@dataclass(slots=True)
class AdaptiveInterval:
    """How far (log ms) the ends of an interval are moved out now; `step` is the size of one move."""

    step: float
    low: float = 0.0
    high: float = 0.0
    open: "OrderedDict[str, tuple[float, float]]" = field(default_factory=OrderedDict)

    def apply(self, key: str, log_quantiles: Floats) -> Floats:
        """Move the ends of [3] log quantiles of a ticket and remember them until it ends."""
        moved = self.moved(log_quantiles)
        self.open[key] = (float(moved[0]), float(moved[2]))
        if len(self.open) > _MOST_OPEN:
            self.open.popitem(last=False)
        return moved

    def moved(self, log_quantiles: Floats) -> Floats:
        """Move the ends of [3] log quantiles; they never pass the middle."""
        low, middle, high = log_quantiles.tolist()
        return np.array([min(low - self.low, middle), middle, max(high + self.high, middle)])

    def ended(self, key: str, log_duration: float) -> None:
        """Learn how long a ticket took; what was never predicted, or is long forgotten, teaches nothing."""
        told = self.open.pop(key, None)
        if told is None:
            return
        self.low = _bounded(self.low + self.step * ((log_duration < told[0]) - _BEYOND))
        self.high = _bounded(self.high + self.step * ((log_duration > told[1]) - _BEYOND))


def _bounded(moved: float) -> float:
    return min(max(moved, -_FARTHEST), _FARTHEST)


def adapted(
    log_quantiles: Floats, log_duration: Floats, created_at_ms: Ints, ended_at_ms: Ints, step: float
) -> Floats:
    """Replay tickets [n] in time and return the quantiles [n, 3] that a service would have answered with. O(n log n)."""
    n = len(log_duration)
    interval, out = AdaptiveInterval(step), np.array(log_quantiles)
    # At one moment ends come before creations: what is known is used.
    moment = np.concatenate([ended_at_ms, created_at_ms])
    order = np.lexsort((np.repeat([0, 1], n), moment))
    for event in order.tolist():
        if event >= n:
            out[event - n] = interval.apply(str(event - n), log_quantiles[event - n])
        else:
            interval.ended(str(event), float(log_duration[event]))
    return out
