"""The one adapter for other spellings: what earlier writers and other stores sent becomes schema version 1.

What it knows
    names      ``_id``, ``type``, ``capabilities``, ``timestamp``, ``risk_weight`` (0-100), ``sla_timeout_ms``,
               ``qos.priority``
    values     integer priorities 1-10, MEDIUM, lower-case statuses and types, EXECUTING, the logs' success and
               error, upper-case risk bands, DURABLE
    shapes     ISO or datetime times, whole numbers sent as floats, parameters that are no strings, null for
               absent, nested fields as JSON text
What it does not do is guess: seconds where milliseconds belong, or an unknown type, are refused by validation.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from neural_hive_ml.clock import HOUR_MS, parse_instant

_RENAMED = {
    "_id": "ticket_id",
    "type": "task_type",
    "capabilities": "required_capabilities",
    "timestamp": "created_at",
}
_SIGNS_OF_AGE = frozenset({"type", "capabilities", "risk_weight", "sla_timeout_ms"})
_STATUSES = {"EXECUTING": "RUNNING", "SUCCESS": "COMPLETED", "ERROR": "FAILED", "TIMEOUT": "FAILED"}
_TASK_TYPES = {
    "ANALYZE": "QUERY",
    "GENERATE": "EXECUTE",
    "REVIEW": "VALIDATE",
    "VALIDATION": "VALIDATE",
    "EXECUTION": "EXECUTE",
}
_TIMES = ("created_at", "started_at", "completed_at")
_NUMBERS = (*_TIMES, "estimated_duration_ms", "actual_duration_ms", "retry_count", "schema_version")
_REFERENCES = ("plan_id", "intent_id", "decision_id", "description", "task_id")
_NESTED = ("sla", "qos", "parameters", "metadata", "dependencies", "required_capabilities", "capabilities")
# The platform's default where a writer gave a longest run time only: workflows end within four hours.
_DEADLINE_MS = 4 * HOUR_MS


def modernise(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the document in today's spelling; what it does not know it leaves as it is."""
    out = {name: value for name, value in document.items() if value is not None}
    for name in _NESTED:
        if isinstance(out.get(name), str):
            out[name] = _parsed(out[name])
    aged = not _SIGNS_OF_AGE.isdisjoint(out)
    for old, new in _RENAMED.items():
        if old in out:
            value = out.pop(old)
            out.setdefault(new, str(value) if old == "_id" else value)
    for name in _NUMBERS:
        if name in out:
            out[name] = _instant(out[name]) if name in _TIMES else _whole(out[name])
    out["status"] = _word(out.get("status", "PENDING"), _STATUSES)
    if "task_type" in out:
        out["task_type"] = _word(out["task_type"], _TASK_TYPES)
    _priority(out, aged=aged)
    _risk_band(out)
    _sla(out)
    _qos(out)
    for name in _REFERENCES:
        out.setdefault(name, "")
    for name in ("parameters", "metadata"):
        if isinstance(out.get(name), Mapping):
            out[name] = {str(key): _text(value) for key, value in out[name].items()}
    return out


def _parsed(text: str) -> object:
    """Read a nested field that a table kept as JSON text."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text


def _word(value: object, known: Mapping[str, str]) -> object:
    return known.get(value.upper(), value.upper()) if isinstance(value, str) else value


def _priority(out: dict[str, Any], *, aged: bool) -> None:
    value = out.get("priority")
    if value is None and isinstance(out.get("qos"), Mapping):
        value = out["qos"].get("priority")
    if value is None and aged:
        value = "NORMAL"
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10:
        value = "LOW" if value <= 2 else "NORMAL" if value <= 5 else "HIGH" if value <= 8 else "CRITICAL"
    if value is not None:
        out["priority"] = _word(value, {"MEDIUM": "NORMAL"})


def _risk_band(out: dict[str, Any]) -> None:
    weight = out.pop("risk_weight", None)
    band = out.get("risk_band")
    if isinstance(band, str):
        out["risk_band"] = band.lower()
    elif isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight <= 100:
        out["risk_band"] = (
            "low" if weight < 25 else "medium" if weight < 50 else "high" if weight < 75 else "critical"
        )


def _sla(out: dict[str, Any]) -> None:
    timeout = _whole(out.pop("sla_timeout_ms", None))
    sla = out.get("sla")
    if isinstance(sla, Mapping):
        out["sla"] = {
            name: _instant(value) if name == "deadline" else _whole(value)
            for name, value in sla.items()
            if value is not None
        }
    elif timeout is not None and isinstance(out.get("created_at"), int):
        longest = max(_DEADLINE_MS, timeout) if isinstance(timeout, int) else _DEADLINE_MS
        out["sla"] = {"deadline": out["created_at"] + longest, "timeout_ms": timeout}


def _qos(out: dict[str, Any]) -> None:
    qos = out.get("qos")
    if isinstance(qos, Mapping):
        known = ("delivery_mode", "consistency", "durability")
        out["qos"] = {k: _word(qos[k], {"DURABLE": "PERSISTENT"}) for k in known if qos.get(k) is not None}


def _instant(value: object) -> object:
    """Read a datetime (naive is UTC) or ISO text as epoch milliseconds."""
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    if isinstance(value, str):
        try:
            return parse_instant(value)
        except (ValueError, OverflowError):
            return value
    return _whole(value)


def _whole(value: object) -> object:
    """Take 3.0 for 3, and a driver's own integer class for an integer."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value, enc_hook=str).decode()
