"""What a training was asked to do, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from neural_hive_ml.conventions import (
    ALGORITHMS,
    LOAD_HORIZONS_MINUTES,
    Family,
    anomaly_model_name,
    load_model_name,
    scheduling_model_name,
)
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.figure import Figure
from neural_hive_ml.evaluation.verdict import Evaluation
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.training.labels import TicketLabel
from neural_hive_ml.training.search import Trial, Value
from neural_hive_ml.training.window import Earlier

__all__ = [
    "Candidate",
    "Figure",
    "Progress",
    "TrainingRequest",
    "TuningBudget",
    "model_name_of",
    "requests_for",
    "silent",
]

Progress = Callable[[str], None]
# Of a window with more, the newest are what rows are made of (0008 in docs/adr/).
MOST_TICKETS: Final = 250_000


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

    `algorithm` None means the family's default; `horizon_minutes` and `holidays` (a country's code) only for load;
    `labels` only for anomaly: what people had said of tickets before `as_of_ms`. `parameters` (name, value) stand in for
    defaults of the algorithm; `tuning` asks for a search of them. Of more than `most_tickets` the newest are what rows are
    made of, `earlier` is what the others taught.
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
    labels: tuple[TicketLabel, ...] = ()
    parameters: tuple[tuple[str, Value], ...] = ()
    holidays: str = ""
    most_tickets: int = MOST_TICKETS
    earlier: Earlier | None = field(default=None, compare=False, repr=False)

    @property
    def row_tickets(self) -> int:
        """How many tickets rows are made of at most: never fewer than must be there."""
        return max(self.most_tickets, self.min_samples)

    @property
    def model_name(self) -> str:
        """The registered model that this training makes a version of."""
        if self.family == "anomaly":
            return anomaly_model_name(self.algorithm or "isolation_forest")
        if self.family == "scheduling":
            return scheduling_model_name(self.algorithm or "xgboost")
        return load_model_name(self.horizon_minutes or LOAD_HORIZONS_MINUTES[0])


def model_name_of(request: TrainingRequest) -> str:
    """Return the registered name that a request trains."""
    match request.family:
        case "anomaly":
            return anomaly_model_name(request.algorithm or "isolation_forest")
        case "load":
            return load_model_name(request.horizon_minutes or 60)
        case "scheduling":
            return scheduling_model_name(request.algorithm or "xgboost")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model with everything that was measured about it on its hold-out, and the trials that tuned it."""

    model: PackedModel
    evaluation: Evaluation
    cases: HoldoutCases
    figures: tuple[Figure, ...] = ()
    trials: tuple[Trial, ...] = ()


def requests_for(
    families: Sequence[Family],
    *,
    as_of_ms: int,
    window_days: int,
    min_samples: int = 1000,
    seed: int = 42,
    algorithm: str | None = None,
    tuning: TuningBudget | None = None,
    timezone: str = "UTC",
    parameters: tuple[tuple[str, Value], ...] = (),
    holidays: str = "",
    most_tickets: int = MOST_TICKETS,
) -> tuple[TrainingRequest, ...]:
    """Lay out one request a registered model: load has one a horizon; `algorithm` goes to whom it belongs.

    >>> [r.horizon_minutes for r in requests_for(["load"], as_of_ms=0, window_days=1)]
    [60, 360, 1440]
    """
    return tuple(
        TrainingRequest(
            family=family,
            as_of_ms=as_of_ms,
            window_days=window_days,
            min_samples=min_samples,
            seed=seed,
            algorithm=algorithm if algorithm in ALGORITHMS[family] else None,
            horizon_minutes=horizon,
            tuning=tuning,
            timezone=timezone,
            parameters=parameters,
            holidays=holidays if family == "load" else "",
            most_tickets=most_tickets,
        )
        for family in families
        for horizon in (LOAD_HORIZONS_MINUTES if family == "load" else (None,))
    )
