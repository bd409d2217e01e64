"""How much each way of forecasting weighs: the convex mixture with the least absolute error of totals."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# The fitted ways start with most of the weight and share it.
_MODEL_START = 0.5
_STEPS = 400
_RATE = 16.0
# What leaving the start costs, in relative error a day of evidence and nat: a few days prove little.
_STAY = 0.2


def fit_weights(totals: Floats, ways: Floats, models: int = 1, days: float = np.inf) -> Floats:
    """Return weights [k] >= 0 of sum 1 for the totals of ways [k, n], the first `models` of them fitted; O(steps k n).

    Exponentiated gradient on mean |truth - mixture| / mean truth (Kivinen & Warmuth 1997, Information and
    Computation 132:1), averaged over its second half. `days` is how many days the origins span: windows of one day
    overlap, so a day is about one observation, and the fewer there are the nearer to the start the weights stay.
    Without any they are the start.

    >>> truth = np.array([10.0, 20.0, 30.0])
    >>> fit_weights(truth, np.stack([truth + 9, truth])).round(1).tolist()
    [0.0, 1.0]
    """
    k = len(ways)
    start = np.full(k, (1.0 - _MODEL_START) / max(k - models, 1))
    start[:models] = (_MODEL_START if k > models else 1.0) / models
    if not len(totals):
        return start
    scale = float(np.mean(np.abs(totals))) or 1.0
    kept = np.zeros(k)
    first = np.log(start)
    log_weights, weights = first, start
    for step in range(_STEPS):
        side = np.sign(weights @ ways - totals)
        slope = (ways * side).mean(axis=1) / scale + _STAY / days * (log_weights - first)
        log_weights = log_weights - _RATE / np.sqrt(step + 1.0) * slope
        log_weights -= np.log(np.exp(log_weights - log_weights.max()).sum()) + log_weights.max()
        weights = np.exp(log_weights)
        if step >= _STEPS // 2:
            kept += weights
    return np.asarray(kept / kept.sum())
