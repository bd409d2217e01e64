"""How much each way of forecasting weighs: the convex mixture with the least absolute error of totals."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# The model starts with half the weight; with few origins the weights stay near the start.
_MODEL_START = 0.5
_STEPS = 400
_RATE = 16.0


def fit_weights(totals: Floats, ways: Floats) -> Floats:
    """Return weights [k] >= 0 of sum 1 for the totals of ways [k, n], ways[0] being the model; O(steps k n).

    Exponentiated gradient on mean |truth - mixture| / mean truth (Kivinen & Warmuth 1997, Information and
    Computation 132:1), averaged over its second half.

    >>> truth = np.array([10.0, 20.0, 30.0])
    >>> fit_weights(truth, np.stack([truth + 9, truth])).round(1).tolist()
    [0.0, 1.0]
    """
    k = len(ways)
    weights = np.full(k, (1.0 - _MODEL_START) / max(k - 1, 1))
    weights[0] = _MODEL_START if k > 1 else 1.0
    scale = float(np.mean(np.abs(totals))) or 1.0
    kept = np.zeros(k)
    log_weights = np.log(weights)
    for step in range(_STEPS):
        side = np.sign(weights @ ways - totals)
        slope = (ways * side).mean(axis=1) / scale
        log_weights = log_weights - _RATE / np.sqrt(step + 1.0) * slope
        log_weights -= log_weights.max()
        weights = np.exp(log_weights)
        weights /= weights.sum()
        if step >= _STEPS // 2:
            kept += weights
    return np.asarray(kept / kept.sum())
