"""The reference of what a load model itself says: its forecasts and residuals in hours that it had not learned from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.evaluation.load_quiet import QuietLoad, quiet_loads
from neural_hive_ml.scoring.load_replay import LoadReplay

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LoadAnswers:
    """Quiet windows of `hours` answered hours of [from_ms, until_ms): `forecast` compares what was said of them with the
    weeks before repeated, `residual` the load that came with what was said."""

    from_ms: int
    until_ms: int
    hours: int
    forecast: tuple[QuietLoad, ...]
    residual: tuple[QuietLoad, ...]

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-able form that artifacts carry."""
        return {
            "from_ms": self.from_ms,
            "until_ms": self.until_ms,
            "hours": self.hours,
            "forecast": [q.to_document() for q in self.forecast],
            "residual": [q.to_document() for q in self.residual],
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "LoadAnswers":
        """Read what `to_document` wrote. Raises KeyError or TypeError for anything else."""
        return LoadAnswers(
            document["from_ms"],
            document["until_ms"],
            document["hours"],
            tuple(QuietLoad(**q) for q in document["forecast"]),
            tuple(QuietLoad(**q) for q in document["residual"]),
        )


def load_answers(counts: Floats, replay: LoadReplay, first_hour_ms: int) -> LoadAnswers | None:
    """Profile what was said of hours with `counts` [h] from `first_hour_ms`; None where too little was.

    Only what the model had not learned from may be said: residuals of what was learned are too small. O(h widths).
    """
    said, repeated = replay.said, replay.repeated
    answered = np.flatnonzero(np.isfinite(said) & np.isfinite(counts))
    if not len(answered):
        return None
    span = range(int(answered[0]), int(answered[-1]) + 1)

    def known(observed: Floats, expected: Floats) -> tuple[Floats, Floats] | None:
        return (observed, expected) if np.isfinite(observed + expected).all() else None

    found = LoadAnswers(
        first_hour_ms + span.start * HOUR_MS,
        first_hour_ms + span.stop * HOUR_MS,
        len(answered),
        quiet_loads(span, lambda window: known(said[window], repeated[window]), following=True),
        quiet_loads(span, lambda window: known(counts[window], said[window]), following=True),
    )
    return found if found.forecast and found.residual else None
