"""A load model's rolling-origin backtest inside its training hours: what it would have said, judged where it had not
looked.

The base (and the second model) learn from the first part of the hours; on the origins of the rest memory, factor, mixture
and intervals are fitted. What is fitted there is also judged there, so it is cross-fitted: the origins are cut into
blocks of time, and each block is answered by what the others (kept a horizon away) taught.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.features.series import CountSeries, local_ms
from neural_hive_ml.scoring.load import SecondModel
from neural_hive_ml.scoring.load_base import LoadBase
from neural_hive_ml.scoring.load_memory import ResidualMemory
from neural_hive_ml.scoring.load_mix import mix, ways_of
from neural_hive_ml.scoring.load_spread import Spread, fit_spread
from neural_hive_ml.scoring.load_window import histories
from neural_hive_ml.training.load_memory import MemoryCases, fit_memory
from neural_hive_ml.training.load_mix import fit_weights
from neural_hive_ml.training.load_origins import Origins, ahead_ms, origins_at

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_BLOCKS = 5
_MOST_ORIGINS = 3000


@dataclass(frozen=True, slots=True)
class Backtest:
    """What the origins taught (`memory` ... `bucket_spread`), and how well it was said before they taught it.

    `totals` and `said` [n] are true and cross-fitted horizon totals, `day` [n] the epoch day of the origin.
    """

    memory: ResidualMemory
    factor: float
    second_factor: float
    weights: Floats
    spread: Spread
    bucket_spread: Spread
    totals: Floats
    said: Floats
    day: npt.NDArray[np.int64]

    @property
    def wape(self) -> float:
        """Absolute error of horizon totals over their sum, cross-fitted."""
        return float(np.abs(self.said - self.totals).sum() / max(self.totals.sum(), 1.0))


def backtest(
    base: LoadBase, second: SecondModel | None, hours: CountSeries, first: int, hours_ahead: int, timezone: str
) -> Backtest:
    """Judge a base (and second model) of the hours before `first` on the origins from there on; learn the rest there.

    O(origins (672 + ahead)), 0.1 to 1 s for a year.
    """
    index = np.arange(first, len(hours) - hours_ahead + 1)
    index = index[:: -(-len(index) // _MOST_ORIGINS)]
    origins = origins_at(hours, index, hours_ahead)
    usual = base.at(local_ms(hours.times_ms(), timezone))
    residual = np.log1p(hours.counts) - usual
    ahead = index[:, None] + np.arange(hours_ahead)
    cases = MemoryCases.of(histories(residual, index), residual[ahead], usual[ahead])
    blocks = _blocks(index, hours_ahead)
    modelled = np.empty_like(origins.truth)
    for inside, outside in blocks:
        added = cases.answered(fit_memory(cases, outside), inside)
        modelled[inside] = np.expm1(usual[ahead][inside] + added).clip(0.0)
    factor = centre_factor(origins.totals, modelled.sum(axis=1))
    other, second_factor = None, 1.0
    if second is not None:
        other = second.ahead(origins.counts, ahead_ms(origins.at_ms, hours_ahead, timezone))
        second_factor = centre_factor(origins.totals, other.sum(axis=1))
        other = other * second_factor
    ways = ways_of(origins.counts, modelled * factor, other)
    models = 1 if other is None else 2
    everything = np.ones(len(index), dtype=bool)
    forecast = np.empty_like(origins.truth)
    for inside, outside in blocks:
        forecast[inside] = mix(_weights(origins, ways, outside, models), ways[:, inside])
    said, windows = forecast.sum(axis=1), len(index) * _step(index) / hours_ahead
    return Backtest(
        fit_memory(cases, everything),
        factor,
        second_factor,
        _weights(origins, ways, everything, models),
        fit_spread(origins.totals, said, independent=windows),
        fit_spread(origins.truth.ravel(), forecast.ravel(), independent=windows),
        origins.totals,
        said,
        origins.day,
    )


def centre_factor(truth: Floats, forecast: Floats) -> float:
    """Return c that makes sum |truth - c forecast| least (a weighted median of ratios), within [0.5, 2]."""
    some = forecast > 0
    if not some.any():
        return 1.0
    ratio, weight = truth[some] / forecast[some], forecast[some]
    order = np.argsort(ratio)
    middle = int(np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2.0))
    return float(np.clip(ratio[order][min(middle, len(order) - 1)], 0.5, 2.0))


def _blocks(index: npt.NDArray[np.int64], hours_ahead: int) -> list[tuple[Mask, Mask]]:
    """(inside, outside) masks of the origins: neighbours whose windows overlap a block are on neither side."""
    blocks = []
    for part in np.array_split(index, min(_BLOCKS, len(index))):
        inside = (index >= part[0]) & (index <= part[-1])
        outside = (index < part[0] - hours_ahead) | (index > part[-1] + hours_ahead)
        blocks.append((inside, outside))
    return blocks


def _step(index: npt.NDArray[np.int64]) -> int:
    return int(index[1] - index[0]) if len(index) > 1 else 1


def _weights(origins: Origins, ways: Floats, among: Mask, models: int) -> Floats:
    totals = ways[:, among].sum(axis=2)
    days = len(np.unique(origins.day[among]))
    return fit_weights(origins.totals[among], totals, models, float(max(days, 1)))
