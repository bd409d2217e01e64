"""Which algorithm a load model uses when none was asked for: Prophet, unless another beats it in the backtest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from neural_hive_ml.training.load_backtest import Backtest

DEFAULT: Final = "prophet"
# Tried without being asked for: what needs no extra. `ets` and `mstl` are for who asks.
TRIED: Final = (DEFAULT, "seasonal_mean", "lags")
# The default stays unless it is beaten by this much: two backtests closer than this are the same.
MARGIN: Final = 0.02


@dataclass(frozen=True, slots=True)
class Choice:
    """The algorithm, why in one sentence, and the backtested WAPE of each that was tried."""

    algorithm: str
    reason: str
    wapes: Mapping[str, float]


def choose(backtests: Mapping[str, Backtest]) -> Choice:
    """Choose by the WAPE of backtests of the same origins, the default's among them.

    The backtest lies inside the training hours, so the hold-out judges a choice that was made without it.
    """
    wapes = {name: found.wape for name, found in backtests.items()}
    best = min(wapes, key=lambda name: wapes[name])
    told = ", ".join(f"{name} {wape:.3f}" for name, wape in wapes.items())
    if best != DEFAULT and wapes[best] < (1.0 - MARGIN) * wapes[DEFAULT]:
        gain = 1.0 - wapes[best] / wapes[DEFAULT]
        return Choice(best, f"{best}: {gain:.0%} less error than {DEFAULT} in the backtest (WAPE: {told})", wapes)
    return Choice(DEFAULT, f"{DEFAULT}: beaten by no more than {MARGIN:.0%} in the backtest (WAPE: {told})", wapes)
