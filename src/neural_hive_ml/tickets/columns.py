"""Tickets side by side: the columnar form that features, training and drift read.

One NumPy array a field, no pandas. Missing times and durations are `MISSING_MS`; strings are kept as
Python objects in `dtype=object` arrays because their number of distinct values is open.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from neural_hive_ml.tickets.ticket import (
    CONSISTENCIES,
    DELIVERY_MODES,
    DURABILITIES,
    PRIORITIES,
    RISK_BANDS,
    SECURITY_LEVELS,
    STATUSES,
    TASK_TYPES,
    Ticket,
)

MISSING_MS = -(2**62)

Int64 = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]
Objects = npt.NDArray[np.object_]

_CODES: dict[str, dict[str, int]] = {
    name: {value: code for code, value in enumerate(values)}
    for name, values in {
        "task_type": TASK_TYPES,
        "status": STATUSES,
        "priority": PRIORITIES,
        "risk_band": RISK_BANDS,
        "delivery_mode": DELIVERY_MODES,
        "consistency": CONSISTENCIES,
        "durability": DURABILITIES,
        "security_level": SECURITY_LEVELS,
    }.items()
}


@dataclass(frozen=True, slots=True)
class TicketColumns:
    """`n` tickets, every array of length `n`, ordered by (created_at, ticket_id) when read from a store.

    Enum columns are int8 indexes into the tuples of `tickets.ticket` (`status[i]` into `STATUSES`).
    `capabilities` and `parameters` hold the ticket's own tuple and mapping.
    """

    ticket_id: Objects
    task_id: Objects
    owner: Objects
    capabilities: Objects
    parameters: Objects
    error: npt.NDArray[np.bool_]
    synthetic: npt.NDArray[np.bool_]
    task_type: Int8
    status: Int8
    priority: Int8
    risk_band: Int8
    delivery_mode: Int8
    consistency: Int8
    durability: Int8
    security_level: Int8
    dependencies: Int64
    retry_count: Int64
    max_retries: Int64
    created_at_ms: Int64
    started_at_ms: Int64
    completed_at_ms: Int64
    estimated_duration_ms: Int64
    actual_duration_ms: Int64
    sla_timeout_ms: Int64
    sla_deadline_ms: Int64

    def __len__(self) -> int:
        return len(self.ticket_id)

    def take(self, index: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "TicketColumns":
        """Return the rows of a boolean mask or an index array, in its order."""
        return TicketColumns(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def ranks(ids: Objects) -> npt.NDArray[np.intp]:
    """Return each id's place among all, as a store orders texts; O(n log n).

    NumPy's own fixed-width texts drop nulls at the end of an id, and one long id widens all of them.

    >>> ranks(np.array(["b", "a\\0", "a"], dtype=object)).tolist()
    [2, 1, 0]
    """
    place = np.empty(len(ids), dtype=np.intp)
    place[np.argsort(ids)] = np.arange(len(ids))
    return place


def ms_or_missing(value: int | None) -> int:
    """Map an absent time or duration to `MISSING_MS`."""
    return MISSING_MS if value is None else value


def columns_of(tickets: Iterable[Ticket]) -> TicketColumns:
    """Lay tickets out as columns, keeping their order; O(n).

    >>> len(columns_of([]))
    0
    """
    rows: Sequence[Ticket] = tickets if isinstance(tickets, Sequence) else list(tickets)

    def objects(values: Iterable[object]) -> Objects:
        out = np.empty(len(rows), dtype=object)
        for i, value in enumerate(values):
            out[i] = value
        return out

    def ints(values: Iterable[int]) -> Int64:
        return np.fromiter(values, dtype=np.int64, count=len(rows))

    def codes(name: str, values: Iterable[str]) -> Int8:
        table = _CODES[name]
        return np.fromiter((table[v] for v in values), dtype=np.int8, count=len(rows))

    return TicketColumns(
        ticket_id=objects(t.ticket_id for t in rows),
        task_id=objects(t.task_id for t in rows),
        owner=objects(t.owner for t in rows),
        capabilities=objects(t.required_capabilities for t in rows),
        parameters=objects(t.parameters for t in rows),
        error=np.fromiter((t.error_message is not None for t in rows), dtype=np.bool_, count=len(rows)),
        synthetic=np.fromiter((t.synthetic for t in rows), dtype=np.bool_, count=len(rows)),
        task_type=codes("task_type", (t.task_type for t in rows)),
        status=codes("status", (t.status for t in rows)),
        priority=codes("priority", (t.priority for t in rows)),
        risk_band=codes("risk_band", (t.risk_band for t in rows)),
        delivery_mode=codes("delivery_mode", (t.qos.delivery_mode for t in rows)),
        consistency=codes("consistency", (t.qos.consistency for t in rows)),
        durability=codes("durability", (t.qos.durability for t in rows)),
        security_level=codes("security_level", (t.security_level for t in rows)),
        dependencies=ints(len(t.dependencies) for t in rows),
        retry_count=ints(t.retry_count for t in rows),
        max_retries=ints(t.sla.max_retries for t in rows),
        created_at_ms=ints(t.created_at for t in rows),
        started_at_ms=ints(ms_or_missing(t.started_at) for t in rows),
        completed_at_ms=ints(ms_or_missing(t.completed_at) for t in rows),
        estimated_duration_ms=ints(ms_or_missing(t.estimated_duration_ms) for t in rows),
        actual_duration_ms=ints(ms_or_missing(t.actual_duration_ms) for t in rows),
        sla_timeout_ms=ints(t.sla.timeout_ms for t in rows),
        sla_deadline_ms=ints(t.sla.deadline for t in rows),
    )


def concat(parts: Sequence[TicketColumns]) -> TicketColumns:
    """Join blocks of columns in order; an empty sequence gives empty columns."""
    if not parts:
        return columns_of([])
    if len(parts) == 1:
        return parts[0]
    return TicketColumns(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(TicketColumns)}
    )


def regrouped(blocks: Iterable[TicketColumns], rows: int) -> Iterator[TicketColumns]:
    """Yield the same tickets in the same order, `rows` a block but for the last, however they come."""
    waiting: list[TicketColumns] = []
    held = 0
    for block in blocks:
        waiting.append(block)
        held += len(block)
        if held < rows:
            continue
        joined = concat(waiting)
        whole = held // rows * rows
        for start in range(0, whole, rows):
            yield joined.take(np.arange(start, start + rows))
        held -= whole
        waiting = [joined.take(np.arange(whole, len(joined)))]
    if held:
        yield concat(waiting)


def digest_of(columns: TicketColumns) -> str:
    """Return the SHA-256 (hex) of the content, the same bytes for the same tickets in the same order."""
    h = sha256()
    for f in fields(columns):
        array = getattr(columns, f.name)
        h.update(f.name.encode())
        if array.dtype == object:
            for value in array:
                text = repr(sorted(value.items())) if f.name == "parameters" else repr(value)
                h.update(text.encode())
                h.update(b"\0")
        else:
            h.update(np.ascontiguousarray(array).tobytes())
    return h.hexdigest()
