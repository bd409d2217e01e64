"""Which algorithm a load model uses when none was asked for: Prophet, unless another beats it in the backtest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from neural_hive_ml.evaluation.intervals import block_sums
from neural_hive_ml.training.load_backtest import Backtest

DEFAULT: Final = "prophet"
# Tried without being asked for: what needs no extra. `ets` and `mstl` are for who asks.
TRIED: Final = (DEFAULT, "seasonal_mean", "lags")
# The default stays unless it is beaten by this much, and by one standard error more: a few days tell little.
MARGIN: Final = 0.02


@dataclass(frozen=True, slots=True)
class Choice:
    """The algorithm, why in one sentence, and the backtested WAPE of each that was tried."""

    algorithm: str
    reason: str
    wapes: Mapping[str, float]


def choose(backtests: Mapping[str, Backtest]) -> Choice:
    """Choose by backtests of the same origins, the default's among them: the most sure gain beyond the margin.

    The backtest lies inside the training hours, so the hold-out judges a choice that was made without it.
    """
    default = backtests[DEFAULT]
    wapes = {name: found.wape for name, found in backtests.items()}
    gains = {name: gain_over(default, found) for name, found in backtests.items() if name != DEFAULT}
    sure = {name: gain - error for name, (gain, error) in gains.items()}
    told = ", ".join(f"{name} {wape:.3f}" for name, wape in wapes.items())
    best = max(sure, key=lambda name: sure[name], default=DEFAULT)
    if best != DEFAULT and sure[best] > MARGIN:
        gain, error = gains[best]
        return Choice(
            best,
            f"{best}: {gain:.0%} (standard error {error:.1%}) less error than {DEFAULT} in the backtest (WAPE: {told})",
            wapes,
        )
    return Choice(
        DEFAULT,
        f"{DEFAULT}: not beaten by {MARGIN:.0%} and a standard error in the backtest (WAPE: {told})",
        wapes,
    )


def gain_over(default: Backtest, other: Backtest) -> tuple[float, float]:
    """Return by which share the other's absolute error is less, and that share's standard error over days.

    A single day has no spread to measure an error by: its error is infinite.
    """
    before, after = (np.abs(found.said - found.totals) for found in (default, other))
    sums = block_sums(default.day, np.stack([before, after], axis=1))
    whole = float(sums[:, 0].sum())
    if whole <= 0.0:
        return 0.0, 0.0
    gain = 1.0 - float(sums[:, 1].sum()) / whole
    if len(sums) < 2:
        return gain, float("inf")
    off = sums[:, 0] * (1.0 - gain) - sums[:, 1]
    return gain, float(np.sqrt(len(sums)) * np.std(off, ddof=1) / whole)
