"""Seeded synthetic tickets of any number, streamed: for load tests and benchmarks, never for a promoted model.

Every ticket says so itself (``metadata.synthetic = "true"``). What is generated
    arrivals    Poisson, hour by hour, with a working day, a quiet night and a quiet weekend
    tasks       recurring, few of them frequent (Zipf), each with its owner, type, median duration and failure rate
    durations   log-normal around the task's median with a Pareto tail, longer when the hour is busy
    incidents   hours-long stretches in which everything takes longer and fails more
    drift       on demand: from a moment on, durations are scaled and the mix of tasks turns over

Each hour has its own random stream of (seed, hour): a window can be generated alone, and the same plan gives the
same bytes on every machine with this NumPy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS, MINUTE_MS
from neural_hive_ml.tickets.ticket import TASK_TYPES, Priority, Qos, RiskBand, Sla, TaskType, Ticket

_QOS = Qos()
_CAPABILITIES = ("code_generation", "deployment", "testing", "validation")
_PRIORITIES: tuple[Priority, ...] = ("LOW", "NORMAL", "HIGH", "CRITICAL")
_RISKS: tuple[RiskBand, ...] = ("low", "medium", "high", "critical")
_GENERATED_TYPES: tuple[TaskType, ...] = TASK_TYPES
# Share of a day's mean rate at each hour UTC; a working day with a lunch break.
_HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 17, 13, 16, 18, 18, 16, 13, 10, 8, 6, 5, 4, 3], dtype=float)
_DAYS = np.array([1.1, 1.15, 1.15, 1.1, 1.0, 0.45, 0.35])
_INCIDENT_SLOWNESS, _INCIDENT_FAILURES = 3.0, 6.0
_LONGEST_MS = 30 * 24 * HOUR_MS
_WEEK_HOURS = 168
# 1970-01-01 was a Thursday.
_EPOCH_WEEKDAY = 3

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GeneratorPlan:
    """What to generate.

    Parameters
    ----------
    seed
        The same seed gives the same tickets.
    start_ms
        UTC epoch milliseconds of the first hour (rounded down to one).
    per_hour
        Mean arrivals an hour.
    tasks, owners
        How many recurring tasks and owners there are.
    incidents_per_week
        Mean number of incidents a week, each of one to six hours.
    drift_at_ms, drift_factor
        From `drift_at_ms` on durations are multiplied and the mix of tasks turns over; None: no drift.
    """

    seed: int
    start_ms: int
    per_hour: float = 400.0
    tasks: int = 200
    owners: int = 40
    incidents_per_week: float = 1.0
    drift_at_ms: int | None = None
    drift_factor: float = 1.6

    @cached_property
    def _task(self) -> "_Tasks":
        return _tasks(np.random.default_rng([self.seed, 0]), self.tasks, self.owners)

    def incident_hours(self, week: int) -> frozenset[int]:
        """Return the hours (since the epoch) of a week (since the epoch) that lie in an incident."""
        rng = np.random.default_rng([self.seed, 1, week & 0xFFFFFFFF])
        starts = rng.integers(0, _WEEK_HOURS, rng.poisson(self.incidents_per_week))
        lengths = rng.integers(1, 7, len(starts))
        first = week * _WEEK_HOURS
        return frozenset(
            first + start + hour
            for start, n in zip(starts.tolist(), lengths.tolist(), strict=True)
            for hour in range(n)
        )


def generate(plan: GeneratorPlan) -> Iterator[Ticket]:
    """Yield tickets without end, in the order of their creation; memory does not grow.

    >>> from itertools import islice
    >>> first, again = (list(islice(generate(GeneratorPlan(seed=7, start_ms=0)), 3)) for _ in range(2))
    >>> first == again, first[0].synthetic
    (True, True)
    """
    first_hour = plan.start_ms // HOUR_MS
    for hour in count(first_hour):
        yield from _hour(plan, hour)


@dataclass(frozen=True, slots=True)
class _Tasks:
    """Properties of each recurring task, all of one length."""

    share: Floats
    name: list[str]
    owner: list[str]
    kind: list[TaskType]
    capabilities: list[tuple[str, ...]]
    risk: list[RiskBand]
    median_ms: Floats
    spread: Floats
    failure: Floats


def _tasks(rng: np.random.Generator, tasks: int, owners: int) -> _Tasks:
    share = 1.0 / np.arange(1, tasks + 1) ** 1.1
    kinds = rng.integers(0, len(_GENERATED_TYPES), tasks)
    risks = rng.choice(len(_RISKS), tasks, p=[0.4, 0.35, 0.2, 0.05])
    width = rng.integers(1, len(_CAPABILITIES) + 1, tasks)
    return _Tasks(
        share=share / share.sum(),
        name=[f"{_GENERATED_TYPES[kind].lower()}-{number:04}" for number, kind in enumerate(kinds)],
        owner=[f"team-{number:02}" for number in rng.integers(0, owners, tasks)],
        kind=[_GENERATED_TYPES[kind] for kind in kinds],
        capabilities=[_CAPABILITIES[:n] for n in width],
        risk=[_RISKS[risk] for risk in risks],
        median_ms=np.exp(rng.normal(np.log(40_000.0), 1.2, tasks)),
        spread=rng.uniform(0.15, 0.6, tasks),
        failure=rng.beta(1.0, 40.0, tasks),
    )


def _rate(plan: GeneratorPlan, hour: int) -> float:
    weekday = (hour // 24 + _EPOCH_WEEKDAY) % 7
    return float(plan.per_hour * _HOURS[hour % 24] / _HOURS.mean() * _DAYS[weekday] / _DAYS.mean())


def _hour(plan: GeneratorPlan, hour: int) -> Iterator[Ticket]:
    """Generate one hour (since the epoch)."""
    rng = np.random.default_rng([plan.seed, 2, hour])
    rate = _rate(plan, hour)
    n = int(rng.poisson(rate))
    task = plan._task
    week = hour // _WEEK_HOURS
    incident = hour in plan.incident_hours(week) or hour in plan.incident_hours(week - 1)
    drifted = plan.drift_at_ms is not None and hour * HOUR_MS >= plan.drift_at_ms
    share = task.share[::-1] if drifted else task.share
    created = np.sort(rng.integers(hour * HOUR_MS, (hour + 1) * HOUR_MS, n))
    which = rng.choice(len(share), n, p=share)
    slowness = (_INCIDENT_SLOWNESS if incident else 1.0) * (plan.drift_factor if drifted else 1.0)
    slowness *= 1.0 + 0.1 * rate / plan.per_hour
    duration = task.median_ms[which] * np.exp(rng.normal(0.0, 1.0, n) * task.spread[which]) * slowness
    heavy = rng.random(n) < 0.01
    duration[heavy] *= 1.0 + rng.pareto(1.5, int(heavy.sum()))
    duration_ms = np.clip(duration, 50.0, _LONGEST_MS).astype(np.int64)
    wait_ms = rng.exponential(500.0 * slowness, n).astype(np.int64)
    failed = rng.random(n) < np.minimum(task.failure[which] * (_INCIDENT_FAILURES if incident else 1.0), 0.9)
    retries = np.where(failed, rng.integers(0, 4, n), rng.poisson(0.03, n))
    size = rng.lognormal(3.0, 1.0, n).astype(np.int64)
    priority = rng.choice(len(_PRIORITIES), n, p=[0.15, 0.6, 0.2, 0.05])
    ids = rng.bytes(16 * n).hex()
    columns = (created, which, duration_ms, wait_ms, failed, retries, size, priority)
    for i, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        yield _ticket(task, ids[32 * i : 32 * i + 32], *row)


def _ticket(
    task: _Tasks,
    name: str,
    created_at: int,
    which: int,
    duration_ms: int,
    wait_ms: int,
    failed: bool,
    retries: int,
    size: int,
    priority: int,
) -> Ticket:
    # People estimate in round minutes.
    estimate = max(MINUTE_MS, round(task.median_ms[which] / MINUTE_MS) * MINUTE_MS)
    return Ticket(
        ticket_id=f"{name[:8]}-{name[8:12]}-4{name[13:16]}-a{name[17:20]}-{name[20:]}",
        plan_id=f"plan-{name[:8]}",
        intent_id=f"intent-{which}",
        decision_id=f"decision-{name[:8]}",
        task_id=task.name[which],
        task_type=task.kind[which],
        status="FAILED" if failed else "COMPLETED",
        priority=_PRIORITIES[priority],
        risk_band=task.risk[which],
        sla=Sla(created_at + 4 * HOUR_MS, max(MINUTE_MS, 3 * estimate), 3),
        created_at=created_at,
        qos=_QOS,
        parameters={"items": str(size)},
        required_capabilities=task.capabilities[which],
        started_at=created_at + wait_ms,
        completed_at=created_at + wait_ms + duration_ms,
        estimated_duration_ms=estimate,
        actual_duration_ms=duration_ms,
        retry_count=retries,
        error_message="generated failure" if failed else None,
        metadata={"owner": task.owner[which], "source": "generator", "synthetic": "true"},
    )
