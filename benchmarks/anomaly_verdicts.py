"""The learned detector beside the forest, with more and more verdicts, on a log whose anomalies are taken for real.

A first injection is the world: 2 % of all tickets, from the first day on. People judge tickets created before the hold-out,
half of them those that the forest scores highest, half a random audit, and say the truth. Thresholds know the verdicts and a
second injection that training makes by itself; judged is the world's truth on the hold-out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from benchmarks.anomaly_logs import BLOCK_MS, SEED, Log, fitted
from neural_hive_ml.evaluation.injections import inject
from neural_hive_ml.evaluation.metrics import anomaly_metrics
from neural_hive_ml.evaluation.verdict import Metric
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.training.judged import VERDICT, JudgedRows, judged_rows

COUNTS = (200, 1_000, 5_000)
_WORLD_SEED = 1001


@dataclass(frozen=True, slots=True)
class Taught:
    """Figures of the forest (0 verdicts) or of the learned detector."""

    verdicts: int
    anomalies: int
    metrics: tuple[Metric, ...]


def taught(log: Log) -> Iterator[Taught]:
    """Yield the forest's figures, then the learned detector's with 200, 1,000 and 5,000 verdicts."""
    everywhere = np.ones(len(log.columns), dtype=bool)
    world = inject(log.columns, everywhere, 0.02, np.random.default_rng(_WORLD_SEED))
    kind_of = {i: k for i, k in zip(world.columns.ticket_id, world.kind, strict=True) if k}
    judged = judged_rows(world.columns, log.binding, log.split, SEED)
    # What training injected itself is neither the world's truth nor judged.
    own = judged.kind == ""
    truth = np.array([i in kind_of for i in judged.ticket_id]) & own
    mine = own & (judged.part == 2) & (judged.frame.stage == 2)
    forest = fitted(log, "isolation_forest", judged)
    yield Taught(0, 0, _figures(forest, judged, mine, truth))
    score = forest.score(judged.frame.rows)
    for count in COUNTS:
        verdict = _verdicts(judged, own, truth, score, count)
        known = replace(judged, verdict=verdict, kind=np.where(verdict == 1, VERDICT, judged.kind))
        asked = (judged.frame.stage == 2) & (verdict >= 0)
        given, anomalies = int(asked.sum()), int((verdict[asked] == 1).sum())
        # Also with fewer than `hive-ml train` would take: to see what they are worth.
        yield Taught(given, anomalies, _figures(fitted(log, "learned", known), judged, mine, truth))


def _verdicts(
    judged: JudgedRows,
    own: npt.NDArray[np.bool_],
    truth: npt.NDArray[np.bool_],
    score: npt.NDArray[np.float64],
    count: int,
) -> npt.NDArray[np.int8]:
    """Verdicts by row: on all rows of the tickets that were asked about."""
    ended = np.flatnonzero(own & (judged.frame.stage == 2) & (judged.part >= 0) & (judged.part < 2))
    flagged = ended[np.argsort(-score[ended], kind="stable")[: count // 2]]
    rest = np.setdiff1d(ended, flagged)
    audited = np.random.default_rng(SEED).choice(rest, size=min(count - len(flagged), len(rest)), replace=False)
    asked = {judged.ticket_id[i] for i in np.concatenate([flagged, audited])}
    told = np.array([i in asked for i in judged.ticket_id]) & own
    return np.where(told, truth, -1).astype(np.int8)


def _figures(
    scorer: AnomalyScorer, judged: JudgedRows, mine: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]
) -> tuple[Metric, ...]:
    score = scorer.score(judged.frame.rows[mine])
    flagged = (score >= scorer.thresholds["ended"]).astype(float)
    block = judged.created_at_ms[mine] // BLOCK_MS
    return anomaly_metrics(truth[mine].astype(float), flagged, score, block, np.random.default_rng(SEED))
