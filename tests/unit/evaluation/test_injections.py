"""Named anomalies put into tickets: seeded, labelled, as many as asked for, the tickets given untouched."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.histories import histories
from tests.support.tickets import flights
from tests.support.trained import generated

from neural_hive_ml.clock import DAY_MS, HOUR_MS, MINUTE_MS
from neural_hive_ml.evaluation.injections import LEAST_RUN_MS, Injected, inject, magnitudes
from neural_hive_ml.tickets.columns import TicketColumns, columns_of, digest_of
from neural_hive_ml.tickets.ticket import Ticket

KINDS = tuple(magnitudes())
ALTERING = tuple(k for k in KINDS if k != "owner_burst")


def done(
    columns: TicketColumns, rate: float = 0.1, seed: int = 1, kinds: tuple[str, ...] | None = None
) -> Injected:
    return inject(columns, np.ones(len(columns), dtype=bool), rate, np.random.default_rng(seed), kinds)


def pairs(columns: TicketColumns, injected: Injected) -> list[tuple[int, int, str]]:
    """Place before, place after and kind of each ticket that was there before."""
    before = {name: i for i, name in enumerate(columns.ticket_id)}
    return [(before[n], j, injected.kind[j]) for j, n in enumerate(injected.columns.ticket_id) if n in before]


def differs(before: TicketColumns, i: int, after: TicketColumns, j: int) -> set[str]:
    return {
        f.name for f in fields(before) if not np.array_equal(getattr(before, f.name)[i], getattr(after, f.name)[j])
    }


def test_the_seed_decides() -> None:
    one, again, other = (done(generated(600), seed=s) for s in (1, 1, 2))
    assert digest_of(one.columns) == digest_of(again.columns)
    assert np.array_equal(one.kind, again.kind)
    assert digest_of(one.columns) != digest_of(other.columns)


def test_the_tickets_given_are_not_changed() -> None:
    columns = generated(600)
    before, parameters = digest_of(columns), [dict(p) for p in columns.parameters]
    done(columns, 0.5)
    assert digest_of(columns) == before
    assert [dict(p) for p in columns.parameters] == parameters


def test_there_are_as_many_as_asked_for_of_every_kind() -> None:
    columns = generated()
    injected = done(columns, 0.09)
    wanted = round(0.09 * len(columns) / len(KINDS))
    counts = {kind: int((injected.kind == kind).sum()) for kind in KINDS}
    assert {k: n for k, n in counts.items() if k != "owner_burst"} == dict.fromkeys(ALTERING, wanted)
    assert 20 <= counts["owner_burst"] <= 40
    assert len(injected.columns) == len(columns) + counts["owner_burst"]
    assert int(injected.label.sum()) == sum(counts.values())
    assert done(columns, 0.0).label.sum() >= len(ALTERING), "at least one of each kind"


def test_what_is_labelled_differs_and_nothing_else_does() -> None:
    columns = columns_of(flights(900))
    injected = done(columns, 0.5, seed=4)
    for i, j, kind in pairs(columns, injected):
        changed = differs(columns, i, injected.columns, j)
        assert bool(changed) == (kind != ""), (kind, changed)


CHANGES = {
    "stuck": {"actual_duration_ms", "completed_at_ms"},
    "runaway": {"actual_duration_ms", "completed_at_ms"},
    "too_fast": {"actual_duration_ms", "completed_at_ms"},
    "retry_storm": {"retry_count"},
    "wrong_capability": {"capabilities"},
    "resource_mismatch": {"parameters", "risk_band"},
    "unusual_hour": {"created_at_ms", "started_at_ms", "completed_at_ms", "sla_deadline_ms"},
    "silent_failure": {"actual_duration_ms", "completed_at_ms", "error"},
}


@pytest.mark.parametrize("kind", ALTERING)
def test_each_kind_changes_what_its_name_says_within_its_magnitude(kind: str) -> None:
    columns = replace(generated(900), retry_count=np.full(900, 30))
    low, high = magnitudes()[kind]
    injected = done(columns, 0.2, kinds=(kind,))
    touched = [(i, j) for i, j, k in pairs(columns, injected) if k]
    after = injected.columns
    assert len(touched) == 180
    for i, j in touched:
        assert differs(columns, i, after, j) == CHANGES[kind]
        factor = after.actual_duration_ms[j] / columns.actual_duration_ms[i]
        if "actual_duration_ms" in CHANGES[kind]:
            assert low * 0.9 <= factor <= high
            assert after.completed_at_ms[j] == after.started_at_ms[j] + after.actual_duration_ms[j]
        if kind == "retry_storm":
            assert 30 + low <= after.retry_count[j] <= 30 + high
        if kind == "resource_mismatch":
            items = float(columns.parameters[i]["items"])
            assert low * items * 0.99 <= float(after.parameters[j]["items"]) <= high * items * 1.01
        if kind == "wrong_capability":
            assert set(after.capabilities[j]) != set(columns.capabilities[i])
        if kind == "unusual_hour":
            moved = after.created_at_ms[j] - columns.created_at_ms[i]
            assert moved % HOUR_MS == 0
            assert -DAY_MS < moved < DAY_MS
            assert moved != 0


def test_an_unusual_hour_is_one_at_which_the_owner_hardly_works() -> None:
    columns = generated()
    injected = done(columns, 0.05, kinds=("unusual_hour",))
    for i, j, kind in pairs(columns, injected):
        if kind:
            mine = columns.owner == columns.owner[i]
            hours = np.bincount(columns.created_at_ms[mine] // HOUR_MS % 24, minlength=24)
            there = injected.columns.created_at_ms[j] // HOUR_MS % 24
            assert hours[there] <= np.quantile(hours, 0.2)


def test_a_burst_is_many_copies_of_one_ticket_within_ten_minutes() -> None:
    columns = generated(900)
    injected = done(columns, 0.3, kinds=("owner_burst",))
    copies = injected.columns.take(injected.label)
    origin = np.array([name.partition("#")[0] for name in copies.ticket_id])
    assert set(injected.kind) == {"", "owner_burst"}
    assert len(set(origin)) == round(0.3 * 900 / 30)
    assert len(set(copies.ticket_id)) == len(copies)
    for name in set(origin):
        (i,) = np.flatnonzero(columns.ticket_id == name)
        some = copies.take(origin == name)
        assert 20 <= len(some) <= 40
        late = some.created_at_ms - columns.created_at_ms[i]
        assert ((late > 0) & (late < 10 * MINUTE_MS)).all()
        assert (some.owner == columns.owner[i]).all()
        assert (some.completed_at_ms == some.started_at_ms + some.actual_duration_ms).all()
        assert some.actual_duration_ms / columns.actual_duration_ms[i] == pytest.approx(1.0, abs=0.11)


def test_only_where_asked_and_never_twice() -> None:
    columns = generated(900)
    where = np.arange(900) >= 600
    injected = inject(columns, where, 0.9, np.random.default_rng(3))
    since = columns.created_at_ms[where].min()
    for i, j, kind in pairs(columns, injected):
        assert where[i] or not kind
        assert not kind or injected.columns.created_at_ms[j] >= since
    assert (injected.columns.created_at_ms[injected.label] >= since).all()


@given(histories(), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_any_tickets_can_be_asked(tickets: list[Ticket], rate: float, seed: int) -> None:
    """Whatever is there: only completed tickets with a run time change, the order is that of a store."""
    columns = columns_of(tickets)
    injected = done(columns, rate, seed)
    after = injected.columns
    assert len(injected.kind) == len(after)
    order = list(zip(after.created_at_ms.tolist(), after.ticket_id.tolist(), strict=True))
    assert order == sorted(order)
    for i, j, kind in pairs(columns, injected):
        assert bool(differs(columns, i, after, j)) == (kind != "")
        assert not kind or (tickets[i].status == "COMPLETED" and columns.actual_duration_ms[i] >= LEAST_RUN_MS)
