"""One log made ready for the detectors: rows of every stage with their truth, run-time quantiles, too easy kinds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.metrics import anomaly_metrics
from neural_hive_ml.evaluation.verdict import Metric
from neural_hive_ml.features.binding import FeatureBinding, bind
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.scoring import behaviour
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.scoring.duration import DurationQuantiles
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.tickets.ticket import STATUSES
from neural_hive_ml.training.anomaly import frozen_durations
from neural_hive_ml.training.durations import duration_rows
from neural_hive_ml.training.judged import JudgedRows, judged_rows
from neural_hive_ml.training.request import TrainingRequest
from neural_hive_ml.training.split import TimeSplit, split_by_time
from neural_hive_ml.training.stages import fit_stages

Floats = npt.NDArray[np.float64]
SEED = 42
BLOCK_MS = 21_600_000
STAGE = {"created": 0, "running": 1, "ended": 2}
_COMPLETED = STATUSES.index("COMPLETED")


@dataclass(frozen=True, slots=True)
class Log:
    """A log with everything that its detectors share."""

    name: str
    columns: TicketColumns
    split: TimeSplit
    binding: FeatureBinding
    quantiles: DurationQuantiles
    judged: JudgedRows
    given_away: frozenset[str]

    def rows(self, stage: str) -> npt.NDArray[np.bool_]:
        """Return the mask of the hold-out's rows of a stage."""
        return (self.judged.part == 2) & (self.judged.frame.stage == STAGE[stage])


def prepare(name: str, columns: TicketColumns, as_of_ms: int, days: int) -> Log:
    """Inject, build rows and fit what detectors freeze; the hold-out is the last quarter, in time."""
    request = TrainingRequest("anomaly", as_of_ms, days, seed=SEED)
    split = split_by_time(columns, as_of_ms, request.min_samples)
    binding = bind(columns)
    frame, _ = build_frame(columns, binding, ("created",))
    quantiles = frozen_durations(duration_rows(columns, frame, split), request).quantiles
    judged = judged_rows(columns, binding, split, SEED)
    return Log(name, columns, split, binding, quantiles, judged, given_away(columns))


def given_away(columns: TicketColumns) -> frozenset[str]:
    """Return the kinds that change a field which the log never varies: to find those is no merit."""
    kinds = set()
    if not (columns.retry_count > 0).any():
        kinds.add("retry_storm")
    if not (columns.error & (columns.status == _COMPLETED)).any():
        kinds.add("silent_failure")
    if len({frozenset(c) for c in columns.capabilities}) == 1:
        kinds.add("wrong_capability")
    return frozenset(kinds)


def fitted(log: Log, algorithm: str, judged: JudgedRows | None = None) -> AnomalyScorer:
    """Train a detector of the log the way `hive-ml train` does."""
    on = log.judged if judged is None else judged
    signals = behaviour.signals(on.frame.rows, log.quantiles.log_quantiles(on.frame.rows))
    stages = fit_stages(signals, on, algorithm, SEED)
    return AnomalyScorer(log.binding, log.quantiles, stages.detectors, stages.thresholds)


def answers(scorer: AnomalyScorer, log: Log, stage: str) -> tuple[Floats, Floats]:
    """Return (flagged 0/1, scores) of the hold-out's rows of a stage."""
    score = scorer.score(log.judged.frame.rows[log.rows(stage)])
    return (score >= scorer.thresholds[stage]).astype(float), score


def measured(
    log: Log, stage: str, flagged: Floats, score: Floats, without: Sequence[str] = ()
) -> tuple[Metric, ...]:
    """Return F1, precision, recall and average precision of answers, leaving rows of some kinds out."""
    mine = log.rows(stage)
    keep = ~np.isin(log.judged.kind[mine].astype(str), list(without))
    return anomaly_metrics(
        log.judged.label[mine][keep],
        flagged[keep],
        score[keep],
        log.judged.created_at_ms[mine][keep] // BLOCK_MS,
        np.random.default_rng(SEED),
    )


def recall_by_kind(log: Log, stage: str, flagged: Floats) -> dict[str, tuple[float, int]]:
    """Return (recall, injected tickets) by kind."""
    kind = log.judged.kind[log.rows(stage)]
    return {
        k: (float(flagged[kind == k].mean()), int((kind == k).sum())) for k in sorted(set(kind.tolist()) - {""})
    }
