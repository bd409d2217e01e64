"""One definition of a feature row: bulk, definition and one-by-one, compiled or not, give the same bits."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.histories import START_MS, TIMEZONES, histories, moments_of
from tests.support.kernels import BOTH
from tests.support.memory import assert_same_memory
from tests.support.tickets import flights, ticket
from tests.support.trained import generated_tickets

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.compiled import COMPILED
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import STAGES, FeatureFrame, RunningMoments, build_frame
from neural_hive_ml.features.row import feature_row, feature_rows, learn
from neural_hive_ml.features.spec import COLUMN_COUNT, CREATION_COUNT, FEATURES, NAMES
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.lifecycle import LifecycleEvent, events_of, order_of
from neural_hive_ml.tickets.ticket import Ticket

Floats = npt.NDArray[np.float64]
Key = tuple[str, int, int]
BINDING = FeatureBinding(("items", "weight", "size"))
STAGE_NAMES = {code: name for name, code in STAGES.items()}


def test_the_kernel_is_compiled_here() -> None:
    assert COMPILED, "the development machine has a compiler; without the kernel half of these laws says nothing"


def bits(rows: Floats) -> npt.NDArray[np.int64]:
    """The very bits, so that -0.0 and 0.0 differ and NaN equals itself."""
    return np.ascontiguousarray(rows).view(np.int64)


def by_key(frame: FeatureFrame, tickets: list[Ticket]) -> dict[Key, bytes]:
    out = {}
    for row, at_ms, who, stage in zip(frame.rows, frame.at_ms, frame.ticket, frame.stage, strict=True):
        key = (tickets[who].ticket_id, int(stage), int(at_ms))
        assert key not in out
        out[key] = row.tobytes()
    return out


def one_by_one(
    tickets: list[Ticket], binding: FeatureBinding, looks: list[tuple[Ticket, int]], *, compiled: bool
) -> tuple[dict[Key, bytes], Statistics]:
    """What a service does: each event when it happens, a row just before it is learned."""
    statistics = Statistics()
    rows: dict[Key, bytes] = {}

    def row(t: Ticket, stage: str, at_ms: int) -> None:
        made = feature_row(t, stage, at_ms, statistics, binding, compiled=compiled)  # type: ignore[arg-type]
        rows[t.ticket_id, STAGES[stage], at_ms] = made.tobytes()  # type: ignore[index]

    # A look at a running ticket comes after what earlier tickets did at that moment, before what is created then.
    steps: list[tuple[tuple[int, int, str], LifecycleEvent | None, Ticket, int]] = []
    for t in tickets:
        steps += [(order_of(e), e, t, e.at_ms) for e in events_of(t)]
    steps += [((at_ms, 2, t.ticket_id), None, t, at_ms) for t, at_ms in looks]
    for _, event, t, at_ms in sorted(steps, key=lambda s: s[0]):
        if event is None:
            row(t, "running", at_ms)
            continue
        if event.kind != "started":
            row(t, event.kind, at_ms)
        learn(event, statistics, binding, compiled=compiled)
    return rows, statistics


@st.composite
def looked_at(draw: st.DrawFn) -> tuple[list[Ticket], list[tuple[Ticket, int]]]:
    """A history and looks at its tickets while they are open, ties with other events included."""
    tickets = draw(histories())
    looks = []
    moments = sorted(set(moments_of(tickets)))
    for t in tickets:
        at_ms = draw(st.sampled_from(moments) | st.integers(0, HOUR_MS).map(lambda x: START_MS + x))
        if draw(st.booleans()):
            looks.append((t, at_ms))
    return tickets, looks


@given(looked_at(), st.sampled_from(TIMEZONES))
@settings(max_examples=120, deadline=None)
def test_bulk_definition_and_one_by_one_agree_to_the_last_bit(
    drawn: tuple[list[Ticket], list[tuple[Ticket, int]]], timezone: str
) -> None:
    tickets, looks = drawn
    binding = replace(BINDING, timezone=timezone)
    columns = columns_of(tickets)
    running = RunningMoments(
        np.array([tickets.index(t) for t, _ in looks], dtype=np.intp),
        np.array([m for _, m in looks], dtype=np.int64),
    )
    bulk, memory = build_frame(columns, binding, running=running)
    plain, plain_memory = build_frame(columns, binding, running=running, compiled=False)
    assert np.array_equal(bits(bulk.rows), bits(plain.rows))
    assert_same_memory(memory, plain_memory)
    for compiled in {COMPILED, False}:
        rows, statistics = one_by_one(tickets, binding, looks, compiled=compiled)
        assert rows == by_key(bulk, tickets)
        assert_same_memory(memory, statistics)


@given(histories(), st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_input_does_not_matter(tickets: list[Ticket], random: "st.RandomType") -> None:
    shuffled = tickets.copy()
    random.shuffle(shuffled)
    one, memory = build_frame(columns_of(tickets), BINDING)
    other, other_memory = build_frame(columns_of(shuffled), BINDING)
    assert by_key(one, tickets) == by_key(other, shuffled)
    assert_same_memory(memory, other_memory)


def test_ties_are_told_apart_by_whole_ids() -> None:
    tickets = [ticket("a"), ticket("a\0"), ticket("a\0\0")]
    rows = [by_key(build_frame(columns_of(some), BINDING)[0], some) for some in (tickets, tickets[::-1])]
    assert rows[0] == rows[1]


@given(looked_at())
@settings(max_examples=60, deadline=None)
def test_no_feature_is_nan_or_leaves_its_range(drawn: tuple[list[Ticket], list[tuple[Ticket, int]]]) -> None:
    tickets, looks = drawn
    running = RunningMoments(
        np.array([tickets.index(t) for t, _ in looks], dtype=np.intp),
        np.array([m for _, m in looks], dtype=np.int64),
    )
    frame, _ = build_frame(columns_of(tickets), BINDING, running=running)
    low, high = np.array([f.low for f in FEATURES]), np.array([f.high for f in FEATURES])
    outside = ~((frame.rows >= low) & (frame.rows <= high))
    assert [NAMES[j] for j in np.flatnonzero(outside.any(axis=0))] == []
    created = frame.rows[frame.stage == STAGES["created"]]
    assert not created[:, CREATION_COUNT:].any()


@given(histories(), st.integers(0, 40 * 24 * HOUR_MS))
@settings(max_examples=40, deadline=None)
def test_a_replay_may_stop_and_go_on(tickets: list[Ticket], after: int) -> None:
    """Statistics saved at any moment between two events continue as if nothing had been."""
    cut = START_MS + after
    events = sorted((e for t in tickets for e in events_of(t)), key=order_of)
    whole, first = Statistics(), Statistics()
    for event in events:
        learn(event, whole, BINDING)
    for event in events:
        if event.at_ms <= cut:
            learn(event, first, BINDING)
    second = Statistics.restore(first.snapshot())
    for event in events:
        if event.at_ms > cut:
            learn(event, second, BINDING)
    assert_same_memory(whole, second)


@BOTH
@pytest.mark.parametrize("tickets", [flights(600), list(generated_tickets())], ids=["flights", "generated"])
def test_a_long_history_agrees(tickets: list[Ticket], compiled: bool) -> None:
    """Rings fill, weights reach their floors, tables grow."""
    binding = FeatureBinding(("distance", "items"), "America/New_York")
    bulk, memory = build_frame(columns_of(tickets), binding)
    rows, statistics = one_by_one(tickets, binding, [], compiled=compiled)
    assert rows == by_key(bulk, tickets)
    assert_same_memory(memory, statistics)


def test_many_rows_are_the_rows_one_by_one() -> None:
    tickets = flights(300)
    _, memory = build_frame(columns_of(tickets[:200]), BINDING)
    stages = [STAGE_NAMES[i % 3] for i in range(100)]
    moments = [t.created_at + 40 * 60_000 for t in tickets[200:]]
    together = feature_rows(tickets[200:], stages, moments, memory, BINDING)
    alone = [feature_row(t, s, m, memory, BINDING) for t, s, m in zip(tickets[200:], stages, moments, strict=True)]
    assert np.array_equal(bits(together), bits(np.array(alone)))
    assert feature_rows([], [], [], memory, BINDING).shape == (0, COLUMN_COUNT)


@given(st.permutations(["items", "weight", "size", "share", "x"]))
@settings(max_examples=60, deadline=None)
def test_the_order_of_parameters_does_not_matter(names: list[str]) -> None:
    """A store that keeps keys sorted and a client that does not must see one row: sums may not hang on the order."""
    values = {"items": "9.4", "weight": "2.8", "size": "83.6", "share": "43.3", "x": "west"}
    plain = ticket(parameters=values)
    mixed = ticket(parameters={name: values[name] for name in names})
    statistics = Statistics()
    for event in events_of(plain):
        learn(event, statistics, BINDING)
    rows = [feature_row(t, "ended", t.completed_at or 0, statistics, BINDING) for t in (plain, mixed)]
    assert np.array_equal(bits(rows[0]), bits(rows[1]))


@BOTH
def test_a_ticket_that_says_it_starts_later_than_the_reader_s_clock_has_a_row(compiled: bool) -> None:
    """Clocks differ: a running ticket may come from a machine that is ahead."""
    ahead = ticket(status="RUNNING", completed_at=None, actual_duration_ms=None)
    row = feature_row(ahead, "running", ahead.created_at - 5_000, Statistics(), BINDING, compiled=compiled)
    assert np.isfinite(row).all()
    assert row[NAMES.index("log_wait")] == 0.0
    frame, _ = build_frame(
        columns_of([ahead]),
        BINDING,
        (),
        running=RunningMoments(np.array([0]), np.array([ahead.created_at - 5_000])),
        compiled=compiled,
    )
    assert np.array_equal(bits(frame.rows[0]), bits(row))


def test_what_is_not_learned_leaves_no_trace() -> None:
    tickets = flights(60)
    columns = columns_of(tickets)
    learned = np.arange(60) < 40
    _, alone = build_frame(columns.take(learned), BINDING)
    _, masked = build_frame(columns, BINDING, learn_from=learned)
    assert_same_memory(alone, masked)
