"""Verdicts as the prediction log keeps them, with the review they are up for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

import msgspec

from neural_hive_ml.feedback.sampling import sample
from neural_hive_ml.observability.metrics import GuardAgentsMetrics
from neural_hive_ml.serving.guard_agents.scoring import TicketAnswer
from neural_hive_ml.serving.prediction_log import PredictionLog, new_id
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.ticket import Ticket


def record_of(answer: TicketAnswer, at_ms: int, audit_share: float) -> Record:
    """Return an answer as a record; its `prediction_id` is the key."""
    sampled = sample(answer.ticket_id, flagged=answer.is_anomaly, audit_share=audit_share)
    document = {
        "service": "guard-agents",
        "family": "anomaly",
        "ticket_id": answer.ticket_id,
        "model_name": answer.model_name,
        "model_version": answer.model_version,
        "model_type": answer.model_type,
        "stage": answer.stage,
        "decision": "anomaly" if answer.is_anomaly else "normal",
        "score": answer.anomaly_score,
        "threshold": answer.threshold,
        "confidence": answer.confidence,
        "severity": answer.severity,
        "anomaly_type": answer.anomaly_type,
        "explanation": answer.explanation,
        "contributions": [msgspec.to_builtins(reason) for reason in answer.contributions],
        "statistics_sequence": answer.statistics_sequence,
        "latency_ms": answer.latency_ms,
        "degraded": answer.degraded,
        "review": sampled.review,
        "review_probability": sampled.probability,
    }
    return Record(answer.prediction_id, at_ms, document)


def count_reviews(metrics: GuardAgentsMetrics) -> Callable[[Sequence[Record]], None]:
    """Return what counts the reviews that written predictions ask for."""

    def count(records: Sequence[Record]) -> None:
        for record in records:
            if record.document["review"] != "unsolicited":
                metrics.reviews_requested.inc(str(record.document["review"]))

    return count


@dataclass(frozen=True, slots=True)
class VerdictLog:
    """Keeps the verdicts of requests in the queue, those of the stream at once."""

    log: PredictionLog
    audit_share: float

    def keep(self, answer: TicketAnswer, prediction_id: str = "") -> TicketAnswer:
        """Queue an answer; return it with the id that it is kept under, by default a new one."""
        named = msgspec.structs.replace(answer, prediction_id=prediction_id or new_id())
        self.log.keep(partial(record_of, named, self.log.clock.now_ms(), self.audit_share))
        return named

    def sink(self, scored: Sequence[tuple[Ticket, TicketAnswer]]) -> None:
        """Make the answers of the stream durable. Raises `StoreUnavailable`.

        What is judged again after a crash has the same id, and is kept once.
        """
        now_ms = self.log.clock.now_ms()
        named = [
            msgspec.structs.replace(answer, prediction_id=id_in_stream(answer.stage, answer.ticket_id))
            for _, answer in scored
        ]
        self.log.write([record_of(answer, now_ms, self.audit_share) for answer in named])


def id_in_stream(stage: str, ticket_id: str) -> str:
    """Return the id of what is said of a ticket at a stage on the stream: of all such answers the first is kept."""
    text = f"{stage}\0{ticket_id}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16, person=b"hive-stream").hexdigest()
