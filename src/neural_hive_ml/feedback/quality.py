"""Live quality of the models: predictions joined with verdicts and outcomes, measured, judged, kept as records."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, iso
from neural_hive_ml.conventions import (
    FAMILIES,
    Family,
)
from neural_hive_ml.feedback.live import Estimate, LiveFigure
from neural_hive_ml.feedback.maturity import Cohort
from neural_hive_ml.feedback.quality_loss import Loss

WINDOW_DAYS: Final = 7
# Measurements closer to each other rest on the same labels: they are one.
APART_HOURS: Final = 4.0


@dataclass(frozen=True, slots=True)
class QualityRules:
    """`maturity_ms`: age at which a prediction may be judged whatever labels it has; `least_labels`: fewer is unknown;
    `f1_objective` in [0, 1]: what the SLO asks of a detector; `window_ms`: predictions of this long are judged."""

    maturity_ms: int = DAY_MS
    least_labels: int = 20
    f1_objective: float = 0.75
    window_ms: int = WINDOW_DAYS * DAY_MS


@dataclass(frozen=True, slots=True)
class Measured:
    """What the labels of one model say: figures of all its predictions, and of each version's own.

    `labels` and `overdue` count a detector's tickets, the others' predictions.
    """

    figures: tuple[LiveFigure, ...]
    versions: Mapping[int, tuple[LiveFigure, ...]]
    predictions: int
    labels: int
    overdue: int
    cohorts: Sequence[Cohort] = ()
    estimate: Estimate | None = None
    by_outcome: Mapping[str, float] = field(default_factory=dict)
    feedback: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelQuality:
    """Live quality of one model at `at_ms`; `version` is its champion's, None without one. `loss` is about that version."""

    name: str
    version: int | None
    at_ms: int
    from_ms: int
    measured: Measured
    loss: Loss

    @property
    def enough(self) -> bool:
        """Whether the figure that decides is known."""
        return any(f.value is not None for f in self.measured.figures if f.name == self.loss.metric)

    def to_document(self) -> dict[str, Any]:
        """Return the stored form; `metrics` holds known figures only, `figures` all of them."""
        m = self.measured
        return {
            "type": "model_quality",
            "timestamp": iso(self.at_ms),
            "model_name": self.name,
            "model_version": self.version,
            "from_ms": self.from_ms,
            "until_ms": self.at_ms,
            "enough": self.enough,
            "predictions": m.predictions,
            "labels": m.labels,
            "overdue": m.overdue,
            "metrics": {f.name: f.value for f in m.figures if f.value is not None},
            "figures": {f.name: f.to_document() for f in m.figures},
            "versions": {str(v): {f.name: f.to_document() for f in of} for v, of in m.versions.items()},
            "lost": self.loss.lost,
            "metric": self.loss.metric,
            "value": self.loss.value,
            "objective": self.loss.objective,
            "reason": self.loss.reason,
            "estimate": m.estimate.to_document() if m.estimate is not None else None,
            "by_outcome": dict(m.by_outcome),
            "feedback": dict(m.feedback),
            "cohorts": [asdict(c) for c in m.cohorts],
            "notes": list(m.notes),
        }


def family_of(name: str) -> Family:
    """Return the family of a registered model's name."""
    return next(family for family in FAMILIES if name.startswith(family))


def generator_of(name: str, at_ms: int) -> np.random.Generator:
    """Return the random source of a model's intervals: the same check gives the same interval."""
    seed = int.from_bytes(hashlib.blake2b(f"{name}@{at_ms}".encode(), digest_size=8).digest(), "little")
    return np.random.default_rng(seed)


def ids(values: Sequence[str]) -> npt.NDArray[np.int64]:
    """Number texts by first sight, [n]."""
    seen: dict[str, int] = {}
    return np.fromiter((seen.setdefault(v, len(seen)) for v in values), dtype=np.int64, count=len(values))
