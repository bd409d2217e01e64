"""The past as it looked then: what happened later is taken back, and nothing else is touched."""

from dataclasses import fields, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.histories import START_MS, histories, moments_of
from tests.support.tickets import ticket

from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns, columns_of, digest_of
from neural_hive_ml.tickets.ticket import STATUSES, Ticket

CREATED, STARTED, ENDED = START_MS, START_MS + 1_000, START_MS + 61_000


def seen(at_ms: int, **changes: object) -> dict[str, object]:
    """Look at one ticket as of a moment; empty when it is not known yet."""
    columns = as_of(columns_of([ticket(**changes)]), at_ms)  # type: ignore[arg-type] - mixed fields
    if not len(columns):
        return {}
    return {
        "status": STATUSES[columns.status[0]],
        "started": columns.started_at_ms[0] != MISSING_MS,
        "completed": columns.completed_at_ms[0] != MISSING_MS,
        "duration": columns.actual_duration_ms[0] != MISSING_MS,
        "retries": int(columns.retry_count[0]),
        "error": bool(columns.error[0]),
    }


def expected(t: Ticket, at_ms: int) -> Ticket | None:
    """The same rule, one ticket at a time."""
    if t.created_at >= at_ms:
        return None
    begun = t.started_at is not None and t.started_at <= at_ms
    happened_later = any(m is not None and m > at_ms for m in (t.started_at, t.completed_at))
    if not happened_later:
        return t
    return replace(
        t,
        status="RUNNING" if begun else "PENDING",
        started_at=t.started_at if begun else None,
        completed_at=None,
        actual_duration_ms=None,
        retry_count=0,
        error_message=None,
    )


def same(left: TicketColumns, right: TicketColumns) -> bool:
    return all(np.array_equal(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))


def test_a_life_step_by_step() -> None:
    failed = {"status": "FAILED", "retry_count": 2, "error_message": "broke"}
    nothing = {"started": False, "completed": False, "duration": False, "retries": 0, "error": False}
    assert seen(CREATED, **failed) == {}
    assert seen(CREATED + 1, **failed) == {"status": "PENDING", **nothing}
    assert seen(STARTED, **failed) == {"status": "RUNNING", **nothing, "started": True}
    assert seen(ENDED - 1, **failed) == {"status": "RUNNING", **nothing, "started": True}
    assert seen(ENDED, **failed) == {
        "status": "FAILED", "started": True, "completed": True, "duration": True, "retries": 2, "error": True,
    }  # fmt: skip


def test_an_open_ticket_that_started_later_was_waiting() -> None:
    running = {"status": "RUNNING", "completed_at": None, "actual_duration_ms": None, "retry_count": 3}
    assert seen(STARTED - 1, **running)["status"] == "PENDING"
    assert seen(STARTED - 1, **running)["retries"] == 0
    assert seen(STARTED, **running) == seen(ENDED * 2, **running)


def test_what_never_started_was_waiting_until_it_ended() -> None:
    rejected = {"status": "REJECTED", "started_at": None, "actual_duration_ms": None}
    assert seen(ENDED - 1, **rejected)["status"] == "PENDING"
    assert seen(ENDED, **rejected)["status"] == "REJECTED"


@given(histories(), st.data())
@settings(max_examples=100, deadline=None)
def test_every_ticket_looks_as_it_did_then(tickets: list[Ticket], data: st.DataObject) -> None:
    moments = sorted({m + d for m in moments_of(tickets) for d in (0, 1)})
    at_ms = data.draw(st.sampled_from(moments))
    columns = columns_of(tickets)
    before = digest_of(columns)
    then = as_of(columns, at_ms)
    assert same(then, columns_of([e for t in tickets if (e := expected(t, at_ms)) is not None]))
    assert digest_of(columns) == before
    # Looking back from a later past shows the same.
    later = data.draw(st.sampled_from([m for m in moments if m >= at_ms]))
    assert same(then, as_of(as_of(columns, later), at_ms))


def test_nothing_is_nothing() -> None:
    assert len(as_of(columns_of([]), START_MS)) == 0
