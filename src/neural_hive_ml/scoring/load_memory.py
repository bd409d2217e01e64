"""The residual's memory: how far load runs off its base now, yesterday, last week, and what that says hours ahead.

All in log1p of hourly counts. A history is [n, 672]: the residuals of the four weeks before each of `n` moments,
newest last, NaN where a count is not known. The level of those weeks comes back whole, whatever the base's was: a
trend may end high or low, and an old base is off by more each week. The rest comes back by weights; what is not known
counts as "as usual", which is residual zero.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.scoring.load_base import WEEK_HOURS

Floats = npt.NDArray[np.float64]

HISTORY_HOURS = 4 * WEEK_HOURS
DAY_HOURS = 24
# Means over the last hours: the last one alone is noisy at low counts, the week carries the level.
WINDOWS_HOURS = (1, 3, 6, 12, 24, WEEK_HOURS)
_DAYS_BACK, _WEEKS_BACK = 3, 4
# Known hours at which the level is believed by half.
_LEVEL_PRIOR_HOURS = 24.0
SIGNS = (*(f"last_{w}h" for w in WINDOWS_HOURS), "same_hour_days", "same_hour_last_week", "same_hour_weeks")


def level_of(residual: Floats) -> Floats:
    """Return the mean residual [n] of histories [n, 672], shrunk to zero where little is known."""
    known = np.isfinite(residual)
    return np.asarray(np.where(known, residual, 0.0).sum(axis=1) / (known.sum(axis=1) + _LEVEL_PRIOR_HOURS))


def signs_of(residual: Floats, hours_ahead: int) -> Floats:
    """Return [n, hours_ahead, len(SIGNS)] from residuals [n, 672] off their level; O(n (672 + hours_ahead))."""
    known = np.isfinite(residual)
    value = np.where(known, residual, 0.0)
    n = len(residual)
    out = np.zeros((n, hours_ahead, len(SIGNS)))
    for i, window in enumerate(WINDOWS_HOURS):
        seen = np.maximum(known[:, -window:].sum(axis=1), 1)
        out[:, :, i] = (value[:, -window:].sum(axis=1) / seen)[:, None]
    at = len(WINDOWS_HOURS)
    for lead in range(hours_ahead):
        days = _back(residual.shape[1], lead, DAY_HOURS, _DAYS_BACK)
        weeks = _back(residual.shape[1], lead, WEEK_HOURS, _WEEKS_BACK)
        out[:, lead, at] = _mean(value, known, days)
        out[:, lead, at + 1] = _mean(value, known, weeks[:1])
        out[:, lead, at + 2] = _mean(value, known, weeks)
    return out


def _back(length: int, lead: int, period: int, times: int) -> list[int]:
    """Positions in the history of the same phase one to `times` periods before the hour `lead` ahead."""
    return [length + lead - period * j for j in range(1, times + 1) if 0 <= length + lead - period * j < length]


def _mean(value: Floats, known: npt.NDArray[np.bool_], at: list[int]) -> Floats:
    if not at:
        return np.zeros(len(value))
    return np.asarray(value[:, at].sum(axis=1) / np.maximum(known[:, at].sum(axis=1), 1))


@dataclass(frozen=True, slots=True)
class ResidualMemory:
    """`weights` [hours ahead, signs] and `intercept` [hours ahead] of what is added to the base and its level."""

    weights: Floats
    intercept: Floats

    def correct(self, residual: Floats) -> Floats:
        """Return the correction [n, hours ahead] of residual histories [n, 672]."""
        level = level_of(residual)[:, None]
        return level + self.of_signs(signs_of(residual - level, len(self.intercept)))

    def of_signs(self, signs: Floats) -> Floats:
        """Return what signs [n, hours ahead, len(SIGNS)] add to the level, [n, hours ahead]."""
        return np.asarray(np.einsum("nks,ks->nk", signs, self.weights) + self.intercept)
