"""How large a distance is by chance: independence, the reference's own quiet windows, many features at once."""

from collections.abc import Sequence
from math import exp, isnan, log, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.chance import binomial_tail, chi2_tail, kolmogorov_tail, t_tail
from neural_hive_ml.evaluation.directions import QuietShifts
from neural_hive_ml.evaluation.distances import KOLMOGOROV_SQUARED_MEAN, Expectation
from neural_hive_ml.evaluation.quiet import Quiet, narrowest

Floats = npt.NDArray[np.float64]
# What is assumed where the reference is too short to show any quiet window: clusters, and hardly any knowledge
# of them.
_UNKNOWN: Final = Quiet(
    width_hours=1, windows=3, rows=1.0, mean=0.5, spread=0.8, largest=0.0, freedom=1.0, spread_freedom=2.0
)
# Rows and share of values hardly ever seen before from which on they are looked at, and the share that was hardly ever.
_LEAST_NOVEL: Final = 10.0
_LEAST_NOVEL_SHARE: Final = 0.02
_MOST_HELD_SHARE: Final = 0.001
# So many quiet windows say how they vary.
ENOUGH_WINDOWS: Final = 20


def hellinger_tail(statistic: float, expected: Expectation, known: Quiet, rows: float) -> float:
    """Return the chance of a Hellinger statistic this large in one more quiet window of `rows` rows.

    The larger of what chance says (chi-square) and the prediction limit of the reference's own windows: rows that come
    in clusters vary more than chance has it, those of a timetable less, until the next timetable.
    """
    chance = chi2_tail(statistic * expected.freedom / expected.noise, expected.freedom)
    return max(chance, quiet_tail(statistic / expected.noise, known, rows))


def ks_tail(gap: float, expected: Expectation, known: Quiet, rows: float) -> float:
    """Return the chance of a KS gap this large in one more quiet window; conservative for binned values."""
    ratio = gap * gap * expected.effective_rows / KOLMOGOROV_SQUARED_MEAN
    return max(kolmogorov_tail(gap * sqrt(expected.effective_rows)), quiet_tail(ratio, known, rows))


def shift_tail(found: Floats, quiet: Sequence[QuietShifts], width_hours: float, rows: float) -> float:
    """Return the chance that some direction's shift in one more quiet window is as far out as these [directions] are.

    Quiet windows give each direction's mean and spread (never less than chance alone), Student's t its tail with the
    freedom that their clusters leave, Bonferroni the directions. 1.0 where nothing is known of any, and for what the
    reference itself reached in a quiet window.
    """
    known = narrowest(quiet, width_hours)
    if known is None:
        return 1.0
    # A few windows of this width say how far they spread, many of a narrower one how well that is known. Where all are
    # narrower than the window, nothing says what longer stretches have in common.
    told = known
    if known.windows < ENOUGH_WINDOWS and known.width_hours >= width_hours:
        told = next((q for q in reversed(quiet) if q.windows >= ENOUGH_WINDOWS), known)
    tails = []
    for direction, shift in enumerate(found.tolist()):
        freedom = told.freedom[direction] or known.freedom[direction]
        if isnan(shift) or freedom <= 0:
            continue
        seen = [q for q in (known, told) if q.freedom[direction] > 0]
        off = abs(shift - seen[0].mean[direction])
        reached, usual = (max(values) for values in zip(*(_grown(q, direction, rows) for q in seen), strict=True))
        if off <= reached:
            tails.append(1.0)
        else:
            tails.append(2.0 * t_tail(off / (usual * sqrt(1.0 + 1.0 / seen[0].windows)), freedom))
    return min(1.0, len(tails) * min(tails)) if tails else 1.0


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
    return t_tail(deviation / max(known.spread * sqrt(1.0 + 1.0 / known.windows), 1e-6), known.spread_freedom)


def _grown(quiet: QuietShifts, direction: int, rows: float) -> tuple[float, float]:
    """Return the largest shift of quiet windows and their spread, as they would be in a window of `rows` rows.

    Independent rows have a spread of 1 in any window. What is beyond it comes from clusters: it weighs with the number
    of rows, at most, when the whole window is one cluster.
    """
    excess = max(quiet.spread[direction] ** 2 - 1.0, 0.0)
    grown = sqrt(1.0 + excess * max(rows / quiet.rows, 1.0))
    return quiet.largest[direction] * grown / sqrt(1.0 + excess), grown


def novelty_tail(found: float, rows: float, held: float, reference_rows: float, usual_rows: float) -> float:
    """Return the chance that `found` of `rows` values are ones which `held` of the `reference_rows` were.

    By the rule of succession the next row is one with a chance of (held + 1) / (rows held + 2). 1.0 for fewer than ten rows
    or than a fiftieth (a rare value that nobody had seen comes by now and then), for a value of more than a thousandth of
    the reference (whose shift is looked at), and for no more rows than the whole reference held (which may all have come at
    once), in proportion where the window has more rows than the `usual_rows`.
    """
    if found < max(_LEAST_NOVEL, _LEAST_NOVEL_SHARE * rows) or held > _MOST_HELD_SHARE * reference_rows:
        return 1.0
    if found <= held * max(rows / usual_rows, 1.0):
        return 1.0
    return binomial_tail(int(found), int(rows), (held + 1.0) / (reference_rows + 2.0))


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
    """Return the quiet windows that a window is judged by, or what is assumed where the reference shows none."""
    return narrowest(quiet, width_hours) or _UNKNOWN


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
