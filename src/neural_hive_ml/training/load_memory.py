"""How much of the residual comes back: ridge weights a lead, fitted where the base had not looked."""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from neural_hive_ml.scoring.load_memory import HISTORY_HOURS, SIGNS, ResidualMemory, signs_of

Floats = npt.NDArray[np.float64]

# In observations: what the prior "residuals do not come back" weighs against the data.
_RIDGE = 30.0
_MOST_ORIGINS = 3000


def fit_memory(residual: Floats, level: Floats, first: int, hours_ahead: int) -> ResidualMemory:
    """Fit on the origins from hour `first` on of a residual series [m]; `level` [m] is the base in counts.

    An hour weighs what it carries: in log1p the variance of a count falls with its level, and WAPE counts tickets.
    """
    origins = np.arange(first, len(residual) - hours_ahead + 1)
    origins = origins[:: max(len(origins) // _MOST_ORIGINS, 1)]
    padded = np.concatenate([np.full(HISTORY_HOURS, np.nan), residual])
    histories = sliding_window_view(padded, HISTORY_HOURS)[origins]
    signs = signs_of(histories, hours_ahead)
    weights = np.zeros((hours_ahead, len(SIGNS)))
    intercept = np.zeros(hours_ahead)
    for lead in range(hours_ahead):
        target = residual[origins + lead]
        known = np.isfinite(target)
        if known.sum() < len(SIGNS):
            continue
        mass = level[origins + lead][known] + 1.0
        solved = _ridge(signs[known, lead], target[known], mass / mass.mean())
        weights[lead], intercept[lead] = solved[:-1], solved[-1]
    return ResidualMemory(weights, intercept)


def _ridge(x: Floats, y: Floats, mass: Floats) -> Floats:
    design = np.column_stack([x, np.ones(len(x))])
    scale = np.sqrt(np.average(design**2, axis=0, weights=mass)).clip(1e-9)
    z = design / scale
    gram = z.T @ (mass[:, None] * z) + _RIDGE * np.eye(z.shape[1])
    return np.asarray(np.linalg.solve(gram, z.T @ (mass * y)) / scale)
