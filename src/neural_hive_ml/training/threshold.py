"""From raw scores to policy: a curve to [0, 1] and a threshold, both chosen on the validation window alone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# The guide asks for precision above 0.75; what is chosen on validation must hold on later tickets.
PRECISION_FIRST = 0.80
# One-sided 90 %: of the many thresholds that a validation window offers, the one that reaches a precision by luck
# must not be taken for one that has it.
_SURE = 1.2816
# Below this recall a threshold of high precision finds too little to be of use, and the best F1 is taken.
LEAST_RECALL = 0.25
# Slope and intercept of a curve that knows nothing: rare anomalies, one decimal order of rarity not one of them.
_PRIOR = (0.5, -4.0)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A raw-score threshold with what it reached on the validation window, and the rule that chose it."""

    raw: float
    precision: float
    recall: float
    rule: str


def choose_threshold(label: Floats, raw: Floats) -> Threshold:
    """The best F1 with a precision that is surely (Wilson 1927, one-sided 90 %) at least 0.80, else the best F1 there is.

    Not the most recall at that precision: where recall hardly rises any more, that threshold would lie as low as it may,
    and fail once later tickets are a little different. O(n log n).

    A threshold lies halfway between two scores, so that it does not hang on one validation row. With no positives it is
    above every score, and the rule says so.
    """
    if label.sum() == 0 or len(label) == 0:
        top = float(raw.max()) if len(raw) else 0.0
        return Threshold(top + 1.0, 0.0, 0.0, "no anomaly in the validation window: above every score")
    order = np.argsort(-raw, kind="stable")
    hits, ranked = np.cumsum(label[order]), raw[order]
    seen = np.arange(1.0, len(raw) + 1.0)
    precision, recall = hits / seen, hits / label.sum()
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    good = last_of_tie & (surely(hits, seen) >= PRECISION_FIRST) & (recall >= LEAST_RECALL)
    if good.any():
        rule = f"best F1 at a precision surely >= {PRECISION_FIRST}"
    else:
        good, rule = last_of_tie, "best F1: the precision asked for was out of reach"
    i = int(np.argmax(np.where(good, f1, -1.0)))
    lowest = float(ranked[i])
    below = float(ranked[i + 1]) if i + 1 < len(ranked) else lowest - 1.0
    halfway = (lowest + below) / 2
    # Between neighbours among the floats there is no number halfway.
    return Threshold(halfway if halfway > below else lowest, float(precision[i]), float(recall[i]), rule)


def surely(hits: Floats, seen: Floats) -> Floats:
    """Return the lower end of Wilson's one-sided 90 % interval of hits / seen.

    >>> surely(np.array([9.0]), np.array([10.0])).round(2).tolist()
    [0.72]
    """
    share, z = hits / seen, _SURE
    middle = share + z * z / (2 * seen)
    width = z * np.sqrt(share * (1 - share) / seen + z * z / (4 * seen**2))
    return np.asarray((middle - width) / (1 + z * z / seen))


def fit_curve(label: Floats, raw: Floats, rounds: int = 50) -> tuple[float, float]:
    """Fit P(anomaly) = 1 / (1 + exp(-(slope * raw + intercept))) by Newton steps (Platt 1999, his smoothed targets).

    Without rows it is what the steps are drawn to: slope 0.5, intercept -4.
    """
    if len(raw) == 0:
        return _PRIOR
    positives = float(label.sum())
    negatives = len(label) - positives
    target = np.where(label > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    x = np.stack([raw, np.ones_like(raw)], axis=1)
    weights = np.array([1.0, -float(np.median(raw)) - 3.0])
    ridge = np.diag([1e-3, 1e-3])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (p - target) + 1e-3 * (weights - _PRIOR)
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + ridge, gradient)
        weights = weights - np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-9:
            break
    return max(float(weights[0]), 1e-3), float(weights[1])
