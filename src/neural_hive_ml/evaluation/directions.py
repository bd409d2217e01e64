"""In which directions a feature may move, and how far quiet windows of the reference move in each.

A distance over all bins sees every change and knows no direction; where tickets come in clusters its own quiet windows
are far apart, and a plain shift drowns in them. A signed statistic of one direction averages its clusters out: that a
number grew, that a value of a category became more frequent, that more is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.binning import Binning

Floats = npt.NDArray[np.float64]
# Skewness of a mean up to which it passes for normal; of a rare value's share, ten expected rows.
MOST_SKEWED: Final = 10**-0.5
_CONSTANT: Final = 1e-12


@dataclass(frozen=True, slots=True)
class QuietShifts:
    """Quiet windows of one width, `rows` rows on average: `mean`, `spread`, its degrees of `freedom` and the `largest`
    distance from the mean of each direction's standardised shift; 0 degrees where too few windows said anything of it."""

    width_hours: int
    windows: int
    rows: float
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    freedom: tuple[float, ...]
    largest: tuple[float, ...]

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "QuietShifts":
        """Read the JSON form, in which tuples are lists. Raises KeyError, TypeError or ValueError for anything else."""
        moments = (tuple(float(v) for v in document[name]) for name in ("mean", "spread", "freedom", "largest"))
        return QuietShifts(
            int(document["width_hours"]), int(document["windows"]), float(document["rows"]), *moments
        )


def directions(binning: Binning, reference: Floats) -> Floats:
    """Return the scores [directions, bins] of the ways in which a feature with `reference` [bins] counts may move.

    Numbers: ridits, the mid-ranks of the bins (Bross 1958), and what is missing. Categories: each value but the most
    frequent one, whose share follows from the others, and what is missing. Values in [0, 1].

    >>> directions(Binning("category", (0.0, 1.0), 0.0, 1.0), np.array([70.0, 30.0, 0.0, 0.0])).tolist()
    [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    """
    bins, ordered = binning.bins, binning.ordered
    missing = np.eye(bins)[-1:]
    known = reference[:ordered]
    if not ordered or known.sum() <= 0:
        return missing
    if binning.kind == "category":
        others = np.delete(np.arange(ordered), int(np.argmax(known)))
        return np.vstack([np.eye(bins)[others], missing])
    ridits = np.full(bins, 0.5)
    shares = known / known.sum()
    ridits[:ordered] = np.cumsum(shares) - shares / 2.0
    return np.vstack([ridits, missing])


def block_diagonal(scores: Sequence[Floats]) -> Floats:
    """Lay the scores of many features side by side: [all directions, all bins], zero outside a feature's own block."""
    out = np.zeros((sum(len(block) for block in scores), sum(block.shape[1] for block in scores)))
    row = column = 0
    for block in scores:
        out[row : row + len(block), column : column + block.shape[1]] = block
        row, column = row + len(block), column + block.shape[1]
    return out


def shifts(scores: Floats, counts: Floats, shares: Floats, rows: float, effective_rows: float) -> Floats:
    """Return the standardised shift of each direction [directions], NaN where too few rows are expected to tell.

    `scores` [directions, bins], `counts` [bins] of `rows` rows and the `shares` [bins] expected of them may be those of
    many features side by side. Standard errors are those of independent rows (`effective_rows`, the two-sample size), so
    that 1 is the spread which chance alone would give.
    """
    mean, squares, cubes = (scores**power @ shares for power in (1, 2, 3))
    variance = np.maximum(squares - mean**2, 0.0)
    third = np.abs(cubes - 3.0 * mean * squares + 2.0 * mean**3)
    # A mean is near normal where its own skewness is small.
    told = (variance > _CONSTANT) & (third <= MOST_SKEWED * variance**1.5 * np.sqrt(max(rows, 1.0)))
    shift = (scores @ counts) / max(rows, 1.0) - mean
    return np.where(told, shift / np.sqrt(np.where(told, variance, 1.0) / effective_rows), np.nan)


def quiet_shifts(
    width_hours: int, rows: float, found: Floats, weeks: npt.NDArray[np.int64], least_windows: int
) -> QuietShifts:
    """Summarise the shifts [windows, directions] of quiet windows, each of the week `weeks` [windows] of the reference."""
    moments = [_moments(column, weeks, least_windows) for column in found.T]
    return QuietShifts(width_hours, len(found), rows, *zip(*moments, strict=True))


def _moments(
    values: Floats, weeks: npt.NDArray[np.int64], least_windows: int
) -> tuple[float, float, float, float]:
    known = np.isfinite(values)
    if known.sum() < least_windows:
        return 0.0, 0.0, 0.0, 0.0
    values = values[known]
    mean = float(values.mean())
    freedom = min(effective_freedom(values, weeks[known]), tail_freedom(values))
    return mean, float(values.std(ddof=1)), freedom, float(np.abs(values - mean).max())


def tail_freedom(values: Floats) -> float:
    """Return the freedom of the Student's t that has the kurtosis of `values` [n], above 4; infinite where tails are light.

    Windows with outages, bursts and rare storms are far from normal: a tail of 1 in 50,000 has to be theirs.

    >>> tail_freedom(np.array([-1.0, 1.0, -1.0, 1.0])), round(tail_freedom(np.array([0.0] * 19 + [1.0])), 2)
    (inf, 4.4)
    """
    off = values - values.mean()
    variance = float((off**2).mean())
    excess = float((off**4).mean()) / variance**2 - 3.0 if variance > 0.0 else 0.0
    return 4.0 + 6.0 / excess if excess > 0.0 else np.inf


def effective_freedom(values: Floats, groups: npt.NDArray[np.int64]) -> float:
    """Return the degrees of freedom of the variance of `values` [n], those of one group being correlated.

    Satterthwaite 1946 over the eigenvalues of a one-way random-effects model: n - 1 where groups do not matter, the
    number of groups less one where they are everything.

    >>> effective_freedom(np.array([1.0, 2.0, 1.5, 2.5]), np.array([0, 1, 2, 3]))
    3.0
    >>> round(effective_freedom(np.array([1.0, 1.0, 2.0, 2.0, 4.0, 4.0]), np.array([0, 0, 1, 1, 2, 2])), 3)
    2.0
    """
    _, of_group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    n, k = len(values), len(sizes)
    if k < 2 or n == k:
        return float(max(n if n == k else k, 1) - 1)
    means = np.bincount(of_group, weights=values) / sizes
    within = float(((values - means[of_group]) ** 2).sum() / (n - k))
    between = float((sizes * (means - values.mean()) ** 2).sum() / (k - 1))
    size = (n - float((sizes.astype(np.float64) ** 2).sum()) / n) / (k - 1)
    of_groups = max((between - within) / size, 0.0)
    whole = of_groups + within
    if whole <= 0.0:
        return float(k - 1)
    alike = of_groups / whole
    eigenvalues = (n / k * alike + 1.0 - alike, 1.0 - alike)
    effective = n**2 / (k * eigenvalues[0] ** 2 + (n - k) * eigenvalues[1] ** 2)
    return float(max(min(effective - 1.0, n - 1.0), k - 1.0))
