"""What the types cannot say: order of times, bounds, relations between fields."""

from collections.abc import Mapping
from dataclasses import dataclass

from neural_hive_ml.tickets.limits import (
    EARLIEST_MS,
    LATEST_MS,
    MAX_DURATION_MS,
    MAX_ID_LENGTH,
    MAX_LIST_ENTRIES,
    MAX_MAP_BYTES,
    MAX_MAP_ENTRIES,
    MAX_RETRIES,
    MAX_TEXT_LENGTH,
)
from neural_hive_ml.tickets.ticket import Ticket


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
    for name, value in (("created_at", t.created_at), ("started_at", t.started_at), ("completed_at", t.completed_at)):
        if value is not None and not EARLIEST_MS <= value <= LATEST_MS:
            return Fault(name, f"{value} is not a plausible time in UTC milliseconds",
                         "send epoch milliseconds, not seconds or microseconds")
    if t.started_at is not None and t.started_at < t.created_at:
        return Fault("started_at", f"{t.started_at} is before created_at {t.created_at}", "correct the times")
    if t.completed_at is not None and t.completed_at < t.created_at:
        return Fault("completed_at", f"{t.completed_at} is before created_at {t.created_at}", "correct the times")
    if t.completed_at is not None and t.started_at is not None and t.completed_at < t.started_at:
        return Fault("completed_at", f"{t.completed_at} is before started_at {t.started_at}", "correct the times")
    return None


def _numbers(t: Ticket) -> Fault | None:
    bounded = (
        ("actual_duration_ms", t.actual_duration_ms, MAX_DURATION_MS),
        ("estimated_duration_ms", t.estimated_duration_ms, MAX_DURATION_MS),
        ("sla.timeout_ms", t.sla.timeout_ms, MAX_DURATION_MS),
        ("sla.deadline", t.sla.deadline, LATEST_MS),
        ("sla.max_retries", t.sla.max_retries, MAX_RETRIES),
        ("retry_count", t.retry_count, MAX_RETRIES),
    )
    for name, value, most in bounded:
        if value is not None and not 0 <= value <= most:
            return Fault(name, f"{value} is outside 0..{most}", "correct the value")
    return None


def _texts(t: Ticket) -> Fault | None:
    if not t.ticket_id:
        return Fault("ticket_id", "is empty", "give each ticket its own id")
    ids = (("ticket_id", t.ticket_id), ("plan_id", t.plan_id), ("intent_id", t.intent_id),
           ("decision_id", t.decision_id), ("task_id", t.task_id))
    for name, text in ids:
        if len(text) > MAX_ID_LENGTH:
            return Fault(name, f"{len(text)} characters, at most {MAX_ID_LENGTH}", "shorten it")
    for name, long_text in (("description", t.description), ("error_message", t.error_message or "")):
        if len(long_text) > MAX_TEXT_LENGTH:
            return Fault(name, f"{len(long_text)} characters, at most {MAX_TEXT_LENGTH}", "shorten it")
    for name, sequence in (("dependencies", t.dependencies), ("required_capabilities", t.required_capabilities)):
        if len(sequence) > MAX_LIST_ENTRIES:
            return Fault(name, f"{len(sequence)} entries, at most {MAX_LIST_ENTRIES}", "shorten it")
        if any(len(entry) > MAX_ID_LENGTH for entry in sequence):
            return Fault(name, f"an entry is longer than {MAX_ID_LENGTH} characters", "shorten it")
    return _map("parameters", t.parameters) or _map("metadata", t.metadata)


def _map(name: str, mapping: Mapping[str, str]) -> Fault | None:
    if len(mapping) > MAX_MAP_ENTRIES:
        return Fault(name, f"{len(mapping)} entries, at most {MAX_MAP_ENTRIES}", "pass a reference instead")
    size = sum(map(len, mapping)) + sum(map(len, mapping.values()))
    if size > MAX_MAP_BYTES:
        return Fault(name, f"{size:,} characters, at most {MAX_MAP_BYTES:,}", "pass a reference instead")
    return None


def _relations(t: Ticket) -> Fault | None:
    if t.ticket_id in t.dependencies:
        return Fault("dependencies", "the ticket depends on itself", "remove its own id")
    if t.ended and t.status != "REJECTED" and t.completed_at is None:
        return Fault("completed_at", f"is missing although status is {t.status}", "send the time of the end")
    return None
