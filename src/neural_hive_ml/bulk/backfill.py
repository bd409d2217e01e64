"""Predictions of the past, as the services would have made them then, put on record and marked as such.

The tickets are replayed in the order of their events, each row made from what was known at that moment, so no prediction
knows its outcome. A model is not asked about moments that it was trained on, unless that is wanted; then they are marked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from neural_hive_ml.bulk.judge import Judge, stage_name
from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.features.frame import FeatureFrame, build_frame
from neural_hive_ml.scoring.anomaly import AnomalyScorer, stages_of
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.serving.guard_agents.records import id_in_stream, record_of
from neural_hive_ml.serving.guard_agents.scoring import Reason, TicketAnswer
from neural_hive_ml.serving.orchestrator.duration import DurationAnswer
from neural_hive_ml.serving.orchestrator.records import duration_record
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.columns import TicketColumns

# Days of tickets that statistics need to be what a running service has, where a model does not say its window.
_WINDOW_DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class Span:
    """Moments [since_ms, until_ms) that one judge is asked about; `in_sample` before `trained_ms` it had seen."""

    judge: Judge
    since_ms: int
    until_ms: int
    trained_ms: int

    @property
    def empty(self) -> bool:
        """True when nothing lies behind the model's training."""
        return self.since_ms >= self.until_ms


def span_of(judge: Judge, since_ms: int | None, until_ms: int, *, in_sample: bool) -> Span:
    """Return what a judge may be asked about: all, or only what came after its training."""
    trained_ms = int(judge.lineage.get("as_of_ms", 0))
    begin = trained_ms if since_ms is None else since_ms
    return Span(judge, begin if in_sample else max(begin, trained_ms), until_ms, trained_ms)


def history_from(spans: Sequence[Span]) -> int:
    """Return since when tickets are needed: the statistics begin where those of the training did."""
    starts = []
    for span in spans:
        days = int(span.judge.lineage.get("window_days", _WINDOW_DAYS))
        starts.append(min(span.since_ms, span.trained_ms or span.since_ms) - days * DAY_MS)
    return min(starts)


def backfill(span: Span, columns: TicketColumns) -> Iterator[Record]:
    """Yield the records of one judge, in time order, from tickets since `history_from` as they were at the span's end.

    A ticket that is on record from the stream already has the same id, so it is not said twice. O(n log n).
    """
    judge = span.judge
    creation_only = isinstance(judge.scorer, DurationScorer)
    stages = ("created",) if creation_only else ("created", "ended")
    frame, _ = build_frame(columns, judge.scorer.binding, stages)  # type: ignore[arg-type] # stages by name
    keep = (frame.at_ms >= span.since_ms) & (frame.at_ms < span.until_ms)
    frame = FeatureFrame(frame.rows[keep], frame.at_ms[keep], frame.ticket[keep], frame.stage[keep])
    if not len(frame.rows):
        return
    make = _durations if isinstance(judge.scorer, DurationScorer) else _verdicts
    for record in make(judge, frame, columns):
        marks: dict[str, Any] = {
            "backfill": True,
            "in_sample": record.at_ms < span.trained_ms,
            "latency_ms": None,
            "statistics_sequence": None,
        }
        yield replace(record, document={**record.document, **marks})


def _verdicts(judge: Judge, frame: FeatureFrame, columns: TicketColumns) -> Iterator[Record]:
    scorer = judge.scorer
    assert isinstance(scorer, AnomalyScorer)
    scores = scorer.score(frame.rows).tolist()
    limits = [scorer.thresholds[str(stage)] for stage in stages_of(frame.rows)]
    for i, (score, limit, code) in enumerate(zip(scores, limits, frame.stage.tolist(), strict=True)):
        flagged = score >= limit
        verdict = scorer.decide(frame.rows[i]) if flagged else None
        ticket_id = columns.ticket_id[frame.ticket[i]]
        answer = TicketAnswer(
            ticket_id=ticket_id,
            is_anomaly=flagged,
            anomaly_score=score,
            threshold=limit,
            anomaly_type=(verdict.anomaly_type or None) if verdict else None,
            severity=verdict.severity if verdict else "low",
            confidence=score if flagged else 1.0 - score,
            explanation=verdict.explanation if verdict else "within what is usual",
            contributions=tuple(
                Reason(c.signal, c.rarity, c.words) for c in (verdict.contributions if verdict else ())
            ),
            stage=stage_name(code),
            model_type=str(judge.algorithm),
            model_name=judge.name,
            model_version=judge.version,
            statistics_sequence=0,
            latency_ms=0.0,
            degraded=False,
            prediction_id=id_in_stream(stage_name(code), ticket_id),
        )
        record = record_of(answer, int(frame.at_ms[i]), 0.0)
        # Nobody is asked about the past: a queue of old tickets would hide the new ones.
        yield replace(record, document={**record.document, "review": "unsolicited", "review_probability": 0.0})


def _durations(judge: Judge, frame: FeatureFrame, columns: TicketColumns) -> Iterator[Record]:
    scorer = judge.scorer
    assert isinstance(scorer, DurationScorer)
    quantiles = np.asarray(scorer.forecast(frame.rows)).tolist()
    for i, (low, middle, high) in enumerate(quantiles):
        ticket_id = columns.ticket_id[frame.ticket[i]]
        text = ticket_id.encode("utf-8", "surrogatepass")
        key = blake2b(text, digest_size=16, person=b"hive-duration").hexdigest()
        answer = DurationAnswer(
            ticket_id, low, middle, high, source="model", model_name=judge.name, model_version=judge.version,
            statistics_sequence=0, latency_ms=0.0, degraded=False, prediction_id=key,
        )  # fmt: skip
        yield duration_record(answer, int(frame.at_ms[i]))
