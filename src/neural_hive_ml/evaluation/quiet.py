"""What the reference's own quiet windows look like: tickets come in clusters, so chance alone is too small a
yardstick.

Each window of the reference is compared with the rest of the reference, exactly as a check compares the present
with it. The ratios (statistic over its mean under independence) are near lognormal, so that their mean and
spread give a prediction limit for one more quiet window: Student's t with the windows' degrees of freedom,
wider where windows were few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.distances import (
    KOLMOGOROV_SQUARED_MEAN,
    expect,
    hellinger,
    kolmogorov_smirnov,
)

Floats = npt.NDArray[np.float64]
WIDTHS_HOURS: Final = (1, 3, 6, 12, 24, 48, 96, 168)
MOST_WINDOWS: Final = 60
LEAST_WINDOWS: Final = 5
LEAST_ROWS: Final = 30
# Hours on both sides of a window that are left out of what it is compared with: neighbours share its clusters.
_APART_HOURS: Final = 72
_SMALLEST_RATIO: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Quiet:
    """Quiet windows of one width: `mean` and `spread` of the log ratio over `windows` windows of `rows` rows on
    average, the `largest` ratio among them, the mean degrees of `freedom` that independence would give, and
    `weeks` of reference."""

    width_hours: int
    windows: int
    rows: float
    mean: float
    spread: float
    largest: float
    freedom: float
    weeks: float


@dataclass(frozen=True, slots=True)
class HourlyCounts:
    """Counts an hour: `hours` [h] epoch hours ascending, `cells` [h], `counts` [h, columns] of all features
    side by side, `rows` [h]; feature f has the columns begin[f]:begin[f + 1] of which `ordered[f]` have an
    order (0: no KS)."""

    hours: npt.NDArray[np.int64]
    cells: npt.NDArray[np.intp]
    cell_count: int
    counts: npt.NDArray[np.float32]
    rows: Floats
    begin: npt.NDArray[np.intp]
    ordered: Sequence[int]


def by_cell(hourly: HourlyCounts, picked: slice | npt.NDArray[np.bool_] = slice(None)) -> Floats:
    """Add hours up by season cell: [cells, columns]."""
    onehot = np.zeros((hourly.cell_count, len(hourly.cells[picked])), dtype=np.float32)
    onehot[hourly.cells[picked], np.arange(onehot.shape[1])] = 1.0
    return np.asarray(onehot @ hourly.counts[picked], dtype=np.float64)


def quiet_windows(hourly: HourlyCounts, total: Floats) -> list[dict[str, list[Quiet]]]:
    """Measure each feature's quiet windows of every width that the reference holds often enough.

    `total` is `by_cell(hourly)`. Returns one ``{"hellinger": [...], "ks": [...]}`` a feature, widths ascending;
    O(widths windows cells columns).
    """
    features = len(hourly.begin) - 1
    out: list[dict[str, list[Quiet]]] = [{"hellinger": [], "ks": []} for _ in range(features)]
    if not len(hourly.hours):
        return out
    first, last = int(hourly.hours[0]), int(hourly.hours[-1]) + 1
    apart = _APART_HOURS if last - first >= 21 * 24 else 0
    for width in WIDTHS_HOURS:
        starts = np.arange(first, last - width + 1, width)
        if len(starts) < LEAST_WINDOWS:
            break
        starts = starts[np.linspace(0, len(starts) - 1, min(len(starts), MOST_WINDOWS)).astype(int)]
        ratios: list[list[list[float]]] = [[[], [], []] for _ in range(features)]
        sizes = []
        for start in starts:
            lo, hi = np.searchsorted(hourly.hours, [start, start + width])
            near_lo, near_hi = np.searchsorted(hourly.hours, [start - apart, start + width + apart])
            window = np.bincount(
                hourly.cells[lo:hi], weights=hourly.rows[lo:hi], minlength=hourly.cell_count
            ).astype(np.float64)
            if window.sum() < LEAST_ROWS:
                continue
            rest = total - by_cell(hourly, slice(near_lo, near_hi))
            if rest[:, : hourly.begin[1]].sum() < LEAST_ROWS:
                continue
            sizes.append(window.sum())
            counts = hourly.counts[lo:hi].sum(axis=0, dtype=np.float64)
            for f in range(features):
                cut = slice(hourly.begin[f], hourly.begin[f + 1])
                for kept, value in zip(
                    ratios[f], _ratios(rest[:, cut], window, counts[cut], hourly.ordered[f]), strict=True
                ):
                    kept.append(value)
        for f in range(features):
            for name, values in zip(("hellinger", "ks"), ratios[f][:2], strict=True):
                if len(values) >= LEAST_WINDOWS and (name == "hellinger" or hourly.ordered[f] > 1):
                    logs = np.log(np.maximum(values, _SMALLEST_RATIO))
                    spread = float(logs.std(ddof=1))
                    out[f][name].append(
                        Quiet(
                            width_hours=width,
                            windows=len(values),
                            rows=float(np.mean(sizes)),
                            mean=float(logs.mean()),
                            spread=spread,
                            largest=float(max(values)),
                            freedom=float(np.mean(ratios[f][2])),
                            weeks=(last - first) / 168,
                        )
                    )
    return out


def _ratios(rest: Floats, window: Floats, counts: Floats, ordered: int) -> tuple[float, float, float]:
    """Return the Hellinger ratio, the KS ratio (0 without order) and the degrees of freedom."""
    expected = expect(rest, window)
    ratio = hellinger(counts, expected.shares) / expected.noise
    if ordered <= 1:
        return ratio, 0.0, expected.freedom
    gap = kolmogorov_smirnov(counts, expected.shares, ordered)
    return ratio, gap * gap * expected.effective_rows / KOLMOGOROV_SQUARED_MEAN, expected.freedom
