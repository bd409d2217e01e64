"""Intervals by resampling blocks of neighbours, so that serial correlation does not make them too narrow.

Block bootstrap: Künsch (1989); percentile interval: Efron (1979). The rng is an argument: same rng, same interval.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
REPLICATES = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % percentile interval."""

    low: float
    high: float


def block_sums(block: npt.NDArray[np.int64], values: Floats) -> Floats:
    """Add `values` [n, k] up by block, returning [blocks, k] in the order of block numbers; O(n log n).

    >>> block_sums(np.array([3, 1, 3]), np.array([[1.0], [2.0], [4.0]])).tolist()
    [[2.0], [5.0]]
    """
    _, index = np.unique(block, return_inverse=True)
    blocks = int(index.max()) + 1 if len(index) else 0
    return np.stack([np.bincount(index, weights=column, minlength=blocks) for column in values.T], axis=1)


def resample(sums: Floats, rng: np.random.Generator, replicates: int = REPLICATES) -> Floats:
    """Return [replicates, k] totals of as many blocks as there are, drawn with replacement."""
    blocks = len(sums)
    weights = rng.multinomial(blocks, np.full(blocks, 1.0 / blocks), size=replicates)
    return np.asarray(weights @ sums)


def bootstrap_interval(
    block: npt.NDArray[np.int64], values: Floats, statistic: Callable[[Floats], Floats], rng: np.random.Generator
) -> Interval | None:
    """Interval of a statistic of block totals, or None under two blocks, where none is defined.

    `statistic` maps totals [r, k] to [r].
    """
    sums = block_sums(block, values)
    if len(sums) < 2:
        return None
    low, high = np.percentile(statistic(resample(sums, rng)), [2.5, 97.5])
    return Interval(float(low), float(high))
