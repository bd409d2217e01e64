"""What jobs would have written in a week: drift checks, live quality, retrainings, runs and their decisions."""

from neural_hive_ml.clock import DAY_MS, HOUR_MS, iso
from neural_hive_ml.conventions import DRIFT_RECORDS, GUIDE_MODELS, JOB_RUNS, MODEL_QUALITY, RETRAINING_EVENTS
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.state.port import Record, StateStore

FEATURES = (
    "retry_count",
    "risk_weight",
    "avg_duration_by_task",
    "hour_of_day",
    "parameters_size",
    "sla_timeout_ms",
)
DETECTOR = GUIDE_MODELS[0]


def write_records(state: StateStore, ledger: Ledger, now_ms: int) -> None:
    """Write the week before `now_ms`."""
    for step in range(28):
        at_ms = now_ms - 7 * DAY_MS + step * 6 * HOUR_MS
        for name in GUIDE_MODELS:
            state.put(DRIFT_RECORDS, _check(name, at_ms, drifting=name == DETECTOR and 18 <= step <= 23))
        state.put(JOB_RUNS, Record(f"drift@{at_ms}", at_ms, {"job": "drift", "outcome": "succeeded"}))
    state.put(JOB_RUNS, Record("training@1", now_ms - DAY_MS, {"job": "training", "outcome": "failed"}))
    state.put(MODEL_QUALITY, Record("q1", now_ms - HOUR_MS, {
        "model_name": DETECTOR, "enough": True, "labels": 431, "overdue": 12,
        "metrics": {"f1": 0.812, "precision": 0.86, "recall": 0.77},
    }))  # fmt: skip
    state.put(MODEL_QUALITY, Record("q2", now_ms - HOUR_MS, {
        "model_name": GUIDE_MODELS[1], "enough": False, "labels": 7, "overdue": 0, "metrics": {},
    }))  # fmt: skip
    at_ms = now_ms - 36 * HOUR_MS
    reasons = ["drift in 2 checks in a row, score 0.412 > 0.2 (retry_count)"]
    state.put(RETRAINING_EVENTS, Record("r1", at_ms, {
        "timestamp": iso(at_ms), "model_name": DETECTOR, "trigger": "drift", "drift_score": 0.412, "success": True,
        "promoted": True, "version": 7, "verdict": "PROMOTE", "reasons": reasons, "error": "",
    }))  # fmt: skip
    state.put(RETRAINING_EVENTS, Record("r2", at_ms - DAY_MS, {
        "timestamp": iso(at_ms - DAY_MS), "model_name": GUIDE_MODELS[4], "trigger": "age", "drift_score": None,
        "success": False, "promoted": False, "version": None, "verdict": "",
        "reasons": ["trained 31 days ago, at most 30 are wanted"], "error": "<b>MongoDB</b> did not answer",
    }))  # fmt: skip
    actor = "retraining-policy"
    ledger.append("drift", DETECTOR, {"drift_detected": True, "drift_score": 0.412, "rows": 1312}, at_ms=at_ms,
                  actor=actor)  # fmt: skip
    ledger.append("decision", "policy", {"action": "retrain", "models": [DETECTOR], "reasons": reasons}, at_ms=at_ms,
                  actor=actor)  # fmt: skip
    ledger.append("retraining", DETECTOR, {"success": True, "promoted": True, "version": 7, "seconds": 41.2},
                  at_ms=at_ms, actor=actor)  # fmt: skip
    ledger.append("alias", DETECTOR, {"move": "promote", "version": 7, "previous": 6}, at_ms=at_ms, actor=actor)


def _check(name: str, at_ms: int, *, drifting: bool) -> Record:
    scores = {f: 0.02 + 0.01 * place for place, f in enumerate(FEATURES)}
    if drifting:
        scores |= {"retry_count": 0.61, "avg_duration_by_task": 0.28}
    return Record(f"{name}@{at_ms}", at_ms, {
        "type": "drift_detection", "timestamp": iso(at_ms), "drift_detected": drifting,
        "drift_score": max(scores.values()), "threshold_psi": 0.2, "model_name": name, "model_version": 6,
        "status": "drift" if drifting else "ok", "reasons": [],
        "features": [{"name": f, "score": score} for f, score in scores.items()],
    })  # fmt: skip
