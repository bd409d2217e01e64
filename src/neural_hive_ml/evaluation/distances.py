"""How far two binned samples are apart: Hellinger (the test), PSI (the guide's effect), Kolmogorov-Smirnov.

All take counts over the same bins and are vectorised over leading axes. `tests/oracles` holds them against
scipy.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# A bin that nobody of the reference fell into still has this many rows behind it, so that no logarithm is
# infinite.
PSEUDO_ROWS = 0.5
KOLMOGOROV_SQUARED_MEAN = np.pi**2 / 12  # mean of the squared Kolmogorov variable (Stephens 1970)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a window should look like: `shares` [bins] of the matched reference, `noise` the mean of the
    Hellinger statistic under chance alone, `freedom` its degrees of freedom, `effective_rows` the two-sample
    size n m/(n + m)."""

    shares: Floats
    noise: float
    freedom: float
    effective_rows: float


def expect(reference: Floats, window: Floats) -> Expectation:
    """Match a reference [cells, bins] of counts to a window's rows a cell [cells].

    Each cell's distribution is weighted by the window's rows in it (never by the reference's), so that a
    different mix of hours is no drift. A cell that the reference never saw borrows the whole reference. O(cells
    bins).
    """
    [expected] = expect_each(reference, window, np.array([0, reference.shape[1]]))
    return expected


def expect_each(reference: Floats, window: Floats, begin: npt.NDArray[np.intp]) -> list[Expectation]:
    """The same for many features of the same rows at once: feature f has the columns begin[f]:begin[f + 1]."""
    bins = np.diff(begin)
    rows = reference[:, : begin[1]].sum(axis=1)
    empty = rows == 0
    table = np.where(empty[:, None], reference.sum(axis=0), reference) if empty.any() else reference
    held = np.where(empty, rows.sum(), rows)
    n = window.sum()
    smoothed = (table + PSEUDO_ROWS / np.repeat(bins, bins)) / (held + PSEUDO_ROWS)[:, None]
    expected = window @ smoothed
    spread = (window * (1.0 + window / np.maximum(held, 1.0))) @ (smoothed * (1.0 - smoothed))
    part = np.divide(spread, expected, out=np.zeros_like(spread), where=expected > 0)
    # A rare bin adds less to a Freeman-Tukey sum than to Pearson's: about 4 E where E is far below one.
    share_of_one = np.minimum(1.0, 4.0 * expected)
    freedom = np.maximum(np.add.reduceat((share_of_one > 0.5).astype(np.float64), begin[:-1]) - 1.0, 1.0)
    noise = np.maximum(np.add.reduceat(part * share_of_one, begin[:-1]), 1e-9)
    inverse = (1.0 / n + float((window**2 / np.maximum(held, 1.0)).sum()) / n**2) if n else np.inf
    shares = expected / n if n else expected
    return [
        Expectation(shares[lo:hi], float(noise[f]), float(freedom[f]), 1.0 / inverse)
        for f, (lo, hi) in enumerate(pairwise(begin.tolist()))
    ]


def hellinger(counts: Floats, shares: Floats) -> float:
    """Return the Freeman-Tukey statistic 4 sum (sqrt O - sqrt E)^2: 4 n times twice the squared Hellinger
    distance.

    Chi-square in the limit like Pearson's and PSI's, but a single row in a bin nobody expected cannot blow it
    up.
    """
    return float(4.0 * ((np.sqrt(counts) - np.sqrt(counts.sum() * shares)) ** 2).sum())


def psi(counts: Floats, shares: Floats) -> float:
    """Return the population stability index sum (p - q) ln(p / q), with pseudo-rows where a bin is empty.

    Yurdakul and Naranjo 2020: n PSI is chi-square in the limit, so that PSI has noise of about (bins - 1)/n.
    """
    return float(psi_parts(counts, shares).sum())


def psi_parts(counts: Floats, shares: Floats) -> Floats:
    """Return what each bin adds to the index [bins], >= 0."""
    n = counts.sum()
    p = (counts + PSEUDO_ROWS / len(counts)) / (n + PSEUDO_ROWS)
    return np.asarray((p - shares) * np.log(p / shares))


def kolmogorov_smirnov(counts: Floats, shares: Floats, ordered: int) -> float:
    """Return the largest gap of the two distribution functions at the edges of the `ordered` leading bins, in
    [0, 1].

    Missing and new values are left out on both sides. A lower bound of the exact statistic, tight to a bin's
    mass.
    """
    a, b = counts[:ordered], shares[:ordered]
    if a.sum() <= 0 or b.sum() <= 0:
        return 0.0
    return float(np.abs(np.cumsum(a) / a.sum() - np.cumsum(b) / b.sum()).max())


def quantile_of(weights: Floats, edges: tuple[float, ...], low: float, high: float, q: float) -> float | None:
    """Read a quantile off numeric bins, linear within a bin; None where they are empty."""
    total = weights.sum()
    if total <= 0:
        return None
    borders = np.array([low, *edges, high])
    reached = np.concatenate(([0.0], np.cumsum(weights) / total))
    return float(np.interp(q, reached, borders))
