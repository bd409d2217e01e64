"""How far off a load forecast may be: a spread that grows as counts get small, and quantiles of past errors.

The error is u = log((truth + 1) / (forecast + 1)); its scale is s(f) = sqrt(a + b / (f + 1)), relative noise plus
Poisson noise. Quantiles of u / s over past rolling origins (split conformal: Vovk et al. 2005) make the interval.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

COVERAGE = 0.80


@dataclass(frozen=True, slots=True)
class Spread:
    """`a`, `b` of the scale; `low`, `high` the quantiles of the scaled error."""

    a: float
    b: float
    low: float
    high: float

    def scale(self, forecast: Floats) -> Floats:
        """Return s(f) of forecasts of any shape."""
        return np.asarray(np.sqrt(self.a + self.b / (forecast + 1.0)))

    def interval(self, forecast: Floats, widen: Floats | float = 1.0) -> tuple[Floats, Floats]:
        """Return the lower and upper bound, which hold the forecast between them and are never negative.

        `widen` scales their reach (in the log).
        """
        scale = self.scale(forecast) * widen
        lower = (forecast + 1.0) * np.exp(self.low * scale) - 1.0
        upper = (forecast + 1.0) * np.exp(self.high * scale) - 1.0
        return np.clip(lower, 0.0, forecast), np.maximum(upper, forecast)

    def to_array(self) -> Floats:
        """Return the four numbers."""
        return np.array([self.a, self.b, self.low, self.high])


def fit_spread(
    truth: Floats, forecast: Floats, coverage: float = COVERAGE, independent: float | None = None
) -> Spread:
    """Fit the spread to past errors [n], n > 0; O(n log n).

    `independent` is how many of the errors tell something of their own (windows that overlap err alike); None: all.

    >>> spread = fit_spread(np.array([8.0, 12.0] * 50), np.full(100, 10.0))
    >>> [round(float(x), 1) for x in spread.interval(np.array([10.0]))[0]]
    [8.0]
    """
    error = np.log1p(truth) - np.log1p(forecast)
    thin = 1.0 / (forecast + 1.0)
    a, b = _line(thin, error**2)
    scale = np.sqrt(a + b * thin)
    tail = (1.0 - coverage) / 2.0
    # Finite-sample correction of split conformal: with n errors the quantile is taken a little further out.
    reach = min(1.0, (1.0 - tail) * (1.0 + 1.0 / max(independent or len(error), 1.0)))
    low, high = np.quantile(error / scale, [1.0 - reach, reach])
    return Spread(a, b, min(float(low), 0.0), max(float(high), 0.0))


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Non-negative least squares of y = a + b x, kept off zero."""
    floor = 1e-6
    spread = float(np.var(x))
    slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread > 1e-12 else 0.0
    slope = max(slope, 0.0)
    level = float(np.mean(y)) - slope * float(np.mean(x))
    if level < 0:
        level, slope = 0.0, float(np.mean(y)) / max(float(np.mean(x)), 1e-12)
    return max(level, floor), slope
