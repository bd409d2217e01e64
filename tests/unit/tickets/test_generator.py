"""Generated tickets: the same from the same seed, valid, tagged, seasonal, and drifting only when asked."""

from itertools import islice, pairwise

import numpy as np

from neural_hive_ml.clock import DAY_MS, HOUR_MS, WEEK_MS
from neural_hive_ml.tickets.generator import GeneratorPlan, generate
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.tickets.validate import fault_of

MONDAY = 4 * DAY_MS  # 5 January 1970
START = MONDAY + 2900 * WEEK_MS


def some(count: int, **changes: object) -> list[Ticket]:
    options: dict[str, object] = {"seed": 3, "start_ms": START, "per_hour": 40.0} | changes
    return list(islice(generate(GeneratorPlan(**options)), count))  # type: ignore[arg-type] - mixed options


def test_tickets_are_valid_tagged_ordered_and_distinct() -> None:
    drawn = some(5_000)
    assert all(fault_of(t) is None and t.synthetic for t in drawn)
    assert all(a.created_at <= b.created_at for a, b in pairwise(drawn))
    assert len({t.ticket_id for t in drawn}) == 5_000


def test_the_seed_decides_and_windows_agree() -> None:
    assert some(2_000) == some(2_000)
    assert some(100) != some(100, seed=4)
    later = START + 5 * HOUR_MS
    assert some(300, start_ms=later) == [t for t in some(2_000) if t.created_at >= later][:300]


def test_days_and_weeks_have_a_shape() -> None:
    week = [t for t in some(9_000) if t.created_at < START + WEEK_MS]
    hours = np.bincount([(t.created_at - START) // HOUR_MS for t in week], minlength=168)
    assert abs(hours.mean() / 40.0 - 1.0) < 0.1
    assert hours[10::24].sum() > 3 * hours[3::24].sum()
    assert hours[:120].mean() > 2 * hours[120:].mean()


def test_drift_and_incidents_lengthen_durations() -> None:
    def median(tickets: list[Ticket]) -> float:
        return float(np.median([t.actual_duration_ms for t in tickets]))

    calm = some(3_000, incidents_per_week=0.0, tasks=1)
    drifted = some(3_000, incidents_per_week=0.0, tasks=1, drift_at_ms=START + DAY_MS, drift_factor=2.0)
    before = [t.created_at < START + DAY_MS for t in calm]
    split = before.index(False)
    assert calm[:split] == drifted[:split]
    assert 1.8 < median(drifted[split:]) / median(calm[split:]) < 2.2
    troubled = some(3_000, incidents_per_week=40.0, tasks=1)
    assert median(troubled) > median(calm)
    assert sum(t.status == "FAILED" for t in troubled) > sum(t.status == "FAILED" for t in calm)
