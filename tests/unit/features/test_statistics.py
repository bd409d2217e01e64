"""What is remembered, against plain NumPy and SciPy over the whole history, written anew from the words of the spec."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.support.histories import START_MS, histories
from tests.support.tickets import flights, ticket
from tests.support.trained import generated_tickets

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.features import layout as at
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.row import feature_row, learn
from neural_hive_ml.features.spec import NAMES
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.lifecycle import events_of, order_of
from neural_hive_ml.tickets.ticket import FAILED_STATUSES, Ticket

Floats = npt.NDArray[np.float64]
BINDING = FeatureBinding()


@dataclass
class Scope:
    """Everything that ever happened to the tickets of one key, kept whole."""

    created: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    ends: list[tuple[float, float]] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)


def weighted(values: list[float], floor: float) -> tuple[float, float]:
    """Mean and variance by explicit weights: equal while a history is short, then exponential with weight `floor`."""
    if not values:
        return 0.0, 0.0
    weight = np.zeros(len(values))
    for i in range(len(values)):
        mine = max(1.0 / (i + 1), floor)
        weight[:i] *= 1 - mine
        weight[i] = mine
    assert weight.sum() == pytest.approx(1.0)
    mean = float(np.average(values, weights=weight))
    return mean, float(np.average((np.array(values) - mean) ** 2, weights=weight))


def replayed(tickets: list[Ticket]) -> tuple[Statistics, dict[str, Scope]]:
    statistics, scopes = Statistics(), {}
    for event in sorted((e for t in tickets for e in events_of(t)), key=order_of):
        learn(event, statistics, BINDING)
        t, scope = event.ticket, scopes.setdefault(event.ticket.task_id, Scope())
        if event.kind == "created":
            scope.created.append(event.at_ms)
        elif event.kind == "started":
            scope.waits.append(np.log1p(event.at_ms - t.created_at))
        else:
            failed = t.status in FAILED_STATUSES
            scope.ends.append((float(failed), float(t.retry_count)))
            span = None if t.started_at is None else event.at_ms - t.started_at
            took = t.actual_duration_ms if t.actual_duration_ms is not None else span
            if not failed and took is not None:
                scope.durations.append(np.log1p(took))
    return statistics, scopes


def record_of(statistics: Statistics, task: str) -> Floats:
    return np.asarray(statistics.tables.full[statistics.slots[0][task]])


def assert_remembers(r: Floats, scope: Scope) -> None:
    durations, failed = scope.durations, [f for f, _ in scope.ends]
    assert (r[at.N_CREATED], r[at.N_WAITS], r[at.N_ENDED], r[at.N_SUCCESS]) == (
        len(scope.created), len(scope.waits), len(scope.ends), len(durations),
    )  # fmt: skip
    assert r[at.FAST] == pytest.approx(weighted(durations, 0.3)[0])
    assert (r[at.SLOW], r[at.VARIANCE]) == pytest.approx(weighted(durations, 0.05), abs=1e-9)
    assert r[at.FAILURES] == pytest.approx(weighted(failed, 0.05)[0])
    assert r[at.RETRIES] == pytest.approx(weighted([n for _, n in scope.ends], 0.05)[0])
    assert r[at.WAIT] == pytest.approx(weighted(scope.waits, 0.05)[0])
    gaps = np.log1p(np.diff(scope.created) / 1000.0).tolist()
    assert (r[at.N_GAPS], r[at.GAP]) == (len(gaps), pytest.approx(weighted(gaps, 0.05)[0]))
    if durations:
        assert r[at.LAST] == pytest.approx(durations[-1])
        assert r[at.LAST_TWO] == pytest.approx(np.log1p(np.mean(np.expm1(durations[-2:]))))
        ring = np.sort(r[at.SLIM_WIDTH : at.SLIM_WIDTH + min(len(durations), at.RING)])
        assert ring == pytest.approx(np.sort(durations[-at.RING :]))
    if scope.created:
        age = scope.created[-1] - np.array(scope.created)
        assert r[at.RATE_1H] == pytest.approx(np.exp2(-age / HOUR_MS).sum())
        assert r[at.RATE_24H] == pytest.approx(np.exp2(-age / DAY_MS).sum())
        assert r[at.CREATED_AT] == scope.created[-1]


@given(histories(most=30))
@settings(max_examples=80, deadline=None)
def test_a_task_is_remembered_as_its_whole_history_says(tickets: list[Ticket]) -> None:
    statistics, scopes = replayed(tickets)
    for task, scope in scopes.items():
        if task:
            assert_remembers(record_of(statistics, task), scope)
    assert statistics.sequence == sum(len(list(events_of(t))) for t in tickets)
    assert not statistics.tables.full[0].any(), "row 0 is nobody's"


def test_a_long_history_forgets_as_it_says() -> None:
    statistics, scopes = replayed(list(generated_tickets()))
    longest = max(scopes, key=lambda task: len(scopes[task].durations))
    assert len(scopes[longest].durations) > at.RING
    for task, scope in scopes.items():
        assert_remembers(record_of(statistics, task), scope)


@given(histories(most=30))
@settings(max_examples=80, deadline=None)
def test_what_runs_and_waits_is_counted_as_it_is(tickets: list[Ticket]) -> None:
    """Whatever the order of starts and ends: who started and did not end runs, who did neither waits."""
    statistics, _ = replayed(tickets)
    everything = statistics.tables.slim[statistics.slots[7]["everything"]]
    over = [t for t in tickets if t.ended and t.completed_at is not None]
    begun = [t for t in tickets if t.started_at is not None]
    assert everything[at.RUNNING] == len([t for t in begun if t not in over])
    assert everything[at.QUEUED] == len(tickets) - len([t for t in tickets if t in begun or t in over])


def of(row: Floats, name: str) -> float:
    return float(row[NAMES.index(name)])


def history(durations_ms: list[int], **changes: object) -> list[Ticket]:
    """One task's tickets, an hour apart, each over before the next."""
    return [
        ticket(f"t-{i}", START_MS + i * HOUR_MS, actual_duration_ms=d, **changes)
        for i, d in enumerate(durations_ms)
    ]  # type: ignore[arg-type] - mixed fields


def row_after(tickets: list[Ticket], then: Ticket, stage: str = "created") -> Floats:
    _, memory = build_frame(columns_of(tickets), BINDING)
    at_ms = then.created_at if stage == "created" else then.completed_at
    return feature_row(then, stage, at_ms or 0, memory, BINDING)  # type: ignore[arg-type] - a stage


@given(st.lists(st.integers(1, 10**8), min_size=1, max_size=50))
@settings(max_examples=60, deadline=None)
def test_the_robust_location_and_spread_are_scipy_s(durations: list[int]) -> None:
    """Median and MAD of the last 32, the spread shrunk by four tickets' worth of the wider scope."""
    then = ticket("next", START_MS + 10**9)
    row = row_after(history(durations), then)
    logs = np.log1p(durations)
    last = logs[-at.RING :]
    assert of(row, "task_median") == pytest.approx(np.median(last))
    # One task of one type: type and everything have seen the same tickets.
    wider = [1.0]
    for _ in range(2):
        n = min(len(durations), 20)
        wider.append(np.sqrt((n * weighted(logs.tolist(), 0.05)[1] + 4 * wider[-1] ** 2) / (n + 4)))
    n = len(last)
    mad = stats.median_abs_deviation(last, scale=1 / 1.4826)
    assert of(row, "task_mad") == pytest.approx(np.sqrt((n * mad**2 + 4 * wider[-1] ** 2) / (n + 4)))


def test_how_strange_a_run_is_counts_robust_spreads() -> None:
    minute, long = 60_000, 600_000
    then = ticket("next", START_MS + 10**9, completed_at=START_MS + 10**9 + long, actual_duration_ms=long)
    row = row_after(history([minute] * 40), then, "ended")
    prior = np.sqrt(4 * 1.0 / (32 + 4))
    assert of(row, "z_task") == pytest.approx((np.log1p(long) - np.log1p(minute)) / prior)
    assert of(row, "to_estimate") == pytest.approx(np.log1p(long) - np.log1p(60_000))
    assert of(row, "to_sla") == pytest.approx(np.log1p(long) - np.log1p(180_000))
    assert of(row_after([], then, "ended"), "z_task") == 0.0


def test_failures_move_the_rate_and_nothing_else() -> None:
    good = history([60_000] * 10)
    bad = history([1] * 5, status="FAILED")
    bad = [
        ticket(f"bad-{i}", START_MS + (20 + i) * HOUR_MS, status="FAILED", actual_duration_ms=1) for i in range(5)
    ]
    then = ticket("next", START_MS + 10**9)
    before, after = row_after(good, then), row_after(good + bad, then)
    for name in ("task_median", "task_slow_mean", "task_last", "task_succeeded"):
        assert of(before, name) == of(after, name)
    assert of(after, "task_failure_rate") > of(before, "task_failure_rate") > 0


def test_who_was_never_seen_takes_after_the_wider_scope() -> None:
    then = ticket("next", START_MS + 10**9, task_id="new", metadata={"owner": "nobody-yet"})
    row = row_after(history([30_000] * 60), then)
    assert of(row, "task_created") == of(row, "owner_created") == 0.0
    for name in ("task_median", "owner_median", "owner_task_median", "same_fast_mean", "task_last_two"):
        assert of(row, name) == pytest.approx(np.log1p(30_000)), name
    # Nothing seen at all: a minute, give or take a factor of e, says the prior.
    first = row_after([], then)
    assert of(first, "task_median") == pytest.approx(np.log1p(60_000))
    assert of(first, "task_spread") == pytest.approx(1.0)
    assert of(first, "task_failure_rate") == pytest.approx(0.02)


def test_bursts_and_rates_decay() -> None:
    quiet = history([1_000] * 48)
    at_ms = START_MS + 48 * HOUR_MS
    crowd = [ticket(f"c-{i}", at_ms + i, actual_duration_ms=1) for i in range(50)]
    calm, busy = (row_after(some, ticket("next", at_ms + 60_000)) for some in (quiet, quiet + crowd))
    assert abs(of(calm, "task_burst")) < 0.5 < 2.0 < of(busy, "task_burst")
    day_later = row_after(quiet + crowd, ticket("next", at_ms + DAY_MS))
    assert of(day_later, "task_rate_1h") < 1e-4
    # Of the fifty and of an even stream of one an hour half is left after a day; the stream had 35 of them.
    ages = np.concatenate([np.arange(1, 49) * HOUR_MS + DAY_MS, DAY_MS - np.arange(50)])
    assert of(day_later, "task_rate_24h") == pytest.approx(np.log1p(np.exp2(-ages / DAY_MS).sum()))


def test_familiarity_is_the_smoothed_share() -> None:
    usual = history([1_000] * 30)
    odd = ticket("next", START_MS + 10**9, required_capabilities=("never", "seen"), risk_band="critical")
    row, plain = row_after(usual, odd), row_after(usual, ticket("next", START_MS + 10**9))
    for name in ("capabilities_familiar", "risk_familiar"):
        assert of(row, name) == pytest.approx(np.log(0.5 / 31))
        assert of(plain, name) == pytest.approx(np.log(30.5 / 31))
    order = ticket("next", START_MS + 10**9, required_capabilities=("validation", "deployment"))
    assert of(row_after(usual, order), "capabilities_familiar") == pytest.approx(np.log(30.5 / 31))


@given(histories(), histories())
@settings(max_examples=30, deadline=None)
def test_copies_do_not_touch_each_other(first: list[Ticket], second: list[Ticket]) -> None:
    _, memory = build_frame(columns_of(first), BINDING)
    before = {k: v.tobytes() for k, v in memory.snapshot().items()}
    build_frame(columns_of(second), BINDING, statistics=memory)
    copy = memory.copy()
    for t in second:
        for event in events_of(t):
            learn(event, copy, BINDING)
    assert {k: v.tobytes() for k, v in memory.snapshot().items()} == before


@given(histories())
@settings(max_examples=40, deadline=None)
def test_a_snapshot_restores_every_bit_and_key(tickets: list[Ticket]) -> None:
    _, memory = build_frame(columns_of(tickets), BINDING)
    once = memory.snapshot()
    twice = Statistics.restore(once).snapshot()
    assert once.keys() == twice.keys()
    assert all(once[k].tobytes() == twice[k].tobytes() for k in once)
    assert not any(a.dtype == object for a in once.values())


def test_a_snapshot_in_another_memory_order_still_serves() -> None:
    _, memory = build_frame(columns_of(flights(50)), BINDING)
    arrays = {k: np.asfortranarray(v) for k, v in memory.snapshot().items()}
    for event in events_of(ticket()):
        learn(event, Statistics.restore(arrays), BINDING)


@pytest.mark.parametrize(
    "damage",
    [
        lambda a: a.pop("full"),
        lambda a: a.pop("task.keys"),
        lambda a: a.update(version=np.frombuffer(b"0", dtype=np.uint8)),
        lambda a: a.update(moment=np.array([1])),
        lambda a: a.update({"task.slots": a["task.slots"][:-1]}),
        lambda a: a.update({"task.slots": a["task.slots"] + 1_000}),
        lambda a: a.update({"owner.slots": -a["owner.slots"]}),
        lambda a: a.update({"task.slots": a["task.slots"] * 0}),
        lambda a: a.update(full=a["full"][:, :-1]),
        lambda a: a.update(slim=a["slim"].ravel()),
        lambda a: a.update(hours=a["hours"][:, :12]),
        lambda a: a.update(pairs=np.hstack([a["pairs"], a["pairs"]])),
        lambda a: a.update(full=a["full"][:0]),
        lambda a: a.update(slim=a["slim"] + 1.0),
        lambda a: a.update(full=a["full"] * np.nan),
        lambda a: a.update({"task.keys": a["task.keys"][:-3] | 0x80}),
        # The kernel would read and write where these point.
        lambda a: a["full"].__setitem__((1, at.RING_AT), 10.0**9),
        lambda a: a["full"].__setitem__((1, at.RING_AT), -1.0),
        lambda a: a["full"].__setitem__((1, at.N_SUCCESS), -5.0),
        lambda a: a["pairs"].__setitem__((1, 0), -5.0),
    ],
)
def test_a_damaged_snapshot_is_refused(damage: object) -> None:
    _, memory = build_frame(columns_of(flights(50)), BINDING)
    arrays = memory.snapshot()
    damage(arrays)  # type: ignore[operator] - one of the lambdas above
    with pytest.raises(ArtifactRefused):
        Statistics.restore(arrays)


def test_tables_grow_with_what_is_seen() -> None:
    """A thousand tasks of a thousand owners: none shares a record with another."""
    many = [
        ticket(f"t-{i}", START_MS + i, task_id=f"task-{i}", metadata={"owner": f"owner-{i}"}, actual_duration_ms=i)
        for i in range(1_000)
    ]
    _, memory = build_frame(columns_of(many), BINDING)
    for i in (0, 63, 64, 500, 999):
        assert record_of(memory, f"task-{i}")[at.LAST] == pytest.approx(np.log1p(i))
