"""What the services would say of a block of tickets: the same models, the same statistics, one pass a block. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import UsageError
from neural_hive_ml.features.frame import STAGES, Stage, batch_rows
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.registry.verify import VerifiedArtifact
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns
from neural_hive_ml.tickets.ticket import ENDED_STATUSES, STATUSES

if TYPE_CHECKING:
    import pyarrow as pa

StageChoice = Literal["shown", "created", "ended"]
_ENDED_CODES: Final = np.array([status in ENDED_STATUSES for status in STATUSES])
_NAMES: Final = {code: name for name, code in STAGES.items()}
NOT_ENDED: Final = "has no completed_at: it cannot be judged as ended"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judge:
    """One loaded model with the statistics it was registered with, as a service begins with them."""

    name: str
    version: int
    digest: str
    algorithm: str
    lineage: Mapping[str, Any]
    scorer: AnomalyScorer | DurationScorer
    statistics: Statistics

    @staticmethod
    def of(artifact: VerifiedArtifact, name: str, version: int) -> "Judge":
        """Make one of a verified artifact. Raises `UsageError` for a family that judges no single tickets."""
        if not isinstance(artifact.scorer, AnomalyScorer | DurationScorer):
            raise UsageError(f"{name} judges no single tickets", remedy="use a detector or a scheduling predictor")
        model = artifact.model
        statistics = Statistics.restore(model.statistics)
        return Judge(name, version, artifact.digest, model.algorithm, model.lineage, artifact.scorer, statistics)


@dataclass(frozen=True, slots=True)
class Moments:
    """At which stage and when (UTC epoch ms) each ticket of a block is looked at; `judged` [n] false: it cannot be."""

    stage: npt.NDArray[np.int8]
    at_ms: npt.NDArray[np.int64]
    judged: npt.NDArray[np.bool_]


def moments_of(columns: TicketColumns, choice: StageChoice, now_ms: int) -> Moments:
    """Return the moments: `shown` is what each document shows, as the services see it; running tickets as of `now_ms`."""
    n = len(columns)
    final = _ENDED_CODES[columns.status]
    over = final & (columns.completed_at_ms != MISSING_MS)
    if choice == "created":
        return Moments(np.full(n, STAGES["created"], np.int8), columns.created_at_ms, np.ones(n, bool))
    if choice == "ended":
        return Moments(np.full(n, STAGES["ended"], np.int8), columns.completed_at_ms, over)
    started = columns.started_at_ms != MISSING_MS
    stage = np.where(final, STAGES["ended"], np.where(started, STAGES["running"], STAGES["created"])).astype(
        np.int8
    )
    at_ms = np.where(final, columns.completed_at_ms, np.where(started, now_ms, columns.created_at_ms))
    return Moments(stage, at_ms, over | ~final)


def judge_block(judges: Sequence[Judge], columns: TicketColumns, choice: StageChoice, now_ms: int) -> "pa.Table":
    """Return one row a ticket, in their order: who it is, when it was looked at, and each model's answer.

    A ticket that cannot be looked at has an `error` and nulls.
    """
    import pyarrow as pa

    moments = moments_of(columns, choice, now_ms)
    parts: dict[str, Any] = {
        "ticket_id": pa.array(columns.ticket_id, pa.string()),
        "created_at_ms": pa.array(columns.created_at_ms),
        "stage": pa.array([_NAMES[int(code)] for code in moments.stage], pa.string(), mask=~moments.judged),
        "at_ms": pa.array(moments.at_ms, mask=~moments.judged),
        "error": pa.array([None if fine else NOT_ENDED for fine in moments.judged], pa.string()),
    }
    for judge in judges:
        if isinstance(judge.scorer, AnomalyScorer):
            parts |= _anomaly(judge, judge.scorer, columns, moments)
        else:
            parts |= _duration(judge, judge.scorer, columns)
    return pa.table(parts)


def _anomaly(
    judge: Judge,
    scorer: AnomalyScorer,
    columns: TicketColumns,
    moments: Moments,
) -> dict[str, Any]:
    import pyarrow as pa

    from neural_hive_ml.scoring.anomaly import stages_of

    known = moments.judged
    # What cannot be judged is looked at as created, so that no stage meets times that are not there, and is masked.
    stage = np.where(known, moments.stage, np.int8(STAGES["created"]))
    at_ms = np.where(known, moments.at_ms, columns.created_at_ms)
    rows = batch_rows(columns, stage, at_ms, judge.statistics, scorer.binding)
    scores = scorer.score(rows) if len(rows) else np.empty(0)
    limits = np.array([scorer.thresholds[str(name)] for name in stages_of(rows)])
    flagged = scores >= limits
    severity = np.full(len(rows), "low", dtype=object)
    kind = np.full(len(rows), None, dtype=object)
    words = np.full(len(rows), "within what is usual", dtype=object)
    for i in np.flatnonzero(flagged & known):
        verdict = scorer.decide(rows[i])
        severity[i], kind[i], words[i] = verdict.severity, verdict.anomaly_type or None, verdict.explanation
    unknown = ~known
    return {
        "anomaly_score": pa.array(scores, mask=unknown),
        "threshold": pa.array(limits, pa.float64(), mask=unknown),
        "is_anomaly": pa.array(flagged, pa.bool_(), mask=unknown),
        "anomaly_type": pa.array(kind, pa.string(), mask=unknown),
        "severity": pa.array(severity, pa.string(), mask=unknown),
        "confidence": pa.array(np.where(flagged, scores, 1.0 - scores), mask=unknown),
        "explanation": pa.array(words, pa.string(), mask=unknown),
        "anomaly_model_version": pa.array(np.full(len(rows), judge.version, dtype=np.int64), mask=unknown),
    }


def _duration(judge: Judge, scorer: DurationScorer, columns: TicketColumns) -> dict[str, Any]:
    import pyarrow as pa

    stage = np.full(len(columns), STAGES["created"], dtype=np.int8)
    rows = batch_rows(columns, stage, columns.created_at_ms, judge.statistics, scorer.binding)
    quantiles: Floats = scorer.forecast(rows) if len(rows) else np.empty((0, 3))
    return {
        **{
            f"{name}_ms": pa.array(np.ascontiguousarray(quantiles[:, k]))
            for k, name in enumerate(("p10", "p50", "p90"))
        },
        "duration_model_version": pa.array(np.full(len(rows), judge.version, dtype=np.int64)),
    }


def stage_name(code: int) -> Stage:
    """Return the stage of a code of `features.layout`."""
    return _NAMES[code]
