"""Retrainings on record: the platform's collection, the ledger, and the job's own heartbeat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neural_hive_ml.clock import iso
from neural_hive_ml.conventions import JOB_RUNS, RETRAINING_ACTOR, RETRAINING_EVENTS, family_of
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.retraining.claims import Claim
from neural_hive_ml.state.port import Record, StateStore


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What became of one retraining; `success` means trained and judged, `promoted` that it went live, `shadow` that it
    runs in shadow first."""

    name: str
    success: bool
    promoted: bool = False
    version: int | None = None
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    error: str = ""
    shadow: bool = False


def record_retraining(
    state: StateStore,
    ledger: Ledger,
    held: Claim,
    outcome: TrainingOutcome,
    *,
    seconds: float,
    actor: str = RETRAINING_ACTOR,
) -> dict[str, Any]:
    """Write one retraining down, once a claim (a second writing after a crash replaces the first)."""
    evidence = held.evidence
    document = {
        "type": "retraining_event",
        "timestamp": iso(held.at_ms),
        "model_type": family_of(held.name),
        "model_name": held.name,
        "trigger": held.trigger,
        "triggered_by_drift_event": evidence.get("drift_record", ""),
        "drift_score": evidence.get("drift_score"),
        "drifted_features": list(evidence.get("drifted_features", ())),
        "success": outcome.success,
        "error": outcome.error,
        "promoted": outcome.promoted,
        "shadow": outcome.shadow,
        "version": outcome.version,
        "verdict": outcome.verdict,
        "reasons": list(held.reasons),
        "seconds": round(seconds, 3),
        "tries": held.tries,
    }
    state.put(RETRAINING_EVENTS, Record(held.key, held.at_ms, document))
    payload = {
        "success": outcome.success, "promoted": outcome.promoted, "shadow": outcome.shadow, "version": outcome.version,
        "verdict": outcome.verdict, "seconds": round(seconds, 3), "trigger": held.trigger,
        "reasons": [*outcome.reasons, *([outcome.error] if outcome.error else [])],
    }  # fmt: skip
    ledger.append("retraining", held.name, payload, at_ms=held.at_ms, actor=actor, once=held.key)
    return document


def record_run(
    state: StateStore, *, job: str, outcome: str, started_at_ms: int, ended_at_ms: int, reasons: Sequence[str]
) -> None:
    """Write a job's run down: ``succeeded``, ``failed`` or ``nothing_to_do``."""
    document = {
        "job": job, "outcome": outcome, "started_at_ms": started_at_ms, "ended_at_ms": ended_at_ms,
        "reasons": list(reasons),
    }  # fmt: skip
    state.put(JOB_RUNS, Record(f"{job}:{started_at_ms}:{ended_at_ms}", ended_at_ms, document))
