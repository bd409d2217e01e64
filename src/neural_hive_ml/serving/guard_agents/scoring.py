"""The use case: a ticket in, an answer out; no HTTP, no metrics, one clock reading an answer."""

from dataclasses import dataclass
from time import perf_counter_ns
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import Clock
from neural_hive_ml.errors import UsageError
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import STAGES, Stage
from neural_hive_ml.features.row import feature_row, stage_of
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.serving.guard_agents.rows import CachedRows
from neural_hive_ml.serving.slot import ModelSlot
from neural_hive_ml.serving.statistics_source import LiveStatistics
from neural_hive_ml.tickets.ticket import Ticket


class Reason(msgspec.Struct, frozen=True):
    """One reason: the signal, its rarity in decimal orders of magnitude (2: one in a hundred), plain words."""

    signal: str
    rarity: float
    words: str


class TicketAnswer(msgspec.Struct, frozen=True):
    """The answer about one ticket.

    `anomaly_score` is in [0, 1]; `is_anomaly` is score >= `threshold`. `degraded` is true when no model serves: then only
    rules of the ticket itself were looked at and score and threshold are null. `prediction_id` names it in the prediction
    log, for feedback; empty when it is not kept.
    """

    ticket_id: str
    is_anomaly: bool
    anomaly_score: float | None
    threshold: float | None
    anomaly_type: str | None
    severity: str
    confidence: float | None
    explanation: str
    contributions: tuple[Reason, ...]
    stage: str
    model_type: str
    model_name: str
    model_version: int | None
    statistics_sequence: int
    latency_ms: float
    degraded: bool
    prediction_id: str = ""


class Beside(Protocol):
    """Told each answer of the champion about the present, with the row that it was made from."""

    def beside(
        self,
        ticket: Ticket,
        stage: Stage,
        at_ms: int,
        row: npt.NDArray[np.float64],
        binding: FeatureBinding,
        statistics: Statistics,
        answer: TicketAnswer,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class TicketScoring:
    """Scores tickets with the model in the slot against the live statistics; `shadow` hears of each answer."""

    slot: ModelSlot
    statistics: LiveStatistics
    clock: Clock
    rows: CachedRows | None = None
    shadow: Beside | None = None

    def score(
        self, ticket: Ticket, stage: Stage | None = None, at_ms: int | None = None, *, cached: bool = False
    ) -> TicketAnswer:
        """Judge a ticket at a stage of its life; by default what its document shows, at the time of that event.

        `cached` takes the row from the feature cache where there is one.

        Raises
        ------
        UsageError
            When ``ended`` is asked for a ticket that has not ended, or ``running`` for one that has not started.
        """
        began = perf_counter_ns()
        shown = stage or stage_of(ticket)
        check_stage(ticket, shown)
        moment = at_ms if at_ms is not None else self._moment(ticket, shown)
        loaded = self.slot.current
        if loaded is None:
            return self._by_rules(ticket, shown, began)
        scorer = loaded.artifact.scorer
        assert isinstance(scorer, AnomalyScorer)
        statistics = self.statistics.current
        if cached and self.rows is not None:
            row, sequence = self.rows.row(ticket, shown, moment, statistics, scorer.binding)
        else:
            row, sequence = feature_row(ticket, shown, moment, statistics, scorer.binding), statistics.sequence
        verdict = scorer.decide(row)
        answer = TicketAnswer(
            ticket_id=ticket.ticket_id,
            is_anomaly=verdict.is_anomaly,
            anomaly_score=verdict.score,
            threshold=verdict.threshold,
            anomaly_type=verdict.anomaly_type or None,
            severity=verdict.severity,
            confidence=verdict.confidence,
            explanation=verdict.explanation,
            contributions=tuple(Reason(c.signal, c.rarity, c.words) for c in verdict.contributions),
            stage=shown,
            model_type=loaded.artifact.model.algorithm,
            model_name=loaded.published.name,
            model_version=loaded.published.version,
            statistics_sequence=sequence,
            latency_ms=(perf_counter_ns() - began) / 1e6,
            degraded=False,
        )
        if self.shadow is not None and at_ms is None:  # a look at the past is no prediction of the present
            self.shadow.beside(ticket, shown, moment, row, scorer.binding, statistics, answer)
        return answer

    def _moment(self, ticket: Ticket, stage: Stage) -> int:
        if stage == "created":
            return ticket.created_at
        if stage == "ended" and ticket.completed_at is not None:
            return ticket.completed_at
        return self.clock.now_ms()

    def _by_rules(self, ticket: Ticket, stage: Stage, began: int) -> TicketAnswer:
        """What can be said without a model; it says that it is only this."""
        reasons = rules_of(ticket)
        return TicketAnswer(
            ticket_id=ticket.ticket_id,
            is_anomaly=bool(reasons),
            anomaly_score=None,
            threshold=None,
            anomaly_type=reasons[0].signal if reasons else None,
            severity="medium" if reasons else "low",
            confidence=None,
            explanation="degraded, rules only: " + ("; ".join(r.words for r in reasons) or "no rule applies"),
            contributions=reasons,
            stage=stage,
            model_type="rules",
            model_name=self.slot.name,
            model_version=None,
            statistics_sequence=self.statistics.current.sequence,
            latency_ms=(perf_counter_ns() - began) / 1e6,
            degraded=True,
        )


def check_stage(ticket: Ticket, stage: Stage) -> None:
    """Raise `UsageError` when a ticket was never at a stage."""
    if stage not in STAGES:
        raise UsageError(f"stage {stage!r} is unknown", remedy=f"use {', '.join(STAGES)}")
    if stage == "ended" and (not ticket.ended or ticket.completed_at is None):
        raise UsageError(
            f"ticket {ticket.ticket_id} has not ended", remedy="leave stage out, or send the ended ticket"
        )
    if stage == "running" and ticket.started_at is None:
        raise UsageError(f"ticket {ticket.ticket_id} has not started", remedy="leave stage out")


# Rules of the platform's heuristic fallback (compatibility.md 4.3), used only when no model serves.
MANY_RETRIES = 3
NEARLY_ALL_OF_SLA = 0.95
MANY_CAPABILITIES = 12


def rules_of(ticket: Ticket) -> tuple[Reason, ...]:
    """Return the heuristic rules that a ticket meets; `signal` is the anomaly type."""
    reasons = []
    if ticket.retry_count > MANY_RETRIES:
        reasons.append(Reason("excessive_retries", 0.0, f"{ticket.retry_count} retries, more than {MANY_RETRIES}"))
    took = ticket.actual_duration_ms
    if took is not None and took > NEARLY_ALL_OF_SLA * ticket.sla.timeout_ms:
        reasons.append(
            Reason("timeout_risk", 0.0, f"took {took / max(ticket.sla.timeout_ms, 1):.0%} of its SLA timeout")
        )
    if len(ticket.required_capabilities) > MANY_CAPABILITIES:
        count = len(ticket.required_capabilities)
        reasons.append(Reason("capability_anomaly", 0.0, f"{count} capabilities, more than {MANY_CAPABILITIES}"))
    return tuple(reasons)
