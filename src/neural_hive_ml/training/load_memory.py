"""How much of the residual comes back: ridge weights a lead, fitted where the base had not looked."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.scoring.load_memory import SIGNS, ResidualMemory, level_of, signs_of

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# In hours: what the prior "residuals do not come back" weighs against the data. Five days, as the signs of neighbouring
# hours are nearly the same ones: a dozen of hours says little more than one.
_RIDGE = 120.0


@dataclass(frozen=True, slots=True)
class MemoryCases:
    """Origins to learn the memory from: `level` [n] and `signs` [n, ahead, signs] before, `came` and `mass` [n, ahead]
    after.

    `came` is the residual off the level, in log1p (NaN where not known), `mass` the base in counts.
    """

    level: Floats
    signs: Floats
    came: Floats
    mass: Floats

    @staticmethod
    def of(history: Floats, residual: Floats, usual: Floats) -> "MemoryCases":
        """Lay out cases from residual histories [n, 672], and the residuals and base [n, ahead] of the hours ahead."""
        level = level_of(history)
        off = level[:, None]
        return MemoryCases(
            level, signs_of(history - off, residual.shape[1]), residual - off, np.expm1(usual + off).clip(0.0)
        )

    def answered(self, memory: ResidualMemory, among: Mask) -> Floats:
        """Return what a memory would have added to the base, for the cases of `among`, [., ahead]."""
        return np.asarray(self.level[among, None] + memory.of_signs(self.signs[among]))


def fit_memory(cases: MemoryCases, among: Mask) -> ResidualMemory:
    """Fit on the cases of `among` [n]; O(n ahead signs^2).

    An hour weighs what it carries: in log1p the variance of a count falls with its level, and WAPE counts tickets.
    """
    ahead = cases.came.shape[1]
    weights = np.zeros((ahead, len(SIGNS)))
    intercept = np.zeros(ahead)
    for lead in range(ahead):
        target = cases.came[:, lead]
        known = np.isfinite(target) & among
        if known.sum() < len(SIGNS):
            continue
        mass = cases.mass[known, lead] + 1.0
        solved = _ridge(cases.signs[known, lead], target[known], mass / mass.mean())
        weights[lead], intercept[lead] = solved[:-1], solved[-1]
    return ResidualMemory(weights, intercept)


def _ridge(x: Floats, y: Floats, mass: Floats) -> Floats:
    design = np.column_stack([x, np.ones(len(x))])
    scale = np.sqrt(np.average(design**2, axis=0, weights=mass)).clip(1e-9)
    z = design / scale
    gram = z.T @ (mass[:, None] * z) + _RIDGE * np.eye(z.shape[1])
    return np.asarray(np.linalg.solve(gram, z.T @ (mass * y)) / scale)
