"""What the challenger would have said about a ticket, beside what the champion said."""

from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import Clock
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import Stage
from neural_hive_ml.features.row import feature_row
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.feedback.sampling import sample
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.serving.guard_agents.scoring import TicketAnswer
from neural_hive_ml.serving.shadow import Shadow
from neural_hive_ml.serving.slot import LoadedModel
from neural_hive_ml.tickets.ticket import Ticket

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TicketShadow:
    """See `guard_agents.scoring.Beside`. `audit_share` is that of the reviews: it weighs the pairs that get a label."""

    shadow: Shadow
    clock: Clock
    audit_share: float

    def beside(
        self,
        ticket: Ticket,
        stage: Stage,
        at_ms: int,
        row: Floats,
        binding: FeatureBinding,
        statistics: Statistics,
        answer: TicketAnswer,
    ) -> None:
        """Queue the challenger's answer about a ticket that the champion has just answered."""
        loaded = self.shadow.slot.current
        if loaded is None or loaded.published.version == answer.model_version:
            return
        scorer = loaded.artifact.scorer
        assert isinstance(scorer, AnomalyScorer)
        if scorer.binding != binding:  # now, since the statistics will have learned more when its turn comes
            row = feature_row(ticket, stage, at_ms, statistics, scorer.binding)
        self.shadow.offer(lambda: self._judge(loaded, scorer, row, answer))

    def _judge(self, loaded: LoadedModel, scorer: AnomalyScorer, row: Floats, answer: TicketAnswer) -> None:
        began = perf_counter_ns()
        verdict = scorer.decide(row)
        latency_ms = (perf_counter_ns() - began) / 1e6
        sampled = sample(answer.ticket_id, flagged=answer.is_anomaly, audit_share=self.audit_share)
        document = {
            "service": "guard-agents",
            "family": "anomaly",
            "ticket_id": answer.ticket_id,
            "model_name": loaded.published.name,
            "model_version": loaded.published.version,
            "model_type": loaded.artifact.model.algorithm,
            "stage": answer.stage,
            "decision": "anomaly" if verdict.is_anomaly else "normal",
            "score": verdict.score,
            "threshold": verdict.threshold,
            "severity": verdict.severity,
            "anomaly_type": verdict.anomaly_type or None,
            "statistics_sequence": answer.statistics_sequence,
            "latency_ms": latency_ms,
            "review": sampled.review,
            "review_probability": sampled.probability,
            "champion_version": answer.model_version,
            "champion_decision": "anomaly" if answer.is_anomaly else "normal",
            "champion_score": answer.anomaly_score,
            "champion_latency_ms": answer.latency_ms,
        }
        self.shadow.keep(self.clock.now_ms(), document, agreed=verdict.is_anomaly == answer.is_anomaly)
