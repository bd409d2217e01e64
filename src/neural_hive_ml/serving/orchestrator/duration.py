"""How long a ticket will run: the model's quantiles, or what history or the estimate says, marked degraded."""

from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.row import feature_row
from neural_hive_ml.features.spec import INDEX
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.serving.orchestrator.interval import LiveInterval
from neural_hive_ml.serving.orchestrator.resources import resources_of
from neural_hive_ml.serving.slot import ModelSlot
from neural_hive_ml.serving.statistics_source import LiveStatistics
from neural_hive_ml.tickets.lifecycle import LifecycleEvent
from neural_hive_ml.tickets.ticket import Ticket

Quantiles = tuple[float | None, float | None, float | None]
# The 0.9 quantile of a standard normal distribution: log durations of one task are about normal.
_Z90: Final = 1.2815515655446004
# (tickets that succeeded, mean log duration, its spread) of the same work, then of its task.
_HISTORIES: Final = (
    ("same_succeeded", "same_fast_mean", "same_spread"),
    ("task_succeeded", "task_median", "task_spread"),
)


class DurationAnswer(msgspec.Struct, frozen=True):
    """Run time from start to end in milliseconds: half of such tickets end within `p50_ms`, 80 % between the others.

    `source` is ``model``, or without one ``history`` (of the same work or task), ``estimate`` (the ticket's own, which
    says nothing of spread: p10 and p90 are null), or ``none`` (all null). All but ``model`` are `degraded`.
    `prediction_id` names it in the prediction log; empty when it is not kept. `cpu_cores` and `memory_mb` are the
    platform's formula of the ticket and its median, nothing measured.
    """

    ticket_id: str
    p10_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    source: str
    model_name: str
    model_version: int | None
    statistics_sequence: int
    latency_ms: float
    degraded: bool
    prediction_id: str = ""
    cpu_cores: float = 0.0
    memory_mb: float = 0.0


class Beside(Protocol):
    """Told each answer of the champion about the present, with the row that it was made from."""

    def beside(
        self,
        ticket: Ticket,
        at_ms: int,
        row: npt.NDArray[np.float64],
        binding: FeatureBinding,
        statistics: Statistics,
        answer: DurationAnswer,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class DurationPrediction:
    """Predicts with the model in the slot against the live statistics; `shadow` hears of each answer."""

    slot: ModelSlot
    statistics: LiveStatistics
    shadow: Beside | None = None
    intervals: LiveInterval = field(default_factory=LiveInterval)

    def note(self, event: LifecycleEvent) -> None:
        """Learn from a ticket's end how long it took; one that failed says nothing of run times."""
        ticket = event.ticket
        if event.kind != "ended" or ticket.status != "COMPLETED":
            return
        ran_ms = ticket.actual_duration_ms
        if ran_ms is None and ticket.started_at is not None:
            ran_ms = event.at_ms - ticket.started_at
        if ran_ms is not None:
            self.intervals.ended(ticket.ticket_id, float(np.log1p(max(ran_ms, 0))))

    def predict(self, ticket: Ticket, at_ms: int | None = None) -> DurationAnswer:
        """Predict from what is known when a ticket is created, as of `at_ms`, by default its creation. Never raises."""
        began = perf_counter_ns()
        moment = ticket.created_at if at_ms is None else at_ms
        loaded, statistics = self.slot.current, self.statistics.current
        version, binding = None, self.statistics.binding
        if loaded is None:
            row = feature_row(ticket, "created", moment, statistics, binding)
            source, quantiles = without_model(ticket, row)
        else:
            scorer = loaded.artifact.scorer
            assert isinstance(scorer, DurationScorer), "the slot holds a scheduling predictor"
            binding = scorer.binding
            row = feature_row(ticket, "created", moment, statistics, binding)
            version = loaded.published.version
            told = scorer.quantiles.log_quantiles(row[None])[0]
            key = ticket.ticket_id if at_ms is None else ""
            low, middle, high = np.expm1(self.intervals.moved(version, scorer, key, told)).tolist()
            source, quantiles = "model", (low, middle, high)
        resources = resources_of(ticket, quantiles[1])
        answer = DurationAnswer(
            ticket.ticket_id,
            *quantiles,
            source=source,
            model_name=self.slot.name,
            model_version=version,
            statistics_sequence=statistics.sequence,
            latency_ms=(perf_counter_ns() - began) / 1e6,
            degraded=loaded is None,
            cpu_cores=resources.cpu_cores,
            memory_mb=resources.memory_mb,
        )
        if self.shadow is not None and loaded is not None and at_ms is None:
            self.shadow.beside(ticket, moment, row, binding, statistics, answer)
        return answer


def without_model(ticket: Ticket, row: npt.NDArray[np.float64]) -> tuple[str, Quantiles]:
    """Return where an answer without a model comes from, and its quantiles, from the creation row [COLUMN_COUNT]."""
    for succeeded, mean, spread in _HISTORIES:
        if row[INDEX[succeeded]] > 0:
            middle, reach = row[INDEX[mean]], _Z90 * row[INDEX[spread]]
            low, half, high = np.expm1(np.clip([middle - reach, middle, middle + reach], 0.0, 40.0)).tolist()
            return "history", (low, half, high)
    if ticket.estimated_duration_ms is not None:
        return "estimate", (None, float(ticket.estimated_duration_ms), None)
    return "none", (None, None, None)
