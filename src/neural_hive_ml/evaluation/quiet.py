"""What the reference's own quiet windows look like: tickets come in clusters, so chance alone is too small a
yardstick.

Each window of the reference is compared with the rest of the reference, exactly as a check compares the present
with it. The ratios (statistic over its mean under independence) are near lognormal, so that their mean and
spread give a prediction limit for one more quiet window: Student's t with the windows' degrees of freedom,
wider where windows were few.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.directions import QuietShifts, effective_freedom, quiet_shifts, shifts
from neural_hive_ml.evaluation.distances import (
    KOLMOGOROV_SQUARED_MEAN,
    expect_each,
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
    average, the `largest` ratio among them, the mean degrees of `freedom` that independence would give, and how many
    degrees of freedom `spread` has (`spread_freedom`), windows of one week being alike."""

    width_hours: int
    windows: int
    rows: float
    mean: float
    spread: float
    largest: float
    freedom: float
    spread_freedom: float

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "Quiet":
        """Read the JSON form. Raises KeyError, TypeError or ValueError for anything else."""
        if "weeks" not in document:
            return Quiet(**document)
        # As written until freedom was estimated: by weeks alone, six degrees at least.
        held = {name: value for name, value in document.items() if name != "weeks"}
        return Quiet(**held, spread_freedom=min(max(document["weeks"] - 1.0, 6.0), document["windows"] - 1.0))


AnyQuiet = TypeVar("AnyQuiet", Quiet, QuietShifts)


@dataclass(frozen=True, slots=True)
class HourlyCounts:
    """Counts an hour: `hours` [h] epoch hours ascending, `cells` [h], `counts` [h, columns] of all features
    side by side, `rows` [h]; feature f has the columns begin[f]:begin[f + 1] of which `ordered[f]` have an
    order (0: no KS). `scores` [directions, columns] are the directions of all features, those of feature f from
    direction[f] to direction[f + 1]."""

    hours: npt.NDArray[np.int64]
    cells: npt.NDArray[np.intp]
    cell_count: int
    counts: npt.NDArray[np.float32]
    rows: Floats
    begin: npt.NDArray[np.intp]
    ordered: Sequence[int]
    scores: Floats
    direction: npt.NDArray[np.intp]


def by_cell(hourly: HourlyCounts, picked: slice | npt.NDArray[np.bool_] = slice(None)) -> Floats:
    """Add hours up by season cell: [cells, columns]."""
    onehot = np.zeros((hourly.cell_count, len(hourly.cells[picked])), dtype=np.float32)
    onehot[hourly.cells[picked], np.arange(onehot.shape[1])] = 1.0
    return np.asarray(onehot @ hourly.counts[picked], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class QuietWindows:
    """What the quiet windows of one feature look like, widths ascending: by distance and by direction."""

    hellinger: tuple[Quiet, ...]
    ks: tuple[Quiet, ...]
    shifts: tuple[QuietShifts, ...]


@dataclass(frozen=True, slots=True)
class _Measured:
    """One feature of one window against the rest of the reference: ratios of the distances (KS: 0 without order), degrees
    of freedom, standardised shifts [directions]."""

    hellinger: float
    ks: float
    freedom: float
    shifts: Floats


def quiet_windows(hourly: HourlyCounts, total: Floats) -> list[QuietWindows]:
    """Measure each feature's quiet windows of every width that the reference holds often enough.

    `total` is `by_cell(hourly)`. O(widths windows cells columns).
    """
    features = len(hourly.begin) - 1
    found: list[list[tuple[Quiet, Quiet | None, QuietShifts]]] = [[] for _ in range(features)]
    if features and len(hourly.hours):
        first, last = int(hourly.hours[0]), int(hourly.hours[-1]) + 1
        apart = _APART_HOURS if last - first >= 21 * 24 else 0
        for width in WIDTHS_HOURS:
            starts = np.arange(first, last - width + 1, width)
            if len(starts) < LEAST_WINDOWS:
                break
            starts = starts[np.linspace(0, len(starts) - 1, min(len(starts), MOST_WINDOWS)).astype(int)]
            told = [(int(s), w) for s in starts if (w := _measure(hourly, total, int(s), width, apart))]
            if len(told) < LEAST_WINDOWS:
                continue
            rows = float(np.mean([size for _, (size, _) in told]))
            weeks = np.array([(start - first) // 168 for start, _ in told], dtype=np.int64)
            for f in range(features):
                of_feature = [measured[f] for _, (_, measured) in told]
                found[f].append(_summary(of_feature, width, rows, weeks))
    return [
        QuietWindows(
            tuple(h for h, _, _ in widths), tuple(k for _, k, _ in widths if k), tuple(s for _, _, s in widths)
        )
        for widths in found
    ]


def _measure(
    hourly: HourlyCounts, total: Floats, start: int, width: int, apart: int
) -> tuple[float, list[_Measured]] | None:
    """Return the rows of one window and what each feature measures in it; None where it or the rest holds too few."""
    lo, hi = np.searchsorted(hourly.hours, [start, start + width])
    near_lo, near_hi = np.searchsorted(hourly.hours, [start - apart, start + width + apart])
    window = np.bincount(hourly.cells[lo:hi], weights=hourly.rows[lo:hi], minlength=hourly.cell_count).astype(
        np.float64
    )
    if window.sum() < LEAST_ROWS:
        return None
    rest = total - by_cell(hourly, slice(near_lo, near_hi))
    if rest[:, : hourly.begin[1]].sum() < LEAST_ROWS:
        return None
    counts = hourly.counts[lo:hi].sum(axis=0, dtype=np.float64)
    cuts = [slice(lo, hi) for lo, hi in pairwise(hourly.begin)]
    expected = expect_each(rest, window, hourly.begin)
    # All features were seen in the same rows: one two-sample size holds for all directions.
    shares = np.concatenate([e.shares for e in expected])
    moved = shifts(hourly.scores, counts, shares, float(window.sum()), expected[0].effective_rows)
    measured = []
    for cut, e, ordered, (first, last) in zip(
        cuts, expected, hourly.ordered, pairwise(hourly.direction), strict=True
    ):
        ratio = hellinger(counts[cut], e.shares) / e.noise
        gap = kolmogorov_smirnov(counts[cut], e.shares, ordered) if ordered > 1 else 0.0
        of_gap = gap * gap * e.effective_rows / KOLMOGOROV_SQUARED_MEAN
        measured.append(_Measured(ratio, of_gap, e.freedom, moved[first:last]))
    return float(window.sum()), measured


def _summary(
    found: Sequence[_Measured], width: int, rows: float, weeks: npt.NDArray[np.int64]
) -> tuple[Quiet, Quiet | None, QuietShifts]:
    freedom = float(np.mean([m.freedom for m in found]))

    def quiet(values: Sequence[float]) -> Quiet:
        logs = np.log(np.maximum(values, _SMALLEST_RATIO))
        moments = (float(logs.mean()), float(logs.std(ddof=1)), float(max(values)))
        return Quiet(width, len(values), rows, *moments, freedom, effective_freedom(logs, weeks))

    gaps = [m.ks for m in found]
    return (
        quiet([m.hellinger for m in found]),
        quiet(gaps) if max(gaps) > 0 else None,
        quiet_shifts(width, rows, np.array([m.shifts for m in found]), weeks, LEAST_WINDOWS),
    )


def narrowest(quiet: Sequence[AnyQuiet], width_hours: float) -> AnyQuiet | None:
    """Return the narrowest measured width that is not narrower than the window, else the widest; None without any."""
    return next((q for q in quiet if q.width_hours >= width_hours), quiet[-1] if quiet else None)
