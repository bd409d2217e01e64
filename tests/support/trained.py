"""Small real models, trained once a session in a few seconds."""

from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any

import numpy as np

from neural_hive_ml.clock import DAY_MS, WEEK_MS
from neural_hive_ml.tickets.columns import TicketColumns, columns_of
from neural_hive_ml.tickets.generator import GeneratorPlan, generate
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.anomaly import train_anomaly
from neural_hive_ml.training.duration import train_duration
from neural_hive_ml.training.load import train_load
from neural_hive_ml.training.request import Candidate, TrainingRequest

MONDAY_MS = 4 * DAY_MS + 2800 * WEEK_MS
NEW_YEAR_2013_MS = 15_706 * DAY_MS


@cache
def generated_tickets(count: int = 1_600, seed: int = 5) -> tuple[Ticket, ...]:
    """Generated tickets of twelve tasks and four owners, about eleven days of them."""
    plan = GeneratorPlan(seed=seed, start_ms=MONDAY_MS, per_hour=6.0, tasks=12, owners=4)
    return tuple(islice(generate(plan), count))


def generated(count: int = 1_600, seed: int = 5) -> TicketColumns:
    """The same as columns."""
    return columns_of(generated_tickets(count, seed))


def request(family: str, columns: TicketColumns, **changes: Any) -> TrainingRequest:
    """A request that all of the columns are known to."""
    until = int(columns.completed_at_ms.max()) + 1
    return TrainingRequest(family, until, min_samples=500, threads=1, **changes)  # type: ignore[arg-type]  # a family


@cache
def anomaly_candidate() -> Candidate:
    """A detector of generated tickets; 1.5 s."""
    columns = generated()
    return train_anomaly(columns, request("anomaly", columns))


@cache
def duration_candidate() -> Candidate:
    """A scheduling predictor of generated tickets; 1 s."""
    columns = generated()
    return train_duration(columns, request("scheduling", columns))


@cache
def flights(days: int = 40) -> tuple[Ticket, ...]:
    """American Airlines' flights out of New York of the first days of 2013: 3,500 real tickets in forty."""
    return tuple(t for t in sample_tickets(until_ms=NEW_YEAR_2013_MS + days * DAY_MS) if t.owner == "AA")


@cache
def timed_flights(changed_ms: int, factor: float = 1.0, days: int = 40) -> tuple[Ticket, ...]:
    """The same, each task taking its own time: `factor` times as long for those created since the change."""
    rng, own, out = np.random.default_rng(7), dict[str, float](), []
    for t in flights(days):
        if t.started_at is not None and t.completed_at is not None:
            took = own.setdefault(t.task_id, 60_000.0 * (1 + len(own) % 7)) * rng.normal(1.0, 0.02)
            spent = round(took * (factor if t.created_at >= changed_ms else 1.0))
            out.append(replace(t, actual_duration_ms=spent, completed_at=t.started_at + spent))
    return tuple(out)


@cache
def flights_duration_candidate() -> Candidate:
    """A scheduling predictor of the flights; 2 s."""
    columns = columns_of(flights())
    return train_duration(columns, request("scheduling", columns))


@cache
def flights_load_candidate(horizon_minutes: int) -> Candidate:
    """A load predictor of the flights; 0.1 s."""
    columns = columns_of(flights())
    changes = {"algorithm": "seasonal_mean", "horizon_minutes": horizon_minutes}
    return train_load(columns, request("load", columns, **changes))


@cache
def flights_anomaly_candidate() -> Candidate:
    """A detector of the flights; 3 s."""
    columns = columns_of(flights())
    return train_anomaly(columns, request("anomaly", columns))
