"""Recorded tickets as a world to replay a policy in: what it knows at a moment, and what retraining changes."""

import numpy as np
import pytest
from tests.support.trained import NEW_YEAR_2013_MS, timed_flights

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.drift.report import DriftStatus
from neural_hive_ml.retraining.backtest import replay
from neural_hive_ml.retraining.policy import Policy
from neural_hive_ml.retraining.ticket_world import TicketWorld
from neural_hive_ml.tickets.columns import columns_of

CHANGED_MS = NEW_YEAR_2013_MS + 25 * DAY_MS
BEFORE_MS, AFTER_MS = CHANGED_MS - DAY_MS, CHANGED_MS + 4 * DAY_MS


def world(factor: float = 2.0, window_hours: float = 72.0) -> TicketWorld:
    """Flights whose tasks take `factor` times as long since the change."""
    columns = columns_of(timed_flights(CHANGED_MS, factor))
    return TicketWorld(columns, window_hours=window_hours, training_days=21.0)


def test_the_span_is_that_of_the_ends_and_tickets_are_counted_by_them() -> None:
    ends = np.array([t.completed_at for t in timed_flights(CHANGED_MS, 2.0)])
    here = world()
    assert here.span == (ends.min(), ends.max())
    assert here.new_tickets(BEFORE_MS, AFTER_MS) == ((ends >= BEFORE_MS) & (ends < AFTER_MS)).sum()
    assert here.new_tickets(AFTER_MS, AFTER_MS) == 0


def test_a_change_is_drift_that_lasts_until_it_is_learned() -> None:
    here = world()
    here.retrain(BEFORE_MS)
    quiet = here.check(BEFORE_MS)
    assert (quiet.status, quiet.lasting_score) == (DriftStatus.OK, None)
    assert (quiet.from_ms, quiet.until_ms) == (BEFORE_MS - 72 * HOUR_MS, BEFORE_MS)
    changed = here.check(AFTER_MS)
    assert changed.drift_detected
    assert "log_duration" in {f.name for f in changed.drifted}
    assert changed.lasting_score is not None
    assert changed.lasting_score > 0.2
    # The stand-in model is off by the factor, and no longer once it has learned the new times.
    known, stale = here.loss(BEFORE_MS), here.loss(AFTER_MS)
    assert known == pytest.approx(0.013, abs=0.01)
    assert stale == pytest.approx(1.0, abs=0.05)
    later_ms = CHANGED_MS + 12 * DAY_MS
    here.retrain(later_ms)
    learned = here.loss(later_ms)
    assert learned is not None
    assert learned < 0.05


def test_retraining_knows_nothing_of_later_tickets() -> None:
    here, unchanged = world(), world(factor=1.0)
    for one in (here, unchanged):
        one.retrain(BEFORE_MS)
    assert here.check(BEFORE_MS) == unchanged.check(BEFORE_MS)
    assert here.loss(BEFORE_MS) == unchanged.loss(BEFORE_MS)


def test_too_few_tickets_are_no_answer() -> None:
    here = world(window_hours=12.0)
    here.retrain(BEFORE_MS)
    assert here.check(AFTER_MS).status is DriftStatus.INSUFFICIENT_DATA
    assert here.loss(AFTER_MS) is None


@pytest.mark.parametrize(("factor", "retrains"), [(2.0, True), (1.0, False)])
def test_a_policy_retrains_this_world_when_it_changes_and_only_then(factor: float, retrains: bool) -> None:
    here = world(factor)
    here.retrain(BEFORE_MS)
    policy = Policy(min_new_tickets=100)
    done = replay(here, policy, from_ms=BEFORE_MS, until_ms=BEFORE_MS + 8 * DAY_MS, step_hours=12.0)
    assert done.answered == done.checks == 15
    assert bool(done.retrains) is retrains
    assert all(CHANGED_MS < at_ms < CHANGED_MS + 4 * DAY_MS for at_ms, _ in done.retrains[:1])
