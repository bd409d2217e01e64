"""Nothing that happens later is in a row, and no part of a split has seen the next one."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.histories import START_MS, histories, moments_of, one_ticket
from tests.support.tickets import ticket
from tests.support.trained import anomaly_candidate, duration_candidate, generated, request

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.evaluation.injections import inject
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import FeatureFrame, RunningMoments, build_frame
from neural_hive_ml.features.spec import NAMES
from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.columns import TicketColumns, columns_of
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.anomaly import train_anomaly
from neural_hive_ml.training.duration import train_duration
from neural_hive_ml.training.durations import duration_rows
from neural_hive_ml.training.judged import judged_rows
from neural_hive_ml.training.split import FEWEST, split_by_time

BINDING = FeatureBinding(("items", "weight"))
# What becomes of a ticket after it was created, and what only names it.
OUTCOME = {
    "status": "FAILED", "started_at": None, "completed_at": START_MS + 10**8, "actual_duration_ms": 7, "retry_count": 9,
    "error_message": "broke", "compensation_ticket_id": "c",
}  # fmt: skip
NAMING = {
    "plan_id": "x", "intent_id": "x", "decision_id": "x", "description": "x", "correlation_id": "x", "trace_id": "x",
    "span_id": "x", "schema_version": 1, "metadata": {"owner": "team-a", "synthetic": "true"},
}  # fmt: skip


def opened(t: Ticket) -> Ticket:
    """An open document holds no outcome, so that a look at it shows what was known then."""
    if t.ended:
        return t
    status = "PENDING" if t.started_at is None else "RUNNING"
    return replace(t, status=status, retry_count=0, error_message=None)


@st.composite
def other_future(draw: st.DrawFn, t: Ticket, after_ms: int) -> Ticket:
    """The same ticket with whatever happens to it after a moment drawn anew."""
    if (t.completed_at is not None and t.completed_at <= after_ms) or (t.ended and t.completed_at is None):
        return t
    started = t.started_at is not None and t.started_at <= after_ms
    if draw(st.booleans()):
        started_at = (
            t.started_at if started else draw(st.none() | st.integers(1, DAY_MS).map(lambda d: after_ms + d))
        )
        status = "PENDING" if started_at is None else "RUNNING"
        return replace(t, status=status, started_at=started_at, completed_at=None, actual_duration_ms=None,
                       retry_count=0, error_message=None)  # fmt: skip
    started_at = t.started_at if started else after_ms + draw(st.integers(1, DAY_MS))
    return replace(
        t,
        status=draw(st.sampled_from(["COMPLETED", "FAILED", "COMPENSATED"])),
        started_at=started_at,
        completed_at=max(started_at or 0, after_ms + 1) + draw(st.integers(0, DAY_MS)),
        actual_duration_ms=draw(st.none() | st.integers(0, DAY_MS)),
        retry_count=draw(st.integers(0, 5)),
        error_message=draw(st.none() | st.just("broke")),
    )


@st.composite
def two_futures(draw: st.DrawFn) -> tuple[int, list[Ticket], list[Ticket]]:
    """Two histories that are one up to a moment."""
    tickets = [opened(t) for t in draw(histories())]
    at_ms = draw(st.sampled_from(sorted(set(moments_of(tickets)))))
    others = [draw(other_future(t, at_ms)) for t in tickets if t.created_at <= at_ms]
    for i in range(draw(st.integers(0, 4))):
        late = draw(one_ticket(f"late-{i}"))
        shift = max(at_ms + 1 - late.created_at, 0)
        moved = {n: getattr(late, n) and getattr(late, n) + shift for n in ("started_at", "completed_at")}
        others.append(replace(late, created_at=late.created_at + shift, **moved))
    return at_ms, tickets, others


def rows_until(at_ms: int, tickets: list[Ticket], columns: TicketColumns | None = None) -> dict[object, bytes]:
    """Rows of every stage up to a moment, looks at all that is open at it included."""
    open_then = [
        i
        for i, t in enumerate(tickets)
        if t.created_at <= at_ms and (not t.ended if t.completed_at is None else t.completed_at > at_ms)
    ]
    looks = RunningMoments(np.array(open_then, dtype=np.intp), np.full(len(open_then), at_ms, dtype=np.int64))
    if columns is not None:
        looks = RunningMoments(np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.int64))
    frame, _ = build_frame(columns_of(tickets) if columns is None else columns, BINDING, running=looks)
    return {key: row for key, row in keyed(frame, tickets, columns).items() if key[2] <= at_ms}  # type: ignore[index]


def keyed(frame: FeatureFrame, tickets: list[Ticket], columns: TicketColumns | None) -> dict[object, bytes]:
    ids = [t.ticket_id for t in tickets] if columns is None else columns.ticket_id
    return {
        (ids[who], int(stage), int(at_ms)): row.tobytes()
        for row, at_ms, who, stage in zip(frame.rows, frame.at_ms, frame.ticket, frame.stage, strict=True)
    }


@given(two_futures())
@settings(max_examples=150, deadline=None)
def test_what_happens_later_changes_no_row(drawn: tuple[int, list[Ticket], list[Ticket]]) -> None:
    at_ms, tickets, others = drawn
    mine, theirs = rows_until(at_ms, tickets), rows_until(at_ms, others)
    assert mine.keys() == theirs.keys()
    assert mine == theirs


@given(histories(), st.data())
@settings(max_examples=60, deadline=None)
def test_the_past_as_it_looked_gives_the_rows_it_gave(tickets: list[Ticket], data: st.DataObject) -> None:
    at_ms = data.draw(st.sampled_from(sorted(set(moments_of(tickets)))))
    whole = rows_until(at_ms - 1, tickets, columns_of(tickets))
    then = rows_until(at_ms - 1, tickets, as_of(columns_of(tickets), at_ms))
    assert whole == then


@pytest.mark.parametrize("name", [f.name for f in fields(Ticket)])
def test_a_creation_row_holds_no_outcome_and_no_name(name: str) -> None:
    """Each field of a ticket is either known at creation, or leaves the creation row as it is."""
    known = {
        "ticket_id", "task_id", "task_type", "priority", "risk_band", "sla", "created_at", "qos", "dependencies",
        "parameters", "required_capabilities", "security_level", "estimated_duration_ms",
    }  # fmt: skip
    assert (name in known) + (name in OUTCOME) + (name in NAMING) == 1, f"say what {name} is"
    if name in known:
        return
    plain = ticket()
    changed = replace(plain, **{name: (OUTCOME | NAMING)[name]})
    rows = [build_frame(columns_of([t]), BINDING, ("created",))[0].rows.tobytes() for t in (plain, changed)]
    assert rows[0] == rows[1]


def test_an_injection_leaves_no_mark_but_its_change() -> None:
    assert not [n for n in NAMES if any(word in n for word in ("label", "kind", "inject", "synthetic", "status"))]


@given(histories(most=40), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_parts_follow_each_other_and_hold_every_ticket_once(tickets: list[Ticket], least: int) -> None:
    columns = columns_of(tickets)
    try:
        split = split_by_time(columns, START_MS + 10**12, least)
    except NotEnoughData:
        assert len(tickets) < max(least, FEWEST) or len(set(columns.created_at_ms.tolist())) < len(tickets)
        return
    part = split.part(columns.created_at_ms)
    times = [columns.created_at_ms[part == p] for p in range(3)]
    assert all(len(t) for t in times)
    assert times[0].max() < split.validation_from_ms <= times[1].min()
    assert times[1].max() < split.holdout_from_ms <= times[2].min()


def test_run_times_are_labels_only_once_their_tickets_ended() -> None:
    columns = generated()
    until = int(columns.completed_at_ms.max()) + 1
    split = split_by_time(columns, until, 100)
    frame, _ = build_frame(columns, BINDING, ("created",))
    rows = duration_rows(columns, frame, split)
    assert rows.ended_at_ms[rows.fit].max() < split.validation_from_ms
    assert rows.ended_at_ms[rows.validation].max() < split.holdout_from_ms
    assert not (rows.fit & rows.validation).any()
    assert not ((rows.fit | rows.validation) & rows.holdout).any()


@pytest.mark.parametrize("seed", range(4))
def test_rows_that_judge_are_in_the_part_in_which_they_were_seen(seed: int) -> None:
    columns = generated(seed=seed)
    until = int(columns.created_at_ms.max()) + 1
    split = split_by_time(columns, until, 100)
    judged = judged_rows(as_of(columns, until), BINDING, split, seed, share=0.1)
    limits = (split.validation_from_ms - 1, split.holdout_from_ms - 1, until)
    for part, limit in enumerate(limits):
        mine = judged.part == part
        assert mine.any()
        assert judged.frame.at_ms[mine].max() <= limit
        assert np.array_equal(split.part(judged.created_at_ms[mine]), np.full(mine.sum(), part))
    assert not judged.label[judged.part == 0].any(), "what is learned as normal holds no injection"
    early = judged.created_at_ms < split.validation_from_ms
    assert not judged.label[early].any(), "an injection may not move a ticket into an earlier window"


def test_injections_change_no_row_before_them() -> None:
    columns = generated()
    since = int(np.quantile(columns.created_at_ms, 0.75))
    injected = inject(columns, columns.created_at_ms >= since, 0.2, np.random.default_rng(1))
    before = {}
    for some in (columns, injected.columns):
        frame, _ = build_frame(some, BINDING)
        early = frame.at_ms < since
        ids = some.ticket_id[frame.ticket[early]]
        before[len(before)] = {
            (i, s): r.tobytes() for i, s, r in zip(ids, frame.stage[early], frame.rows[early], strict=True)
        }
    assert before[0] == before[1]


def with_another_holdout(columns: TicketColumns, from_ms: int) -> TicketColumns:
    """Everything about the run of the hold-out's tickets is different."""
    mine = columns.created_at_ms >= from_ms
    return replace(
        columns,
        actual_duration_ms=np.where(mine, columns.actual_duration_ms * 7 + 13, columns.actual_duration_ms),
        completed_at_ms=np.where(mine, columns.completed_at_ms + 5_000, columns.completed_at_ms),
        retry_count=np.where(mine, columns.retry_count + 3, columns.retry_count),
        error=columns.error | mine,
        estimated_duration_ms=np.where(mine, 1, columns.estimated_duration_ms),
    )


def test_the_duration_model_has_not_seen_its_holdout() -> None:
    columns = generated()
    asked = request("scheduling", columns)
    split = split_by_time(columns, asked.as_of_ms, 500)
    one = duration_candidate()
    other = train_duration(with_another_holdout(columns, split.holdout_from_ms), asked)
    assert one.model.arrays.keys() == other.model.arrays.keys()
    assert all(np.array_equal(one.model.arrays[k], other.model.arrays[k]) for k in one.model.arrays)
    assert one.evaluation.metric("mae").value != other.evaluation.metric("mae").value


def test_the_detector_and_its_thresholds_have_not_seen_their_holdout() -> None:
    columns = generated()
    asked = request("anomaly", columns)
    split = split_by_time(columns, asked.as_of_ms, 500)
    one = anomaly_candidate()
    other = train_anomaly(with_another_holdout(columns, split.holdout_from_ms), asked)
    assert one.model.policy == other.model.policy
    assert all(np.array_equal(one.model.arrays[k], other.model.arrays[k]) for k in one.model.arrays)
    assert one.cases.score is not None
    assert not np.array_equal(one.cases.score, other.cases.score)
