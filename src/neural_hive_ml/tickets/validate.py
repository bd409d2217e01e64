"""What the types cannot say: order of times, bounds, relations between fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

from neural_hive_ml.tickets.limits import (
    EARLIEST_MS,
    LATEST_MS,
    MAX_DURATION_MS,
    MAX_ID_LENGTH,
    MAX_LIST_ENTRIES,
    MAX_MAP_CHARACTERS,
    MAX_MAP_ENTRIES,
    MAX_RETRIES,
    MAX_TEXT_LENGTH,
)
from neural_hive_ml.tickets.ticket import Ticket

_REFERENCE = "keep it elsewhere and pass a reference"
_IDS = (
    "ticket_id",
    "plan_id",
    "intent_id",
    "decision_id",
    "task_id",
    "compensation_ticket_id",
    "correlation_id",
    "trace_id",
    "span_id",
)
_ids_of = attrgetter(*_IDS)
_MOST = {
    "actual_duration_ms": MAX_DURATION_MS,
    "estimated_duration_ms": MAX_DURATION_MS,
    "sla.timeout_ms": MAX_DURATION_MS,
    "sla.deadline": LATEST_MS,
    "sla.max_retries": MAX_RETRIES,
    "retry_count": MAX_RETRIES,
    "schema_version": MAX_RETRIES,
}
_numbers_of = attrgetter(*_MOST)


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing wrong with a ticket: `field` as a dotted path, `what`, and the next step."""

    field: str
    what: str
    remedy: str


def fault_of(ticket: Ticket) -> Fault | None:
    """Return the first fault of a well-typed ticket, or None."""
    return _times(ticket) or _numbers(ticket) or _texts(ticket) or _relations(ticket)


def _times(t: Ticket) -> Fault | None:
    before = ("created_at", t.created_at)
    for name, value in (before, ("started_at", t.started_at), ("completed_at", t.completed_at)):
        if value is None:
            continue
        if not EARLIEST_MS <= value <= LATEST_MS:
            return Fault(name, f"{value} {_unit_of(value)}", "send UTC epoch milliseconds")
        if value < before[1]:
            return Fault(name, f"{value} is before {before[0]} {before[1]}", "correct the times")
        before = (name, value)
    return None


def _unit_of(value: int) -> str:
    if EARLIEST_MS <= value * 1000 <= LATEST_MS:
        return "looks like seconds, not milliseconds"
    if EARLIEST_MS <= value // 1000 <= LATEST_MS or EARLIEST_MS <= value // 1_000_000 <= LATEST_MS:
        return "looks like microseconds or nanoseconds, not milliseconds"
    return "is no plausible time in milliseconds"


def _numbers(t: Ticket) -> Fault | None:
    for (name, most), value in zip(_MOST.items(), _numbers_of(t), strict=True):
        if value is not None and not 0 <= value <= most:
            return Fault(name, f"{value} is outside 0..{most}", "correct the value")
    return None


def _texts(t: Ticket) -> Fault | None:
    if not t.ticket_id:
        return Fault("ticket_id", "is empty", "give each ticket its own id")
    for name, text in zip(_IDS, _ids_of(t), strict=True):
        if text is not None and len(text) > MAX_ID_LENGTH:
            return Fault(name, f"{len(text)} characters, at most {MAX_ID_LENGTH}", "shorten it")
    for name, long_text in (("description", t.description), ("error_message", t.error_message or "")):
        if len(long_text) > MAX_TEXT_LENGTH:
            return Fault(name, f"{len(long_text):,} characters, at most {MAX_TEXT_LENGTH:,}", "shorten it")
    for name, entries in (("dependencies", t.dependencies), ("required_capabilities", t.required_capabilities)):
        if len(entries) > MAX_LIST_ENTRIES:
            return Fault(name, f"{len(entries):,} entries, at most {MAX_LIST_ENTRIES:,}", _REFERENCE)
        if max(map(len, entries), default=0) > MAX_ID_LENGTH:
            return Fault(name, f"an entry is longer than {MAX_ID_LENGTH} characters", "shorten it")
    return _map("parameters", t.parameters) or _map("metadata", t.metadata)


def _map(name: str, mapping: Mapping[str, str]) -> Fault | None:
    if not mapping:
        return None
    if len(mapping) > MAX_MAP_ENTRIES:
        return Fault(name, f"{len(mapping):,} entries, at most {MAX_MAP_ENTRIES:,}", _REFERENCE)
    size = sum(map(len, mapping)) + sum(map(len, mapping.values()))
    if size > MAX_MAP_CHARACTERS:
        return Fault(name, f"{size:,} characters, at most {MAX_MAP_CHARACTERS:,}", _REFERENCE)
    if "\0" in "".join(mapping):
        return Fault(name, "a key holds a null character", "correct the key")
    return None


def _relations(t: Ticket) -> Fault | None:
    if t.dependencies and t.ticket_id in t.dependencies:
        return Fault("dependencies", "the ticket depends on itself", "remove its own id")
    if t.ended and t.completed_at is None and t.status != "REJECTED":
        return Fault("completed_at", f"is missing although status is {t.status}", "send the time of the end")
    return None
