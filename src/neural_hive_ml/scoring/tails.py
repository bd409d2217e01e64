"""How rare a signal is: its upper tail as remembered from training, in decimal orders of magnitude.

`rarity` 2 means one row in a hundred is as high. Beyond the highest row seen it grows by the signal's own scale, so that
what never happened before is rarer than what hardly did (the idea of ECOD's tail probabilities, Li et al. 2022, one-sided,
with a continued tail).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.compiled import COMPILED, kernels

Floats = npt.NDArray[np.float64]
# Exceedance probabilities at which the tail is remembered.
LEVELS = np.array([0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.003, 0.002, 0.001, 0.0005, 0.0002, 0.0001])
MOST = 8.0
ORDERS = -np.log10(LEVELS)
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Tails:
    """`knots` [m, k] values of m signals at LEVELS, `slope` [m] decimal orders a unit beyond the last knot."""

    knots: Floats
    slope: Floats

    @staticmethod
    def checked(knots: npt.NDArray[Any], slope: npt.NDArray[Any], signals: int) -> "Tails":
        """Return the tails of `signals` signals from an artifact's arrays.

        Raises
        ------
        ValueError
            When they are of another shape, fall, or are no numbers.
        """
        tails = Tails(np.ascontiguousarray(knots, dtype=np.float64), np.ascontiguousarray(slope, dtype=np.float64))
        if tails.knots.shape != (signals, len(LEVELS)) or tails.slope.shape != (signals,):
            raise ValueError(f"tails of shape {tails.knots.shape}, {tails.slope.shape} for {signals} signals")
        rising = bool((np.diff(tails.knots, axis=1) >= 0).all() and np.isfinite(tails.knots).all())
        if not (rising and (tails.slope > 0).all() and np.isfinite(tails.slope).all()):
            raise ValueError("tails that do not rise")
        return tails

    def rarity(self, signals: Floats, *, compiled: bool = COMPILED) -> Floats:
        """Return [n, m] decimal orders of rarity in [0, MOST] of signals [n, m]."""
        out = np.empty(signals.shape)
        if compiled:
            x = np.ascontiguousarray(signals, dtype=np.float64)
            kernels.rarity(x, self.knots, self.slope, ORDERS, out, MOST)
            return out
        for begin in range(0, len(signals), _BLOCK):
            out[begin : begin + _BLOCK] = self._rarity(signals[begin : begin + _BLOCK])
        return np.clip(out, 0.0, MOST)

    def _rarity(self, x: Floats) -> Floats:
        # All signals at once: one row costs a dozen calls instead of a dozen for each signal.
        m = np.arange(x.shape[1])
        # The rarest level whose knot is reached, then a straight line to the next knot.
        i = (self.knots < x[:, :, None]).sum(axis=2)
        low, high = np.maximum(i - 1, 0), np.minimum(i, len(LEVELS) - 1)
        below = self.knots[m, low]
        span = self.knots[m, high] - below
        share = np.divide(x - below, span, out=np.zeros_like(x), where=span > 0)
        inside = ORDERS[low] + np.minimum(np.maximum(share, 0.0), 1.0) * (ORDERS[high] - ORDERS[low])
        # Above everything remembered: at least as rare as the last level, whatever lay at the others.
        beyond = ORDERS[-1] + (x - self.knots[:, -1]) * self.slope
        return np.where(x > self.knots[:, -1], beyond, np.where(x > self.knots[:, 0], inside, 0.0))


def fit_tails(signals: Floats, scales: Floats) -> Tails:
    """Remember the upper tails of signals [n, m]; `scales` [m] are the least steps that count beyond them. O(n log n)."""
    m = signals.shape[1]
    knots = np.quantile(signals, 1.0 - LEVELS, axis=0, method="higher").T.copy()
    slope = np.empty(m)
    for j in range(m):
        reach = knots[j, -1] - knots[j, np.searchsorted(-LEVELS, -0.01)]
        # Two decimal orders lie between one in a hundred and one in ten thousand.
        slope[j] = 2.0 / max(reach, 2.0 * scales[j])
    return Tails(np.maximum.accumulate(knots, axis=1), slope)
