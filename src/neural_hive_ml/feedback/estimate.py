"""Quality where labels are missing, estimated: each method with the check of what it assumes. Pure.

CBPE (confidence-based performance estimation): with calibrated scores, each prediction is right with a known
probability, and expected counts give F1. DLE (direct loss estimation): a model of the model's own error, here its
absolute error as a multiple of the width of the interval that it told. Both assume that what held for the labelled
predictions holds for the others: so they are learned on the older half of the labels and checked on the newer.
"""

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.intervals import bootstrap_interval
from neural_hive_ml.feedback.live import Estimate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_GROUPS = 8
_LEAST_OF_A_KIND = 5


def cbpe(
    score: Floats, flagged: Mask, label: Floats, weight: Floats, fresh_score: Floats, fresh_flagged: Mask,
    *, least_labels: int,
) -> Estimate:  # fmt: skip
    """Estimate f1, precision and recall of unlabelled predictions from their scores.

    The first four [n] are labelled predictions in time order, `weight` as of live quality. With enough of them, of both
    kinds, a logistic curve over the score's log-odds is fitted to the older half, checked on the newer (expected against
    observed anomalies, among the flagged and the others) and refitted to all; else the score is taken as the probability
    that the model says it is, unchecked.
    """
    half = len(score) // 2
    old, new = slice(0, half), slice(half, None)
    enough = len(score) >= 2 * least_labels and all(
        min((label[part] == 1).sum(), (label[part] == 0).sum()) >= _LEAST_OF_A_KIND for part in (old, new)
    )
    if not enough:
        check = f"not checked: {len(score)} labels, {2 * least_labels} of both kinds are needed"
        return Estimate("cbpe", _expected(fresh_score, fresh_flagged), len(fresh_score), len(score), None, check)
    curve = fit_curve(score[old], label[old], weight[old])
    holds, check = calibrated(curve(score[new]), flagged[new], label[new], weight[new])
    told = fit_curve(score, label, weight)(fresh_score)
    return Estimate("cbpe", _expected(told, fresh_flagged), len(fresh_score), len(score), holds, check)


class Curve:
    """A logistic curve over the log-odds of a score in [0, 1]."""

    def __init__(self, slope: float, intercept: float) -> None:
        self.slope, self.intercept = slope, intercept

    def __call__(self, score: Floats) -> Floats:
        """Return the probability that a score stands for."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.slope * log_odds(score) + self.intercept, -500, 500))))


def log_odds(score: Floats) -> Floats:
    """Return the log-odds of a score, bounded."""
    inside = np.clip(score, 1e-6, 1 - 1e-6)
    return np.log(inside) - np.log1p(-inside)


def fit_curve(score: Floats, label: Floats, weight: Floats) -> Curve:
    """Fit by Newton's steps (Platt 1999) with a weak pull towards the score as it is; 50 steps at most."""
    x = np.stack([log_odds(score), np.ones(len(score))], axis=1)
    w = weight * (len(score) / weight.sum())
    prior, at = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    pull = np.array([0.1, 0.01])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ at, -30, 30)))
        gradient = x.T @ (w * (label - p)) - pull * (at - prior)
        hessian = (x * (w * p * (1 - p))[:, None]).T @ x + np.diag(pull)
        step = np.linalg.solve(hessian, gradient)
        at = at + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-8:
            break
    return Curve(float(at[0]), float(at[1]))


def calibrated(told: Floats, flagged: Mask, label: Floats, weight: Floats) -> tuple[bool, str]:
    """Compare expected with observed anomalies among the flagged and the others; holds within two deviations.

    The variance counts twice: the curve was fitted to about as many labels as it is checked on.
    """
    holds, words = True, []
    for name, kind in (("flagged", flagged), ("others", ~flagged)):
        if not kind.any():
            continue
        p, y, w = told[kind], label[kind], weight[kind]
        expected, observed = float((w * p).sum() / w.sum()), float((w * y).sum() / w.sum())
        deviation = float(np.sqrt(2 * (w**2 * np.maximum(p * (1 - p), 1e-6)).sum()) / w.sum())
        holds &= abs(observed - expected) <= 2 * deviation
        words.append(f"{name}: {expected:.1%} expected, {observed:.1%} observed on {len(p)} later labels")
    return holds, ("calibration holds" if holds else "calibration does NOT hold") + " (" + "; ".join(words) + ")"


def dle(
    error_ms: Floats, width_ms: Floats, at_ms: Ints, fresh_width_ms: Floats, *, least_labels: int,
    rng: np.random.Generator,
) -> Estimate:  # fmt: skip
    """Estimate the MAE in ms of predictions whose tickets have not ended, from the widths of their intervals.

    The first three [n] are predictions of ended tickets in time order. By groups of equal width, the absolute error is a
    multiple of the width; learned on the older half and checked on the newer: its true MAE's interval must hold the
    estimate.
    """
    half = len(error_ms) // 2
    if len(error_ms) < 2 * least_labels:
        check = f"not checked: {len(error_ms)} labels, {2 * least_labels} are needed"
        return Estimate("dle", {}, len(fresh_width_ms), len(error_ms), None, check)
    told = float(expected_error(error_ms[:half], width_ms[:half], width_ms[half:]).mean())
    later = error_ms[half:]
    interval = bootstrap_interval(
        at_ms[half:] // 3_600_000,
        np.stack([later, np.ones(len(later))], axis=1),
        lambda t: np.asarray(t[:, 0] / np.maximum(t[:, 1], 1.0)),
        rng,
    )
    holds = None if interval is None else interval.low <= told <= interval.high
    found = "all in one hour" if interval is None else f"95 % [{interval.low:,.0f}, {interval.high:,.0f}]"
    check = f"{told:,.0f} ms expected, {later.mean():,.0f} ms observed ({found}) on {len(later)} later labels"
    figures = {}
    if len(fresh_width_ms):
        figures = {"mae_ms": float(expected_error(error_ms, width_ms, fresh_width_ms).mean())}
    return Estimate("dle", figures, len(fresh_width_ms), len(error_ms), holds, check)


def expected_error(error: Floats, width: Floats, fresh_width: Floats) -> Floats:
    """Return the error that each fresh width lets expect: its group's sum of errors over its sum of widths."""
    edges = np.unique(np.quantile(width, np.arange(1, _GROUPS) / _GROUPS))
    group = np.searchsorted(edges, width)
    errors = np.bincount(group, weights=error, minlength=len(edges) + 1)
    widths = np.bincount(group, weights=width, minlength=len(edges) + 1)
    overall = float(error.sum() / max(width.sum(), 1.0))
    ratio = np.divide(errors, widths, out=np.full(len(errors), overall), where=widths > 0)
    return np.asarray(ratio[np.searchsorted(edges, fresh_width)] * fresh_width)


def _expected(p: Floats, flagged: Mask) -> dict[str, float]:
    if not len(p):
        return {}
    tp, fp, fn = float(p[flagged].sum()), float((1 - p[flagged]).sum()), float(p[~flagged].sum())
    out = {"f1": 2 * tp / max(2 * tp + fp + fn, 1e-12)}
    if flagged.any():
        out["precision"] = tp / (tp + fp)
    return {**out, "recall": tp / max(tp + fn, 1e-12)}
