"""Quality where labels are missing, estimated: each method with the check of what it assumes. Pure.

CBPE (confidence-based performance estimation): with calibrated scores, each prediction is right with a known
probability, and expected counts give F1. DLE (direct loss estimation): a model of the model's own error, here its
absolute error as a multiple of the width of the interval that it told. Both assume that what held for the labelled
predictions holds for the others: so they are learned on the older half of the labels and checked on the newer.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.intervals import bootstrap_interval
from neural_hive_ml.feedback.live import Estimate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_GROUPS = 8
_LEAST_OF_A_KIND = 5
# 5 % over three comparisons (Bonferroni).
_DEVIATIONS = 2.4


def cbpe(
    score: Floats, flagged: Mask, elsewhere: Mask, label: Floats, learned: Mask, *, least_labels: int
) -> Estimate:
    """Estimate f1, precision and recall over all predictions from their scores and the labels that there are.

    [n] each, in time order: `label` 1.0, 0.0 or NaN without, `learned` those whose label came by asking, `elsewhere` those
    of tickets that were flagged at another stage. A total is the labels where they are known and the expected ones
    elsewhere (the prediction estimator of a finite population's total, Royall 1970): people are asked about what is flagged,
    so the others alone would be another model's figure.

    With enough labels of both kinds a logistic curve over the score's log-odds, at each kind's own level, is fitted to the
    older half, checked on the newer (expected against observed anomalies, by kind) and refitted to all; else the
    score is taken as the probability that the model says it is, unchecked. Who is asked depends on score and kind only, so
    the fit needs no weights.
    """
    known = np.isfinite(label)
    x, y = _predictors(score, flagged, elsewhere), label[known & learned]
    own, kinds = x[known & learned], [k[known & learned] for k in (flagged, elsewhere, ~flagged & ~elsewhere)]
    half = len(y) // 2
    old, new = slice(0, half), slice(half, None)
    enough = len(y) >= 2 * least_labels and all(
        min((y[part] == 1).sum(), (y[part] == 0).sum()) >= _LEAST_OF_A_KIND for part in (old, new)
    )
    holds: bool | None = None
    if enough:
        holds, check = calibrated(chance(own[new], fit(own[old], y[old])), y[new], [k[new] for k in kinds])
        told = chance(x, fit(own, y))
    else:
        told, check = score, f"not checked: {len(y)} labels, {2 * least_labels} of both kinds are needed"
    return Estimate("cbpe", _expected(np.where(known, label, told), flagged), len(score), len(y), holds, check)


def _predictors(score: Floats, flagged: Mask, elsewhere: Mask) -> Floats:
    inside = np.clip(score, 1e-6, 1 - 1e-6)
    steps = np.ones(len(score)), flagged.astype(float), elsewhere.astype(float)
    return np.stack([np.log(inside) - np.log1p(-inside), *steps], axis=1)


def chance(x: Floats, at: Floats) -> Floats:
    """Return the probability [n] that predictors [n, k] stand for by a fit [k]."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x @ at, -500, 500))))


def fit(x: Floats, label: Floats) -> Floats:
    """Fit a logistic curve by Newton's steps, halved where they go too far (Platt 1999), with a weak pull towards the score
    as it is; 50 steps at most."""
    prior, pull = np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.1, 0.01, 0.1, 0.1])

    def loss(at: Floats) -> float:
        z = x @ at
        return float((np.logaddexp(0.0, z) - label * z).sum() + (pull * (at - prior) ** 2).sum() / 2)

    at, held = prior, loss(prior)
    for _ in range(50):
        p = chance(x, at)
        gradient = x.T @ (label - p) - pull * (at - prior)
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + np.diag(pull), gradient)
        while (found := loss(at + step)) > held and np.abs(step).max() > 1e-8:
            step = step / 2
        at, held = at + step, found
        if np.abs(step).max() < 1e-8:
            break
    return at


def calibrated(told: Floats, label: Floats, kinds: Sequence[Mask]) -> tuple[bool, str]:
    """Compare expected with observed anomalies among the flagged, the flagged elsewhere and the others.

    Holds where all three do, at 95 % together. The variance counts twice: the curve was fitted to about as many labels as it
    is checked on.
    """
    holds, words = True, []
    for name, kind in zip(("flagged", "flagged elsewhere", "others"), kinds, strict=True):
        if not kind.any():
            continue
        p, y = told[kind], label[kind]
        expected, observed = float(p.mean()), float(y.mean())
        deviation = float(np.sqrt(2 * np.maximum(p * (1 - p), 1e-6).sum()) / len(p))
        holds &= abs(observed - expected) <= _DEVIATIONS * deviation
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
