"""What the policy is told: records of the store as situations."""

from collections.abc import Mapping
from typing import Any, Final

from neural_hive_ml.clock import DAY_MS, WEEK_MS
from neural_hive_ml.conventions import DRIFT_RECORDS, MODEL_QUALITY, RETRAINING_EVENTS, VERDICTS
from neural_hive_ml.retraining.policy import Attempt, DriftCheck, ModelSituation, QualityCheck
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.tickets.port import TicketStore, TicketWindow

# "In a row" means checks of the last days, not one today and one of last month.
_CHECKS_DAYS: Final = 3
_CHECKS: Final = 50


def situation_of(
    state: StateStore,
    tickets: TicketStore,
    *,
    name: str,
    version: int,
    trained_at_ms: int,
    now_ms: int,
    enough: int,
) -> ModelSituation:
    """Read one model's history; new tickets are counted up to `enough`, more would change nothing."""
    checks = state.find(
        DRIFT_RECORDS, where={"model_name": name}, since_ms=now_ms - _CHECKS_DAYS * DAY_MS, until_ms=now_ms + 1,
        newest_first=True, limit=_CHECKS,
    )  # fmt: skip
    quality = state.find(
        MODEL_QUALITY, where={"model_name": name}, until_ms=now_ms + 1, newest_first=True, limit=_CHECKS
    )
    attempts = state.find(
        RETRAINING_EVENTS, where={"model_name": name}, since_ms=now_ms - 2 * WEEK_MS, until_ms=now_ms + 1,
        newest_first=True, limit=_CHECKS,
    )  # fmt: skip
    # People judge tickets, so their verdicts are labels of detectors.
    tried_ms = max((r.at_ms for r in attempts), default=trained_at_ms)
    labels = 0
    if name.startswith("anomaly"):
        labels = state.count(VERDICTS, since_ms=max(trained_at_ms, tried_ms), until_ms=now_ms)
    return ModelSituation(
        name=name,
        version=version,
        trained_at_ms=trained_at_ms,
        checks=tuple(_check(r.at_ms, r.document) for r in checks),
        quality=tuple(_quality(r.at_ms, r.document) for r in quality),
        attempts=tuple(
            Attempt(r.at_ms, bool(r.document.get("success")), r.document.get("trigger") != "manual")
            for r in attempts
        ),
        new_tickets=_count_new(tickets, trained_at_ms, now_ms, enough),
        new_labels=labels,
    )


def _check(at_ms: int, d: Mapping[str, Any]) -> DriftCheck:
    return DriftCheck(
        at_ms,
        bool(d["drift_detected"]),
        d.get("drift_score"),
        int(d["model_version"]),
        tuple(d["drifted_features"]),
        d.get("lasting_score"),
    )


def _quality(at_ms: int, d: Mapping[str, Any]) -> QualityCheck:
    return QualityCheck(
        at_ms,
        d.get("lost"),
        d.get("value"),
        d.get("objective"),
        d.get("model_version"),
        str(d.get("metric") or ""),
    )


def _count_new(tickets: TicketStore, since_ms: int, until_ms: int, enough: int) -> int:
    count = 0
    for block in tickets.blocks(TicketWindow(since_ms, until_ms), block_rows=max(enough, 1000)):
        count += len(block)
        if count >= enough:
            break
    return count
