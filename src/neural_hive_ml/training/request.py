"""What a training was asked to do, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass

from neural_hive_ml.conventions import Family
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.figure import Figure
from neural_hive_ml.evaluation.verdict import Evaluation
from neural_hive_ml.scoring.packed import PackedModel

__all__ = ["Candidate", "Figure", "Progress", "TrainingRequest", "TuningBudget", "silent"]

Progress = Callable[[str], None]


def silent(_: str) -> None:
    """Say nothing of the progress made."""


@dataclass(frozen=True, slots=True)
class TuningBudget:
    """How long a search may take: whichever of the two ends first."""

    seconds: float = 30.0
    trials: int = 60


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """One training: data as of `as_of_ms` (UTC ms), `window_days` back from it.

    `algorithm` None means the family's default; `horizon_minutes` only for load.
    """

    family: Family
    as_of_ms: int
    window_days: int = 540
    min_samples: int = 1000
    seed: int = 42
    algorithm: str | None = None
    horizon_minutes: int | None = None
    tuning: TuningBudget | None = None
    timezone: str = "UTC"
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model with everything that was measured about it on its hold-out."""

    model: PackedModel
    evaluation: Evaluation
    cases: HoldoutCases
    figures: tuple[Figure, ...] = ()
