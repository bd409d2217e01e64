"""Where every objective stands, read from the recorded series. What has no series is unknown, never kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from neural_hive_ml.slo.burn import hours_to_exhaustion
from neural_hive_ml.slo.prometheus import Sample
from neural_hive_ml.slo.recordings import BURN_WINDOWS, PREFIX, burn_rate, compliance, remaining
from neural_hive_ml.slo.spec import Objective, Objectives

Standing = Literal["kept", "broken", "unknown"]

# One query for all: every figure is then of the same moment.
STATUS_QUERY: Final = f'{{__name__=~"{PREFIX}ml_.+"}}'
_NEEDED: Final = ("24h", "7d", "30d")


@dataclass(frozen=True, slots=True)
class Status:
    """An objective now. `remaining` is in percent of the period's budget, `burn` in budgets a period.

    `held` is the share (0..1) of the objective's window that Prometheus has measured so far.
    """

    objective: Objective
    standing: Standing
    value: float | None
    remaining: float | None
    burn: Mapping[str, float]
    exhausted_in_hours: float | None
    held: float | None

    @property
    def shown(self) -> str:
        """The value as people read it: percent, or milliseconds."""
        if self.value is None:
            return "unknown"
        return f"{self.value:.2%}" if self.objective.unit == "ratio" else f"{self.value * 1000:.1f} ms"


def statuses(objectives: Objectives, samples: Iterable[Sample]) -> tuple[Status, ...]:
    """Return the status of every objective from the answer to `STATUS_QUERY`."""
    recorded: dict[str, float] = {sample.labels["__name__"]: sample.value for sample in samples}
    return tuple(_status(one, recorded, objectives.period) for one in objectives.objectives)


def _status(one: Objective, recorded: Mapping[str, float], period: str) -> Status:
    value = recorded.get(one.record)
    kept = recorded.get(compliance(one))
    left = recorded.get(remaining(one))
    burn = {w: recorded[burn_rate(one, w)] for w in BURN_WINDOWS if burn_rate(one, w) in recorded}
    standing: Standing = "unknown" if value is None or kept is None else "kept" if kept == 1 else "broken"
    hours = None if left is None or "1h" not in burn else hours_to_exhaustion(left / 100, burn["1h"], period)
    held = recorded.get(f"{PREFIX}ml_window_held:{one.window}") if one.window in _NEEDED else None
    return Status(one, standing, value, left, burn, hours, held)
