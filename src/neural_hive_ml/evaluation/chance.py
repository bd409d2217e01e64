"""Tails of chance: chi-square, Student's t and Kolmogorov, without scipy (tests/oracles holds them against
it).
"""

from math import exp, fabs, lgamma, log, log1p, pi, sqrt

_TINY = 1e-300


def chi2_tail(x: float, freedom: float) -> float:
    """Return P(chi-square with `freedom` > 0 degrees >= x); 1e-10 relative to scipy for x < 1e3."""
    return 1.0 if x < _TINY else _gamma_tail(freedom / 2.0, x / 2.0)


def t_tail(t: float, freedom: float) -> float:
    """Return P(Student's t with `freedom` > 0 degrees >= t)."""
    # Each side of one where it does not lose digits.
    if t * t < 1.0:
        half = 0.5 * (1.0 - _beta(0.5, freedom / 2.0, t * t / (freedom + t * t)))
    else:
        half = 0.5 * _beta(freedom / 2.0, 0.5, freedom / (freedom + t * t))
    return half if t >= 0 else 1.0 - half


def kolmogorov_tail(x: float) -> float:
    """Return P(Kolmogorov's variable sqrt(n) D >= x) (Marsaglia, Tsang, Wang 2003, the limiting series)."""
    if x <= 0.18:  # below this the complement is 0 to fifteen digits
        return 1.0
    if x < 1.0:
        total = sum(exp(-((2 * k - 1) ** 2) * pi**2 / (8 * x * x)) for k in range(1, 8))
        return 1.0 - sqrt(2 * pi) / x * total
    return max(0.0, 2.0 * sum((-1.0) ** (k - 1) * exp(-2.0 * k * k * x * x) for k in range(1, 8)))


def binomial_tail(k: int, n: int, p: float) -> float:
    """Return P(Binomial(n, p) >= k), p in [0, 1].

    >>> round(binomial_tail(1, 2, 0.5), 12), binomial_tail(0, 2, 0.5), binomial_tail(3, 2, 0.5)
    (0.75, 1.0, 0.0)
    """
    if k <= 0:
        return 1.0
    if k > n or p <= 0.0:
        return 0.0
    return 1.0 if p >= 1.0 else _beta(float(k), float(n - k + 1), p)


def _gamma_tail(a: float, x: float) -> float:
    # Regularised upper incomplete gamma: series below a + 1, Lentz's continued fraction above (Press et al.,
    # 6.2).
    scale = exp(-x + a * log(x) - lgamma(a)) if x < 1e5 else 0.0
    if x < a + 1.0:
        term = total = 1.0 / a
        n = a
        while fabs(term) > fabs(total) * 1e-15:
            n += 1.0
            term *= x / n
            total += term
        return max(0.0, 1.0 - total * scale)
    b = x + 1.0 - a
    c, d = 1.0 / _TINY, 1.0 / b
    h = d
    for i in range(1, 500):
        an = -i * (i - a)
        b += 2.0
        d = 1.0 / _nonzero(an * d + b)
        c = _nonzero(b + an / c)
        h *= d * c
        if fabs(d * c - 1.0) < 1e-15:
            break
    return scale * h


def _beta(a: float, b: float, x: float) -> float:
    # Regularised incomplete beta by Lentz's continued fraction (Press et al., 6.4).
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, 1.0 - x) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 / _nonzero(1.0 - (a + b) * x / (a + 1.0))
    h = d
    for m in range(1, 500):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _nonzero(1.0 + numerator * d)
            c = _nonzero(1.0 + numerator / c)
            h *= d * c
        if fabs(d * c - 1.0) < 1e-15:
            break
    return h


def _nonzero(x: float) -> float:
    return x if fabs(x) > _TINY else _TINY
