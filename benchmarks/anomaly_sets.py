"""Labels that nobody here made: cancelled, diverted and late flights; public labelled tables."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.anomaly_logs import SEED, STAGE, Log
from neural_hive_ml.evaluation.metrics import average_precision
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.scoring.forest_pack import pack_forest
from neural_hive_ml.tickets.columns import MISSING_MS
from neural_hive_ml.tickets.ticket import FAILED_STATUSES, STATUSES
from neural_hive_ml.training.anomaly_baselines import raw_forest

Floats = npt.NDArray[np.float64]
_FAILED = [STATUSES.index(s) for s in FAILED_STATUSES]


def flight_outcomes(log: Log, scorer: AnomalyScorer) -> Iterator[tuple[str, str, int, float, float, float]]:
    """Yield (outcome, stage, positives, our average precision, the raw forest's, the rate), before the outcome is known.

    A flight without departure was cancelled, a failed one with departure diverted; a delay is departure after creation.
    """
    c = log.columns
    failed, left = np.isin(c.status, _FAILED), c.started_at_ms != MISSING_MS
    delay = np.where(left, c.started_at_ms - c.created_at_ms, -1)
    late = delay >= np.quantile(delay[left], 0.99)
    outcomes = {"cancelled": failed & ~left, "diverted": failed & left, "worst 1 % of delays": late}
    for name, positive in outcomes.items():
        ids = set(c.ticket_id[positive].tolist())
        for stage in ("created", "running"):
            if stage == "running" and name == "cancelled":
                continue
            mine = log.rows(stage)
            own = log.judged.kind[mine] == ""
            truth = np.array([i in ids for i in log.judged.ticket_id[mine][own]], dtype=float)
            if truth.sum() == 0:
                continue
            ours = scorer.score(log.judged.frame.rows[mine])[own]
            theirs = raw_forest(log.judged, SEED, STAGE[stage])[1][own]
            yield (
                name, stage, int(truth.sum()), average_precision(truth, ours), average_precision(truth, theirs),
                float(truth.mean()),
            )  # fmt: skip


def labelled_tables() -> Iterator[tuple[str, int, int, float, float, float]]:
    """Yield (set, rows, anomalies, packed average precision, scikit-learn's, largest difference of a score)."""
    import pyarrow.parquet as pq
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import average_precision_score

    folder = os.environ.get("HIVE_BENCH_DATA")
    for file in sorted(Path(folder).glob("adbench_*.parquet")) if folder else []:
        table = pq.read_table(file)
        truth = table.column("y").to_numpy().astype(float)
        x = np.stack([table.column(n).to_numpy() for n in table.column_names if n != "y"], axis=1).astype(
            np.float32
        )
        forest = IsolationForest(n_estimators=100, max_samples=256, random_state=SEED, n_jobs=1).fit(x)
        theirs, ours = -forest.score_samples(x), pack_forest(forest).score(x)
        yield (
            file.stem.removeprefix("adbench_"), len(x), int(truth.sum()), average_precision(truth, ours),
            float(average_precision_score(truth, theirs)), float(np.abs(ours - theirs).max()),
        )  # fmt: skip
