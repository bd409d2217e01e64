"""What a detector without behaviour reaches on the same rows: the forest on raw ticket fields, and chance."""

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.metrics import average_precision, confusion, f1_of, precision_of, recall_of
from neural_hive_ml.evaluation.verdict import BaselineFigure
from neural_hive_ml.features.spec import INDEX
from neural_hive_ml.training.judged import JudgedRows
from neural_hive_ml.training.threshold import choose_threshold

Floats = npt.NDArray[np.float64]
# The guide's fields: risk, capabilities, parameters, QoS, type, calendar, estimate, SLA, retries, and the run time.
_RAW = (
    "risk_band",
    "capabilities",
    "log_parameter_bytes",
    "priority",
    "delivery_mode",
    "consistency",
    "durability",
    "hour_sin",
    "hour_cos",
    "weekday_sin",
    "weekday_cos",
    "weekend",
    "business_hours",
    "log_estimate",
    "log_sla_timeout",
    "log_retries",
    "log_duration",
    "estimate_to_sla",
)


def raw_forest(judged: JudgedRows, seed: int, stage: int = 2) -> tuple[Floats, Floats]:
    """Return (flagged 0/1, scores) of scikit-learn's forest on raw fields on the hold-out's rows of a stage, in order.

    Its threshold is chosen on validation by the same rule as ours.
    """
    from sklearn.ensemble import IsolationForest

    mine = judged.frame.stage == stage
    x = judged.frame.rows[mine][:, [INDEX[name] for name in _RAW]].astype(np.float32)
    part, label = judged.part[mine], judged.label[mine]
    forest = IsolationForest(n_estimators=100, random_state=seed, n_jobs=1).fit(x[(part == 0) & (label == 0)])
    raw = np.full(len(x), np.nan)
    later = part > 0
    raw[later] = -forest.score_samples(x[later])
    chosen = choose_threshold(label[part == 1], raw[part == 1])
    return (raw[part == 2] >= chosen.raw).astype(float), raw[part == 2]


def raw_forest_baseline(judged: JudgedRows, seed: int) -> tuple[BaselineFigure, ...]:
    """Measure the forest on raw fields, and flagging at random, on ended rows."""
    truth = judged.label[(judged.frame.stage == 2) & (judged.part == 2)]
    flagged, raw = raw_forest(judged, seed)
    total = confusion(truth, flagged).sum(axis=0)[None]
    rate = float(truth.mean()) if len(truth) else 0.0
    return (
        BaselineFigure("forest_on_raw_fields", "f1", float(f1_of(total)[0])),
        BaselineFigure("forest_on_raw_fields", "precision", float(precision_of(total)[0])),
        BaselineFigure("forest_on_raw_fields", "recall", float(recall_of(total)[0])),
        BaselineFigure("forest_on_raw_fields", "average_precision", average_precision(truth, raw)),
        BaselineFigure("random_at_the_true_rate", "f1", rate),
        BaselineFigure("random_at_the_true_rate", "precision", rate),
    )
