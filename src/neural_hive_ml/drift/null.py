"""How large a distance is by chance: independence, the reference's own quiet windows, many features at once."""

from collections.abc import Sequence
from math import exp, log, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.chance import chi2_tail, kolmogorov_tail, t_tail, trigamma
from neural_hive_ml.evaluation.distances import KOLMOGOROV_SQUARED_MEAN, Expectation
from neural_hive_ml.evaluation.quiet import Quiet

Floats = npt.NDArray[np.float64]
# What is assumed where the reference is too short to show any quiet window: clusters, and hardly any knowledge
# of them.
_UNKNOWN: Final = Quiet(
    width_hours=1, windows=3, rows=1.0, mean=0.5, spread=0.8, largest=0.0, freedom=1.0, weeks=0.0
)
_LEAST_FREEDOM: Final = 6.0
# Quiet windows pass for independent when there are so many of them and they spread no more than this over
# theory.
_ENOUGH_WINDOWS: Final = 20
_SPREAD_MARGIN: Final = 1.2
_MEAN_MARGIN: Final = 1.3
# Spread of the log squared Kolmogorov variable over ten bins: 0.68 to 0.80 in simulation, where rows are
# independent.
_KOLMOGOROV_SPREAD: Final = 0.75


def hellinger_tail(
    statistic: float, expected: Expectation, quiet: Sequence[Quiet], width: float, rows: float
) -> float:
    """Return the chance of a Hellinger statistic this large in one more quiet window of `width` hours and
    `rows` rows.

    Where the reference's windows behave as independent rows would: chi-square scaled to its mean. Else the
    larger of that and the prediction limit of the reference's own windows.
    """
    chance = chi2_tail(statistic * expected.freedom / expected.noise, expected.freedom)
    known = nearest(quiet, width)
    theory = sqrt(trigamma(known.freedom / 2.0))
    if looks_independent(known, theory):
        usual = max(exp(known.mean + theory * theory / 2), 1.0)
        return chi2_tail(statistic * expected.freedom / expected.noise / usual, expected.freedom)
    return max(chance, quiet_tail(statistic / expected.noise, known, rows))


def ks_tail(gap: float, expected: Expectation, quiet: Sequence[Quiet], width: float, rows: float) -> float:
    """Return the chance of a KS gap this large in one more quiet window; conservative for binned values."""
    chance = kolmogorov_tail(gap * sqrt(expected.effective_rows))
    known = nearest(quiet, width)
    if looks_independent(known, _KOLMOGOROV_SPREAD):
        return chance
    ratio = gap * gap * expected.effective_rows / KOLMOGOROV_SQUARED_MEAN
    return max(chance, quiet_tail(ratio, known, rows))


def looks_independent(known: Quiet, theory: float) -> bool:
    """Say whether quiet windows vary no more than independent rows do; `theory` is the log ratio's spread
    then.
    """
    return (
        known.windows >= _ENOUGH_WINDOWS
        and known.spread <= _SPREAD_MARGIN * theory
        and exp(min(known.mean + theory * theory / 2, 50.0)) <= _MEAN_MARGIN
    )


def quiet_tail(ratio: float, known: Quiet, rows: float) -> float:
    """Return the chance that one more quiet window has a ratio (statistic over its mean) this large.

    Clusters weigh with the number of rows, so a window with more rows than those measured is allowed
    proportionally more. What the reference itself reached in a quiet window is never unlikely: 1.
    """
    if ratio <= 0:
        return 1.0
    excess = max(exp(min(known.mean + known.spread**2 / 2, 50.0)) - 1.0, 0.0)
    growth = (1.0 + excess * max(rows / known.rows, 1.0)) / (1.0 + excess)
    if ratio <= known.largest * growth:
        return 1.0
    deviation = log(ratio) - known.mean - log(growth)
    # Windows of one week share its clusters: it is weeks that are independent.
    freedom = min(max(known.weeks - 1.0, _LEAST_FREEDOM), known.windows - 1.0)
    return t_tail(deviation / max(known.spread * sqrt(1.0 + 1.0 / known.windows), 1e-6), freedom)


def allowance(quiet: Sequence[Quiet], width_hours: float, rows: float) -> float:
    """Return how many times its independent mean the Hellinger statistic has in quiet windows of this size, >=
    1.
    """
    if not quiet:
        return 1.0
    known = nearest(quiet, width_hours)
    usual = max(exp(min(known.mean + known.spread**2 / 2, 50.0)), 1.0)
    return 1.0 + (usual - 1.0) * max(rows / known.rows, 1.0)


def nearest(quiet: Sequence[Quiet], width_hours: float) -> Quiet:
    """Return the narrowest measured width that is not narrower than the window, else the widest."""
    if not quiet:
        return _UNKNOWN
    return next((q for q in quiet if q.width_hours >= width_hours), quiet[-1])


def psi_by_chance(window_rows: float, reference_rows: float, bins: int, false_alarm_rate: float) -> float:
    """Return the least PSI that (window, reference, bins) exceed by chance in `false_alarm_rate` of checks,
    rows independent.

    For people who ask "what would 0.2 mean here": about chi-square(bins - 1) quantile times (1/n + 1/m).

    >>> round(hellinger_threshold(200, 2000, 10, 0.01), 3)
    0.119
    """
    low, high = 0.0, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if chi2_tail(middle, bins - 1) > false_alarm_rate else (low, middle)
    return high * (1.0 / window_rows + 1.0 / reference_rows)


def benjamini_hochberg(p_values: Floats, rate: float) -> npt.NDArray[np.bool_]:
    """Return which hypotheses are rejected at false-discovery rate `rate` (Benjamini and Hochberg 1995); O(n
    log n).

    >>> benjamini_hochberg(np.array([0.001, 0.8, 0.02]), 0.05).tolist()
    [True, False, True]
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    passing = np.flatnonzero(p_values[order] <= rate * np.arange(1, n + 1) / n)
    rejected = np.zeros(n, dtype=bool)
    if len(passing):
        rejected[order[: passing[-1] + 1]] = True
    return rejected
