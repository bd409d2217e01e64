"""Live quality of a detector from human verdicts, weighted so that judging mostly what was flagged does not flatter it.

People judge tickets, and a ticket is predicted at several stages. So there are three kinds of predictions, each with its
own way into the queue: the flagged; those that were not, of a ticket that was flagged at another stage (it is in the queue
for that, whatever the audit draws, and holds most of the misses); and those of tickets that nobody flagged, of which an
audit draws a share. Each kind is a stratum whose size is known: a label stands for the inverse of the probability of its
draw, scaled to that size (Hajek 1971; post-stratified, Holt and Smith 1979), which also makes up for what people did not
answer, as long as within a kind they answer without regard to the truth (weighting classes, Oh and Scheuren 1983). Pure.
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
# Of what nobody flagged, at most this share may have had no chance of an audit: beyond, more would be assumed than known.
MOST_UNAUDITED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Judged:
    """Mature predictions side by side, [n] each: `label` 1.0 anomaly, 0.0 normal, NaN without.

    `queued`: its ticket was flagged, here or at another stage. `audited`: drawn for review without that, at `probability`
    in [0, 1] (0: there was no audit). `ticket` numbers the ticket: its predictions share one verdict.
    """

    flagged: Mask
    queued: Mask
    audited: Mask
    probability: Floats
    label: Floats
    ticket: npt.NDArray[np.int64]

    @property
    def kinds(self) -> tuple[Mask, Mask, Mask]:
        """The strata: flagged; not flagged, of a ticket flagged elsewhere; of a ticket that nobody flagged."""
        return self.flagged, ~self.flagged & self.queued, ~self.flagged & ~self.queued

    @property
    def asked(self) -> Mask:
        """What people were asked about: a verdict that nobody asked for says nothing of the rest."""
        return np.asarray(self.flagged | self.queued | (self.audited & (self.probability > 0)))

    @property
    def answered(self) -> Mask:
        """What has a label that counts."""
        return np.asarray(self.asked & np.isfinite(self.label))

    def inverse(self) -> Floats:
        """Return what a label stands for by its draw alone: 1 in the queue, 1 / `probability` of an audit, else 0."""
        drawn = self.asked & ~self.flagged & ~self.queued
        return np.where(drawn, 1.0 / np.where(drawn, self.probability, 1.0), self.asked.astype(float))

    def where(self, part: Mask) -> "Judged":
        """Return some of the predictions."""
        return Judged(
            self.flagged[part], self.queued[part], self.audited[part], self.probability[part], self.label[part],
            self.ticket[part],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counts:
    """Weighted numbers of predictions: true and false positives, false negatives, and the rest."""

    tp: float
    fp: float
    fn: float
    tn: float


def weights(judged: Judged) -> Floats:
    """Return [n]: how many predictions each labelled one stands for, 0 for the others. They add up to each kind's size;
    a kind without any label is stood for by nothing.
    """
    inverse, out = judged.inverse(), np.zeros(len(judged.label))
    for kind in judged.kinds:
        answered = kind & judged.answered
        if answered.any():
            out[answered] = inverse[answered] * (int(kind.sum()) / inverse[answered].sum())
    return out


def counts(judged: Judged) -> Counts:
    """Add the weights up by flag and label: inverse probabilities first, which are whole numbers as a rule, then each
    kind's factor once a sum, so that another way of adding gives the same bits.

    Where no ticket flagged elsewhere has a label, their anomalous share is taken to be that of the flagged: they are in
    the queue for the same reason.
    """
    inverse, sums = judged.inverse(), []
    for kind in judged.kinds:
        known, size = kind & judged.answered, int(kind.sum())
        yes, no = fsum(inverse[known & (judged.label == 1.0)]), fsum(inverse[known & (judged.label == 0.0)])
        sums.append((size, yes, no, size / (yes + no) if yes + no > 0 else 0.0))
    (_, yes, no, factor), elsewhere, (_, missed, rightly, rest) = sums
    fn, tn = elsewhere[1] * elsewhere[3], elsewhere[2] * elsewhere[3]
    if elsewhere[0] and not elsewhere[3] and yes + no > 0:
        fn, tn = elsewhere[0] * (yes / (yes + no)), elsewhere[0] * (no / (yes + no))
    return Counts(yes * factor, no * factor, fn + missed * rest, tn + rightly * rest)


def detector_figures(judged: Judged, *, least_labels: int) -> tuple[LiveFigure, ...]:
    """Return f1, precision and recall of the anomaly class over the mature predictions. O(n).

    Labels are counted in tickets. Precision needs `least_labels` of flagged ones; recall and F1 as many of audited ones
    too, and an audit over most of the window: without them nobody knows what was missed. Intervals: Jeffreys' posteriors
    of the anomalous share of each kind, at the effective numbers of labels (Kish 1965; one ticket counts once), taken as
    independent: a ticket in two kinds makes them a little too wide.
    """
    flagged, elsewhere, rest = judged.kinds
    known = judged.answered
    n_flagged, n_audited = tickets_in(judged, known & flagged), tickets_in(judged, known & rest)
    labels = tickets_in(judged, known)
    if n_flagged < least_labels:
        short = f"{n_flagged} labels of flagged tickets, {least_labels} are needed"
        return tuple(unknown(name, labels, short) for name in ("f1", "precision", "recall"))
    found, w = counts(judged), weights(judged)
    yes = posterior(judged, known & flagged, w)
    precision = LiveFigure("precision", found.tp / (found.tp + found.fp), *_bounds(yes), n_flagged)
    short = _unaudited(judged) or (
        f"{n_audited} labels of audited tickets that were not flagged, {least_labels} are needed"
        if rest.any() and n_audited < least_labels
        else ""
    )
    if short:
        return unknown("f1", labels, short), precision, unknown("recall", labels, short)
    # Every pair of quantiles of two independent posteriors, equally likely.
    missed = int(rest.sum()) * posterior(judged, known & rest, w)
    if elsewhere.any():
        there = int(elsewhere.sum()) * posterior(judged, known & elsewhere, w)
        missed = np.quantile(there[:, None] + missed[None, :], _LEVELS)
    tp, fn = int(flagged.sum()) * yes[:, None], missed[None, :]
    f1 = 2 * found.tp / (2 * found.tp + found.fp + found.fn)
    # Nothing anomalous among all labels: there was nothing to find, and F1 is 0 by what was flagged in vain.
    recall = found.tp / (found.tp + found.fn) if found.tp + found.fn > 0 else 0.0
    return (
        LiveFigure("f1", f1, *_bounds(2 * tp / (found.tp + found.fp + tp + fn)), labels),
        precision,
        LiveFigure("recall", recall, *_bounds(tp / np.maximum(tp + fn, 1e-12)), labels),
    )


def tickets_in(judged: Judged, part: Mask) -> int:
    """Return how many tickets a part of the predictions is about."""
    return len(np.unique(judged.ticket[part]))


def unaudited(judged: Judged) -> tuple[int, int]:
    """Return how many predictions of unflagged tickets were made while there was no audit, and of how many."""
    rest = judged.kinds[2]
    return int((rest & (judged.probability <= 0)).sum()), int(rest.sum())


def posterior(judged: Judged, kind: Mask, w: Floats) -> Floats:
    """Return 200 equally likely values of the anomalous share of a kind of labelled predictions, ascending."""
    total = float(w[kind].sum())
    if total <= 0:
        return beta_quantiles(0.5, 0.5)
    effective = total**2 / float((w[kind] ** 2).sum()) * tickets_in(judged, kind) / int(kind.sum())
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


def _unaudited(judged: Judged) -> str:
    without, of = unaudited(judged)
    if without <= MOST_UNAUDITED * of:
        return ""
    return f"{without} of {of} predictions of unflagged tickets were made without an audit (REVIEW_AUDIT_SHARE 0)"
