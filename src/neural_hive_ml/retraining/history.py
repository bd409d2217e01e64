"""What the policy is told: records of the store as situations."""

from collections.abc import Mapping
from typing import Any, Final

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.conventions import DRIFT_RECORDS, MODEL_QUALITY, RETRAINING_CLAIMS, RETRAINING_EVENTS
from neural_hive_ml.feedback.labels import judged_tickets
from neural_hive_ml.feedback.quality_log import verdicts_between
from neural_hive_ml.registry.alias_record import read_record
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
    attempts = attempts_of(state, name, now_ms)
    # People judge tickets, so tickets that they judged are labels of detectors.
    tried_ms = max((a.at_ms for a in attempts), default=trained_at_ms)
    labels = 0
    if name.startswith("anomaly"):
        given = verdicts_between(state, max(trained_at_ms, tried_ms), now_ms)
        labels = judged_tickets(given, known=lambda ticket_id: tickets.get(ticket_id) is not None)
    return ModelSituation(
        name=name,
        version=version,
        trained_at_ms=trained_at_ms,
        checks=tuple(drift_check(r.at_ms, r.document) for r in checks),
        quality=tuple(quality_check(r.at_ms, r.document) for r in quality),
        attempts=attempts,
        new_tickets=_count_new(tickets, trained_at_ms, now_ms, enough),
        new_labels=labels,
        challenger=read_record(state, name).challenger,
    )


def attempts_of(state: StateStore, name: str, now_ms: int) -> tuple[Attempt, ...]:
    """Return a model's newest retrainings until now, newest first, however long ago.

    What was claimed counts from its claim on: a training that killed its process was an attempt too.
    """
    tried: dict[str, Attempt] = {}
    for collection in (RETRAINING_CLAIMS, RETRAINING_EVENTS):
        found = state.find(
            collection, where={"model_name": name}, until_ms=now_ms + 1, newest_first=True, limit=_CHECKS
        )
        for r in found:
            succeeded = bool(r.document.get("success"))
            tried[r.key] = Attempt(r.at_ms, succeeded, r.document.get("trigger") != "manual")
    return tuple(sorted(tried.values(), key=lambda a: -a.at_ms))


def drift_check(at_ms: int, d: Mapping[str, Any]) -> DriftCheck:
    """Read a check's record as the policy knows it."""
    return DriftCheck(
        at_ms,
        bool(d["drift_detected"]),
        d.get("drift_score"),
        int(d["model_version"]),
        tuple(d["drifted_features"]),
        d.get("lasting_score"),
    )


def quality_check(at_ms: int, d: Mapping[str, Any]) -> QualityCheck:
    """Read a measurement's record as the policy knows it."""
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
