"""What the stores and the registry say of models, quality, drift and retraining: shown with or without Prometheus."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from neural_hive_ml.conventions import (
    DRIFT_RECORDS,
    GUIDE_MODELS,
    JOB_RUNS,
    MODEL_QUALITY,
    MODELS,
    RETRAINING_EVENTS,
)
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.ledger.explain import explain
from neural_hive_ml.registry.port import Registry
from neural_hive_ml.state.port import StateStore

CHECKS: Final = 40
FEATURES: Final = 12
RETRAININGS: Final = 25
DECISIONS: Final = 30


def models(registry: Registry) -> list[dict[str, Any]]:
    """Return every registered model with the versions that an alias points to, and the newest."""
    found = []
    for name in registry.names():
        versions = registry.versions(name)
        shown = [version for place, version in enumerate(versions) if version.aliases or place == 0]
        found.append(
            {
                "name": name,
                "versions": [
                    {
                        "version": one.version,
                        "aliases": list(one.aliases),
                        "stage": one.stage,
                        "created_at_ms": one.created_at_ms,
                        "digest": one.digest[:16],
                        "algorithm": one.tags.get("algorithm", ""),
                        "verdict": one.tags.get("verdict", ""),
                    }
                    for one in shown
                ],
            }
        )
    return found


def quality(state: StateStore) -> list[dict[str, Any]]:
    """Return the newest live quality of each model; `enough` says whether it rests on enough labels."""
    rows = []
    for name in MODELS:
        newest = state.find(MODEL_QUALITY, where={"model_name": name}, newest_first=True, limit=1)
        if not newest and name not in GUIDE_MODELS:
            continue
        document: Mapping[str, Any] = newest[0].document if newest else {}
        rows.append(
            {
                "name": name,
                "at_ms": newest[0].at_ms if newest else None,
                "enough": bool(document.get("enough")),
                "labels": document.get("labels"),
                "overdue": document.get("overdue"),
                "metrics": document.get("metrics", {}),
            }
        )
    return rows


def drift(state: StateStore) -> list[dict[str, Any]]:
    """Return each model's newest checks, oldest first, and how its strongest features moved over them."""
    found = [_drift_of(state, name) for name in MODELS]
    return [one for one in found if one["checks"] or one["name"] in GUIDE_MODELS]


def _drift_of(state: StateStore, name: str) -> dict[str, Any]:
    records = list(state.find(DRIFT_RECORDS, where={"model_name": name}, newest_first=True, limit=CHECKS))[::-1]
    checks = [
        {
            "at_ms": record.at_ms,
            "status": record.document.get("status"),
            "score": record.document.get("drift_score"),
            "threshold": record.document.get("threshold_psi"),
            "version": record.document.get("model_version"),
        }
        for record in records
    ]
    scores = [_scores(record.document) for record in records]
    strongest = sorted({f for one in scores for f in one}, key=lambda f: -max(one.get(f, 0.0) for one in scores))
    features = [{"name": f, "scores": [one.get(f) for one in scores]} for f in strongest[:FEATURES]]
    return {"name": name, "checks": checks, "features": features}


def _scores(document: Mapping[str, Any]) -> dict[str, float]:
    features: Sequence[Mapping[str, Any]] = document.get("features") or ()
    return {str(f["name"]): float(f["score"]) for f in features if f.get("score") is not None}


def retrainings(state: StateStore) -> list[dict[str, Any]]:
    """Return the newest retrainings with the policy's reasons."""
    kept = (
        "model_name",
        "trigger",
        "drift_score",
        "success",
        "promoted",
        "version",
        "verdict",
        "reasons",
        "error",
    )
    return [
        {"at_ms": record.at_ms, **{key: record.document.get(key) for key in kept}}
        for record in state.find(RETRAINING_EVENTS, newest_first=True, limit=RETRAININGS)
    ]


def jobs(state: StateStore) -> list[dict[str, Any]]:
    """Return the last run of each job."""
    newest: dict[str, dict[str, Any]] = {}
    for record in state.find(JOB_RUNS, newest_first=True, limit=200):
        job = str(record.document.get("job"))
        newest.setdefault(job, {"job": job, "at_ms": record.at_ms, "outcome": record.document.get("outcome")})
    return list(newest.values())


def decisions(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the newest decisions in plain words, newest first."""
    lines = explain(ledger.about(None, limit=DECISIONS))
    return [{"at_ms": line.at_ms, "sequence": line.sequence, "text": line.text} for line in reversed(lines)]
