"""The values that evaluation speaks in: a measured metric, a check against a floor, a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured figure with its 95 % interval, on `n` cases (`positives` of them anomalies, where it counts).

    `low`/`high` are None where no interval is defined. `unit` is ``""`` for ratios, else ``ms``, ``%``...
    """

    name: str
    value: float
    n: int
    low: float | None = None
    high: float | None = None
    unit: str = ""
    higher_is_better: bool = True
    positives: int | None = None


@dataclass(frozen=True, slots=True)
class FloorCheck:
    """A metric against an absolute floor of `floors.yaml`; `source` says who set it."""

    metric: str
    value: float
    floor: float
    comparison: str
    passed: bool
    source: str


@dataclass(frozen=True, slots=True)
class BaselineFigure:
    """What a naive method reaches on the same hold-out, e.g. ``seasonal_naive_168h``."""

    name: str
    metric: str
    value: float


class Outcome(StrEnum):
    """The gate's three answers."""

    PROMOTE = "PROMOTE"
    REJECT = "REJECT"
    INSUFFICIENT_EVIDENCE = "INSUFFICIENT_EVIDENCE"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided and why; `missing` says how much more evidence would settle it."""

    outcome: Outcome
    reasons: tuple[str, ...]
    floors: tuple[FloorCheck, ...] = ()
    missing: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)

    @property
    def below_floor(self) -> bool:
        """True when some absolute floor was missed."""
        return any(not check.passed for check in self.floors)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that was measured about one candidate on its hold-out; `primary` names the deciding metric."""

    model_name: str
    primary: str
    metrics: tuple[Metric, ...]
    baselines: tuple[BaselineFigure, ...]
    holdout_from_ms: int
    holdout_until_ms: int
    slices: tuple[Metric, ...] = ()
    notes: tuple[str, ...] = ()

    def metric(self, name: str) -> Metric:
        """Return a metric by name; KeyError when it was not measured."""
        for m in self.metrics:
            if m.name == name:
                return m
        raise KeyError(name)
