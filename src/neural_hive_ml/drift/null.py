"""How large a distance is by chance: independence, the reference's own quiet windows, many features at once."""

from collections.abc import Sequence
from math import exp, isnan, log, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.chance import chi2_tail, kolmogorov_tail, log_chi2_mean, t_tail, trigamma
from neural_hive_ml.evaluation.directions import QuietShifts, narrowest
from neural_hive_ml.evaluation.distances import KOLMOGOROV_SQUARED_MEAN, Expectation
from neural_hive_ml.evaluation.quiet import Quiet

Floats = npt.NDArray[np.float64]
# What is assumed where the reference is too short to show any quiet window: clusters, and hardly any knowledge
# of them.
_UNKNOWN: Final = Quiet(
    width_hours=1, windows=3, rows=1.0, mean=0.5, spread=0.8, largest=0.0, freedom=1.0, weeks=0.0
)
_LEAST_FREEDOM: Final = 6.0
# So many quiet windows say how they vary; they pass for independent when they spread no more than this over theory.
ENOUGH_WINDOWS: Final = 20
_SPREAD_MARGIN: Final = 1.2
_MEAN_MARGIN: Final = 1.3
# So many standard errors below the mean of independence, windows are more alike than chance makes them.
_TOO_REGULAR: Final = 3.0
# Spread of the log squared Kolmogorov variable over ten bins: 0.68 to 0.80 in simulation, where rows are
# independent.
_KOLMOGOROV_SPREAD: Final = 0.75


def hellinger_tail(
    statistic: float, expected: Expectation, known: Quiet, rows: float, *, independent: bool
) -> float:
    """Return the chance of a Hellinger statistic this large in one more quiet window of `rows` rows.

    Where the reference's windows behave as `independent` rows would: chi-square scaled to their mean. Else the larger
    of that and the prediction limit of the windows themselves.
    """
    scaled = statistic * expected.freedom / expected.noise
    if independent:
        return chi2_tail(scaled / max(_usual(known), 1.0), expected.freedom)
    return max(chi2_tail(scaled, expected.freedom), quiet_tail(statistic / expected.noise, known, rows))


def ks_tail(gap: float, expected: Expectation, known: Quiet, rows: float, *, regular: bool) -> float:
    """Return the chance of a KS gap this large in one more quiet window; conservative for binned values.

    `regular` says what `too_regular` found of the same feature.
    """
    chance = kolmogorov_tail(gap * sqrt(expected.effective_rows))
    if (
        not regular
        and known.windows >= ENOUGH_WINDOWS
        and known.spread <= _SPREAD_MARGIN * _KOLMOGOROV_SPREAD
        and exp(min(known.mean + _KOLMOGOROV_SPREAD**2 / 2, 50.0)) <= _MEAN_MARGIN
    ):
        return chance
    ratio = gap * gap * expected.effective_rows / KOLMOGOROV_SQUARED_MEAN
    return max(chance, quiet_tail(ratio, known, rows))


def shift_tail(found: Floats, quiet: Sequence[QuietShifts], width_hours: float, rows: float) -> float:
    """Return the chance that some direction's shift in one more quiet window is as far out as these [directions] are.

    Quiet windows give each direction's mean and spread (never less than chance alone), Student's t its tail with the
    freedom that their clusters leave, Bonferroni the directions. 1.0 where nothing is known of any.
    """
    known = narrowest(quiet, width_hours)
    if known is None:
        return 1.0
    more = max(rows / known.rows, 1.0)
    tails = []
    for shift, mean, spread, freedom in zip(found.tolist(), known.mean, known.spread, known.freedom, strict=True):
        if isnan(shift) or freedom <= 0:
            continue
        usual = sqrt(1.0 + max(spread * spread - 1.0, 0.0) * more)
        off = abs(shift - mean) / usual
        tails.append(2.0 * t_tail(off / sqrt(1.0 + 1.0 / known.windows), freedom))
    return min(1.0, len(tails) * min(tails)) if tails else 1.0


def rows_look_independent(quiet: Sequence[Quiet], width: float) -> bool:
    """Say whether the Hellinger ratios of a reference's quiet windows are those of rows that know nothing of each other.

    Rows that come in clusters vary more than chance has it, those of a timetable less: of neither does chance say how
    far the next window may be. Windows too few to tell are judged by the widest ones that are enough, unless they
    themselves are further apart than chance has it.
    """
    known, told = nearest(quiet, width), telling(quiet, width)
    if told.windows < ENOUGH_WINDOWS or max(_usual(known), _usual(told)) > _MEAN_MARGIN:
        return False
    return told.spread <= _SPREAD_MARGIN * sqrt(trigamma(told.freedom / 2.0)) and not too_regular(told)


def too_regular(told: Quiet) -> bool:
    """Say whether quiet windows are more alike than chance makes them: a timetable's, until the next timetable."""
    error = sqrt(trigamma(told.freedom / 2.0) / told.windows)
    return log_chi2_mean(told.freedom) - told.mean > _TOO_REGULAR * error


def telling(quiet: Sequence[Quiet], width: float) -> Quiet:
    """Return the quiet windows of a width or, where those are too few to tell, the widest that are enough, if any."""
    known = nearest(quiet, width)
    if known.windows >= ENOUGH_WINDOWS:
        return known
    return next((q for q in reversed(quiet) if q.windows >= ENOUGH_WINDOWS), known)


def _usual(known: Quiet) -> float:
    """Return how many times its mean under independence the statistic of quiet windows is."""
    return exp(min(known.mean - log_chi2_mean(known.freedom), 50.0))


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
