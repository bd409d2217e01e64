"""Checks as records of the state store: the platform's own fields, and ours."""

from collections.abc import Mapping
from typing import Any

from neural_hive_ml.clock import HOUR_MS, iso
from neural_hive_ml.conventions import DRIFT_RECORDS, Family
from neural_hive_ml.drift.report import DriftReport, DriftStatus, FeatureDrift
from neural_hive_ml.state.port import Record, StateStore


def record_of(
    report: DriftReport, *, name: str, version: int, family: Family, at_ms: int, threshold: float
) -> Record:
    """Lay a check of `name` version `version` out as a record; one a model, version and moment."""
    document = document_of(report, name=name, version=version, family=family, at_ms=at_ms, threshold=threshold)
    return Record(record_key(name, version, at_ms), at_ms, document)


def record_key(name: str, version: int, at_ms: int) -> str:
    """Return the key of the check of a model's version at a moment."""
    return f"{name}@{version}@{at_ms}"


def mark_answered(state: StateStore, key: str, *, at_ms: int) -> None:
    """Say in a check's record, as the platform does, that a retraining answers it; once."""
    found = state.get(DRIFT_RECORDS, key)
    if found is not None and not found.document.get("retraining_triggered"):
        marked = {**found.document, "retraining_triggered": True, "retraining_triggered_at": iso(at_ms)}
        state.put(DRIFT_RECORDS, Record(key, found.at_ms, marked))


def document_of(
    report: DriftReport, *, name: str, version: int, family: Family, at_ms: int, threshold: float
) -> dict[str, Any]:
    """Return the document: compatibility.md 8.1's fields first. Without an answer there is no score."""
    answered = report.status is not DriftStatus.INSUFFICIENT_DATA
    return {
        "type": "drift_detection",
        "timestamp": iso(at_ms),
        "drift_detected": report.drift_detected,
        "drift_score": report.drift_score if answered else None,
        "drifted_features": [f.name for f in report.drifted],
        "threshold_psi": threshold,
        "window_hours": (report.until_ms - report.from_ms) / HOUR_MS,
        "report_summary": {"num_drifted_features": len(report.drifted), "timestamp": iso(at_ms)},
        "model_name": name,
        "model_version": version,
        "model_type": family,
        "status": report.status.value,
        "reasons": list(report.reasons),
        "rows": report.rows,
        "reference_rows": report.reference_rows,
        "from_ms": report.from_ms,
        "until_ms": report.until_ms,
        "false_alarm_rate": report.false_alarm_rate,
        "season": report.level,
        "lasting_score": report.lasting_score,
        "features": [_feature(f) for f in report.features],
    }


def _feature(f: FeatureDrift) -> dict[str, Any]:
    return {
        "name": f.name,
        "score": round(f.psi, 6),
        "psi": round(f.psi_raw, 6),
        "ks": None if f.ks is None else round(f.ks, 6),
        "p_value": f.p_value,
        "drifted": f.drifted,
        "kind": f.kind,
        "unit": f.unit,
        "reference": f.reference,
        "current": f.current,
        "value": f.value,
        "missing_reference": round(f.missing_reference, 6),
        "missing_current": round(f.missing_current, 6),
        "new_share": round(f.new_share, 6),
        "sentence": f.sentence,
    }


def link_page(state: StateStore, key: str, path: str) -> None:
    """Put the path of the page that shows a check's window into its record, where there is one."""
    found = state.get(DRIFT_RECORDS, key)
    if found is not None:
        state.put(DRIFT_RECORDS, Record(key, found.at_ms, {**found.document, "report_html": path}))


def checks_of(
    state: StateStore, name: str, *, until_ms: int | None = None, limit: int = 10
) -> list[Mapping[str, Any]]:
    """Return the newest checks of a model, newest first."""
    found = state.find(
        DRIFT_RECORDS, where={"model_name": name}, until_ms=until_ms, newest_first=True, limit=limit
    )
    return [r.document for r in found]
