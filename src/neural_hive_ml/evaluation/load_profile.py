"""The reference profile of a load model: completions an hour, hour of the week by hour of the week."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.evaluation.seasons import CELLS, Level, cells_of_hours, choose_level

Floats = npt.NDArray[np.float64]
LOAD_PROFILE_FORMAT: Final = 1
_WIDTHS_HOURS: Final = (6, 12, 24, 48, 96, 168)
_LEAST_WINDOWS: Final = 5
# Half a ticket on both sides keeps the logarithm of an empty window finite.
_HALF: Final = 0.5


@dataclass(frozen=True, slots=True)
class QuietLoad:
    """Quiet windows of one width: mean and spread of the log of observed over expected (`level`), and of the
    log of the shape's misplaced share (`shape`)."""

    width_hours: int
    windows: int
    level_mean: float
    level_spread: float
    shape_mean: float
    shape_spread: float


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """`rate` [cells] is the mean of completions in an hour of each season cell; `hours` [cells] how many were
    seen.
    """

    level: Level
    timezone: str
    from_ms: int
    until_ms: int
    rate: Floats
    hours: npt.NDArray[np.int64]
    quiet: tuple[QuietLoad, ...]

    @property
    def rows(self) -> int:
        """Completions in the reference."""
        return round(float((self.rate * self.hours).sum()))

    def expected(self, hours: npt.NDArray[np.int64]) -> Floats:
        """Return the expected completions of each epoch hour; an hour never seen gets the mean of all."""
        cells = cells_of_hours(hours, self.level, self.timezone)
        overall = float((self.rate * self.hours).sum() / max(self.hours.sum(), 1))
        return np.where(self.hours[cells] > 0, self.rate[cells], overall)

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-able form that artifacts carry."""
        return {
            "format": LOAD_PROFILE_FORMAT,
            "kind": "load",
            "level": self.level,
            "timezone": self.timezone,
            "from_ms": self.from_ms,
            "until_ms": self.until_ms,
            "rate": [round(float(r), 6) for r in self.rate],
            "hours": self.hours.tolist(),
            "quiet": [asdict(q) for q in self.quiet],
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "LoadProfile":
        """Read what `to_document` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        if document["format"] != LOAD_PROFILE_FORMAT or document["kind"] != "load":
            raise ValueError("this is no load profile of format 1")
        return LoadProfile(
            document["level"],
            document["timezone"],
            document["from_ms"],
            document["until_ms"],
            np.asarray(document["rate"], dtype=np.float64),
            np.asarray(document["hours"], dtype=np.int64),
            tuple(QuietLoad(**q) for q in document["quiet"]),
        )


def build_load_profile(counts: Floats, first_hour_ms: int, timezone: str = "UTC") -> dict[str, Any]:
    """Profile hourly counts [h] of consecutive hours from `first_hour_ms`; NaN is "not known" and left out. O(h
    widths).

    >>> build_load_profile(np.ones(24 * 28), 0)["level"]
    'hour_of_week'
    """
    hours = first_hour_ms // HOUR_MS + np.arange(len(counts), dtype=np.int64)
    known = np.isfinite(counts)
    level = choose_level(len(counts), len(counts) / 24, 1, len(counts), rows_a_cell=3)
    cells = cells_of_hours(hours, level, timezone)
    seen = np.bincount(cells[known], minlength=CELLS[level])
    total = np.bincount(cells[known], weights=counts[known], minlength=CELLS[level]).astype(np.float64)
    rate = np.divide(total, seen, out=np.zeros(CELLS[level]), where=seen > 0)
    profile = LoadProfile(
        level, timezone, int(hours[0] * HOUR_MS) if len(hours) else 0,
        int((hours[-1] + 1) * HOUR_MS) if len(hours) else 0, rate, seen, _quiet(counts, cells, total, seen),
    )  # fmt: skip
    return profile.to_document()


def compare_load(observed: Floats, expected: Floats) -> tuple[float, float]:
    """Return (log of observed over expected load, share of the load that is in other hours than expected).

    The second is the total variation distance of the two shapes, in [0, 1].
    """
    level = float(np.log((observed.sum() + _HALF) / (expected.sum() + _HALF)))
    if observed.sum() <= 0 or expected.sum() <= 0:
        return level, 0.0
    return level, float(np.abs(observed / observed.sum() - expected / expected.sum()).sum() / 2)


def _quiet(
    counts: Floats, cells: npt.NDArray[np.intp], total: Floats, seen: npt.NDArray[np.int64]
) -> tuple[QuietLoad, ...]:
    out: list[QuietLoad] = []
    for width in _WIDTHS_HOURS:
        found: list[Sequence[float]] = []
        for start in range(0, len(counts) - width + 1, width):
            part, cell = counts[start : start + width], cells[start : start + width]
            if not np.isfinite(part).all():
                continue
            rest = seen - np.bincount(cell, minlength=len(seen))
            others = total - np.bincount(cell, weights=part, minlength=len(seen))
            if not (rest[cell] > 0).all() or others.sum() <= 0:
                continue
            level, shape = compare_load(part, others[cell] / rest[cell])
            found.append((level, np.log(max(shape, 1e-6))))
        if len(found) >= _LEAST_WINDOWS:
            mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
            moments = (mean[0], spread[0], mean[1], spread[1])
            out.append(QuietLoad(width, len(found), *(round(float(v), 5) for v in moments)))
    return tuple(out)
