"""The reference profile of a load model: completions an hour, hour of the week by hour of the week."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.evaluation.load_answers import LoadAnswers
from neural_hive_ml.evaluation.load_quiet import QuietLoad, quiet_loads
from neural_hive_ml.evaluation.seasons import CELLS, Level, cells_of_hours, choose_level

Floats = npt.NDArray[np.float64]
LOAD_PROFILE_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """`rate` [cells] is the mean of completions in an hour of each season cell; `hours` [cells] how many were
    seen. `answers` says what is usual of the model's own forecasts and residuals, None where that is not known.
    """

    level: Level
    timezone: str
    from_ms: int
    until_ms: int
    rate: Floats
    hours: npt.NDArray[np.int64]
    quiet: tuple[QuietLoad, ...]
    answers: LoadAnswers | None = None

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
        answers = {} if self.answers is None else {"answers": self.answers.to_document()}
        return {
            **answers,
            "format": LOAD_PROFILE_FORMAT,
            "kind": "load",
            "level": self.level,
            "timezone": self.timezone,
            "from_ms": self.from_ms,
            "until_ms": self.until_ms,
            "rate": [round(float(r), 6) for r in self.rate],
            "hours": self.hours.tolist(),
            "quiet": [q.to_document() for q in self.quiet],
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
            LoadAnswers.from_document(document["answers"]) if "answers" in document else None,
        )


def build_load_profile(
    counts: Floats, first_hour_ms: int, timezone: str = "UTC", *, answers: LoadAnswers | None = None
) -> dict[str, Any]:
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

    def against_the_rest(window: slice) -> tuple[Floats, Floats] | None:
        part, cell = counts[window], cells[window]
        if not np.isfinite(part).all():
            return None
        rest = seen - np.bincount(cell, minlength=len(seen))
        others = total - np.bincount(cell, weights=part, minlength=len(seen))
        return (part, others[cell] / rest[cell]) if (rest[cell] > 0).all() and others.sum() > 0 else None

    profile = LoadProfile(
        level, timezone, int(hours[0] * HOUR_MS) if len(hours) else 0,
        int((hours[-1] + 1) * HOUR_MS) if len(hours) else 0, rate, seen,
        quiet_loads(range(len(counts)), against_the_rest), answers,
    )  # fmt: skip
    return profile.to_document()
