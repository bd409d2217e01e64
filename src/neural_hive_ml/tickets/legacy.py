"""The one adapter for legacy spellings: a document of an older writer becomes one of schema version 1.

Known spellings (compatibility.md 3 and 4): ``_id``, ``type``, ``capabilities``, ``risk_weight`` (0-100),
``sla_timeout_ms``, integer priorities 1-10, MEDIUM for NORMAL, lower-case statuses and types, EXECUTING,
upper-case risk bands, ``qos`` without its mode, ISO times. A number of seconds where milliseconds belong is not
guessed: the validation refuses it and says so.
"""

from collections.abc import Mapping
from typing import Any

from neural_hive_ml.clock import parse_instant

_RENAMED = {
    "_id": "ticket_id",
    "type": "task_type",
    "capabilities": "required_capabilities",
    "timestamp": "created_at",
    "retries": "retry_count",
}
_STATUSES = {"EXECUTING": "RUNNING", "SUCCESS": "COMPLETED", "ERROR": "FAILED", "TIMEOUT": "FAILED"}
_TASK_TYPES = {"ANALYZE": "QUERY", "GENERATE": "EXECUTE", "REVIEW": "VALIDATE", "VALIDATION": "VALIDATE",
               "EXECUTION": "EXECUTE"}
_TIMES = ("created_at", "started_at", "completed_at")
_TEXTS = ("plan_id", "intent_id", "decision_id", "description", "task_id")


def modernise(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the document with legacy spellings replaced; what it does not know it leaves alone."""
    out = dict(document)
    for old, new in _RENAMED.items():
        if old in out:
            value = out.pop(old)
            out.setdefault(new, value if old != "_id" else str(value))
    out["status"] = _upper(out.get("status"), _STATUSES)
    out["task_type"] = _upper(out.get("task_type"), _TASK_TYPES)
    out["priority"] = _priority(out.get("priority"))
    out["risk_band"] = _risk_band(out)
    out["sla"] = _sla(out)
    _qos(out)
    for name in _TIMES:
        if isinstance(out.get(name), str):
            out[name] = _instant(out[name])
    for name in _TEXTS:
        out.setdefault(name, "")
    for name in ("parameters", "metadata"):
        if isinstance(out.get(name), Mapping):
            out[name] = {str(k): v if isinstance(v, str) else _text(v) for k, v in out[name].items()}
    for name in ("ticket_id", "task_id", "status", "priority", "risk_band", "sla", "task_type"):
        if out.get(name) is None:
            out.pop(name, None)
    return out


def _upper(value: object, table: Mapping[str, str]) -> object:
    if not isinstance(value, str):
        return value
    return table.get(value.upper(), value.upper())


def _priority(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and 1 <= value <= 10:
        return "LOW" if value <= 2 else "NORMAL" if value <= 5 else "HIGH" if value <= 8 else "CRITICAL"
    return "NORMAL" if value == "MEDIUM" else _upper(value, {"MEDIUM": "NORMAL"})


def _risk_band(out: dict[str, Any]) -> object:
    band, weight = out.get("risk_band"), out.pop("risk_weight", None)
    if isinstance(band, str):
        return band.lower()
    if band is None and isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight <= 100:
        return "low" if weight < 25 else "medium" if weight < 50 else "high" if weight < 75 else "critical"
    return band


def _sla(out: dict[str, Any]) -> object:
    timeout = out.pop("sla_timeout_ms", None)
    sla = out.get("sla")
    if sla is not None or timeout is None:
        return sla
    created = out.get("created_at")
    deadline = created + timeout if isinstance(created, int) and isinstance(timeout, int) else 0
    return {"deadline": deadline, "timeout_ms": timeout}


def _qos(out: dict[str, Any]) -> None:
    qos = out.get("qos")
    if qos is None:
        out.pop("qos", None)
    elif isinstance(qos, Mapping):
        priority = qos.get("priority")
        if "priority" not in out or out["priority"] is None:
            out["priority"] = _priority(priority)
        known = ("delivery_mode", "consistency", "durability")
        out["qos"] = {k: _upper(qos[k], {"DURABLE": "PERSISTENT"}) for k in known if k in qos}


def _instant(text: str) -> object:
    try:
        return parse_instant(text)
    except ValueError:
        return text


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
