"""Live quality of a detector from human verdicts, weighted so that judging mostly what was flagged does not flatter it.

Each prediction was up for review with a known probability (Horvitz and Thompson 1952): it stands for its inverse. Of
what was up for review people answer a part; the flagged and the audited are each weighted up by their own answered
share, so that judging one kind more eagerly moves nothing. Pure.
"""

from dataclasses import dataclass
from math import fsum
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.feedback.live import LiveFigure, unknown

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
_LEVELS: Final = (np.arange(200) + 0.5) / 200
_ANGLES: Final = (np.arange(20_000) + 0.5) / 20_000 * np.pi / 2


@dataclass(frozen=True, slots=True)
class Judged:
    """Mature predictions side by side, [n] each: `label` 1.0 anomaly, 0.0 normal, NaN without; `asked`: up for review.

    `probability` in (0, 1] is that of being asked, `ticket` numbers the ticket (its predictions share one verdict).
    """

    flagged: Mask
    asked: Mask
    probability: Floats
    label: Floats
    ticket: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Weighted numbers of predictions: true and false positives, false negatives, and the rest."""

    tp: float
    fp: float
    fn: float
    tn: float


def weights(judged: Judged) -> Floats:
    """Return [n]: how many predictions each labelled one stands for, 0 for the others.

    The inverse of its review probability, times what was asked over what was answered of its kind, both so weighted.
    """
    inverse = np.where(judged.asked, 1.0 / judged.probability, 0.0)
    out = np.zeros(len(inverse))
    for kind in (judged.flagged, ~judged.flagged):
        asked = kind & judged.asked
        answered = asked & np.isfinite(judged.label)
        if answered.any():
            out[answered] = inverse[answered] * (inverse[asked].sum() / inverse[answered].sum())
    return out


def counts(judged: Judged) -> Counts:
    """Add the weights up by flag and label: inverse probabilities first, which are whole numbers as a rule, then the
    answered share once a sum, so that another way of adding gives the same bits.
    """
    inverse = np.where(judged.asked, 1.0 / judged.probability, 0.0)
    out = []
    for kind in (judged.flagged & judged.asked, ~judged.flagged & judged.asked):
        yes, no = fsum(inverse[kind & (judged.label == 1.0)]), fsum(inverse[kind & (judged.label == 0.0)])
        factor = fsum(inverse[kind]) / (yes + no) if yes + no > 0 else 0.0
        out += [yes * factor, no * factor]
    tp, fp, fn, tn = out
    return Counts(tp, fp, fn, tn)


def detector_figures(judged: Judged, *, least_labels: int) -> tuple[LiveFigure, ...]:
    """Return f1, precision and recall of the anomaly class.

    Precision needs `least_labels` labels of flagged predictions; recall and F1 as many of audited ones too: without
    them nobody knows what was missed. Intervals: Jeffreys' posteriors of the anomalous share among the flagged and
    among the audited, at the effective numbers of labels (Kish 1965; one ticket counts once). O(n).
    """
    answered = judged.asked & np.isfinite(judged.label)
    flagged, audited = answered & judged.flagged, answered & ~judged.flagged
    n_flagged, n_audited = int(flagged.sum()), int(audited.sum())
    if n_flagged < least_labels:
        short = f"{n_flagged} labels of flagged tickets, {least_labels} are needed"
        return tuple(unknown(name, n_flagged + n_audited, short) for name in ("f1", "precision", "recall"))
    found, w = counts(judged), weights(judged)
    yes = posterior(judged, flagged, w)
    precision = LiveFigure("precision", found.tp / (found.tp + found.fp), *_bounds(yes), n_flagged)
    if n_audited < least_labels:
        short = f"{n_audited} labels of audited tickets that were not flagged, {least_labels} are needed"
        return unknown("f1", n_flagged, short), precision, unknown("recall", n_flagged, short)
    missed = posterior(judged, audited, w)
    # Every pair of quantiles of the two independent posteriors, equally likely.
    tp = (found.tp + found.fp) * yes[:, None]
    fn = (found.fn + found.tn) * missed[None, :]
    labels = n_flagged + n_audited
    f1 = 2 * found.tp / (2 * found.tp + found.fp + found.fn)
    # Nothing anomalous among all labels: there was nothing to find, and F1 is 0 by what was flagged in vain.
    recall = found.tp / (found.tp + found.fn) if found.tp + found.fn > 0 else 0.0
    return (
        LiveFigure("f1", f1, *_bounds(2 * tp / (found.tp + found.fp + tp + fn)), labels),
        precision,
        LiveFigure("recall", recall, *_bounds(tp / (tp + fn)), labels),
    )


def posterior(judged: Judged, kind: Mask, w: Floats) -> Floats:
    """Return 200 equally likely values of the anomalous share of a kind of labelled predictions, ascending."""
    total = float(w[kind].sum())
    effective = total**2 / float((w[kind] ** 2).sum()) * len(np.unique(judged.ticket[kind])) / int(kind.sum())
    share = float((w[kind] * judged.label[kind]).sum()) / total
    return beta_quantiles(effective * share + 0.5, effective * (1 - share) + 0.5)


def beta_quantiles(a: float, b: float) -> Floats:
    """Return the quantiles of Beta(a, b), a and b >= 0.5, at the middles of 200 equal parts; 1e-4 of scipy's.

    In the angle whose squared sine it is, the density is bounded down to a or b of 0.5.
    """
    log_density = (2 * a - 1) * np.log(np.sin(_ANGLES)) + (2 * b - 1) * np.log(np.cos(_ANGLES))
    mass = np.cumsum(np.exp(log_density - log_density.max()))
    return np.asarray(np.sin(np.interp(_LEVELS, mass / mass[-1], _ANGLES)) ** 2)


def _bounds(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
