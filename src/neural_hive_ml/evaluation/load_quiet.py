"""How far hourly load is from what is expected of it in the reference's own quiet windows: level and shape."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_WIDTHS_HOURS: Final = (6, 12, 24, 48, 96, 168)
_LEAST_WINDOWS: Final = 5
# Half a ticket on both sides keeps the logarithm of an empty window finite.
_HALF: Final = 0.5
_LEAST_SHAPE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class QuietLoad:
    """Quiet windows of one width: mean and spread of the log of observed over expected (`level`), and of the
    log of the shape's misplaced share (`shape`). `level_kept` is what of a level the next window keeps, in [0, 0.9]: 0
    where windows are taken to know nothing of each other."""

    width_hours: int
    windows: int
    level_mean: float
    level_spread: float
    shape_mean: float
    shape_spread: float
    level_kept: float = 0.0

    def to_document(self) -> dict[str, float]:
        """Return the JSON-able form; `level_kept` where there is any."""
        document = asdict(self)
        if not self.level_kept:
            del document["level_kept"]
        return document

    @property
    def of_mean(self) -> float:
        """How many independent windows know the mean level as well (of a first-order autoregression)."""
        return self.windows * (1.0 - self.level_kept) / (1.0 + self.level_kept)

    @property
    def of_spread(self) -> float:
        """How many independent windows know the spread of the level as well (Bayley & Hammersley 1946)."""
        return self.windows * (1.0 - self.level_kept**2) / (1.0 + self.level_kept**2)


def compare_load(observed: Floats, expected: Floats) -> tuple[float, float]:
    """Return (log of observed over expected load, share of the load that is in other hours than expected).

    The second is the total variation distance of the two shapes, in [0, 1].
    """
    level = float(np.log((observed.sum() + _HALF) / (expected.sum() + _HALF)))
    if observed.sum() <= 0 or expected.sum() <= 0:
        return level, 0.0
    return level, float(np.abs(observed / observed.sum() - expected / expected.sum()).sum() / 2)


def log_shape(shape: float) -> float:
    """Return the log of a misplaced share, finite for none."""
    return float(np.log(max(shape, _LEAST_SHAPE)))


def quiet_loads(
    hours: range, compared: Callable[[slice], tuple[Floats, Floats] | None], *, following: bool = False
) -> tuple[QuietLoad, ...]:
    """Compare the windows of each width that lie side by side in `hours` (positions in a series).

    `compared` returns (observed, expected) of a window's hours, None where they are not known. Widths of which there are
    fewer than five windows are left out; ascending. `following` asks how much of a level the next window keeps. O(hours
    widths).
    """
    out: list[QuietLoad] = []
    for width in _WIDTHS_HOURS:
        pairs = [
            compared(slice(start, start + width)) for start in range(hours.start, hours.stop - width + 1, width)
        ]
        found = np.array([(np.nan, np.nan) if pair is None else compare_load(*pair) for pair in pairs])
        known = found[np.isfinite(found[:, 0])] if len(found) else found
        if len(known) < _LEAST_WINDOWS:
            continue
        known[:, 1] = np.log(known[:, 1].clip(_LEAST_SHAPE))
        mean, spread = known.mean(axis=0), known.std(axis=0, ddof=1)
        moments = (mean[0], spread[0], mean[1], spread[1], kept_of(found[:, 0]) if following else 0.0)
        out.append(QuietLoad(width, len(known), *(round(float(v), 5) for v in moments)))
    return tuple(out)


def kept_of(levels: Floats) -> float:
    """Return how much of a level [n] (NaN: not known) the next one keeps, in [0, 0.9].

    The autocorrelation of neighbours, its bias in short series taken back (Marriott & Pope 1954).

    >>> kept_of(np.array([1.0, -1.0] * 20))
    0.0
    """
    off = levels - np.nanmean(levels)
    products = off[1:] * off[:-1]
    known = np.isfinite(products)
    variance = float(np.nanmean(off**2))
    if not known.any() or variance <= 0.0:
        return 0.0
    raw = float(products[known].mean()) / variance
    return float(np.clip(raw + (1.0 + 3.0 * raw) / known.sum(), 0.0, 0.9))


def quiet_of(quiet: Sequence[QuietLoad], hours: int, least_windows: int = 0) -> QuietLoad | None:
    """Return the quiet windows that a window of `hours` is judged by: the widest that are not wider and not fewer than
    `least_windows`, else the narrowest, None without any.

    The level of narrower windows varies more than that of wider ones: what stands in for another width is wary.
    """
    fitting = (q for q in reversed(quiet) if q.width_hours <= hours and q.windows >= least_windows)
    return next(fitting, quiet[0] if quiet else None)
