"""One run at a time: a dead run's lease is waited for, a living one's is not outlasted, and a lost one is noticed."""

from dataclasses import dataclass

import pytest

from neural_hive_ml.clock import FixedClock
from neural_hive_ml.errors import Conflict, TrainingFailed
from neural_hive_ml.retraining.deadline import deadline
from neural_hive_ml.retraining.lease import LEASE_SECONDS, PATIENCE_SECONDS, sole_run
from neural_hive_ml.state.memory import MemoryStateStore

NOW_MS = 1_800_000_000_000


@dataclass
class Waiting:
    """A clock that waiting moves; while it waits, another run may be alive and renew."""

    state: MemoryStateStore
    alive: bool
    at_ms: int = NOW_MS

    def now_ms(self) -> int:
        return self.at_ms

    def wait(self, seconds: float) -> None:
        self.at_ms += round(seconds * 1000)
        if self.alive:
            self.state.acquire("retraining", "other", now_ms=self.at_ms, ttl_ms=round(LEASE_SECONDS * 1000))


def test_a_dead_runs_lease_is_waited_for_and_a_living_ones_is_left() -> None:
    for alive in (False, True):
        state = MemoryStateStore()
        clock = Waiting(state, alive)
        state.acquire("retraining", "other", now_ms=NOW_MS, ttl_ms=round(LEASE_SECONDS * 1000))
        run = sole_run(state, clock, patience_seconds=PATIENCE_SECONDS, wait=clock.wait)
        if alive:
            with pytest.raises(Conflict, match="held by other"), run:
                pass
        else:
            with run as hold:
                hold.require()
        assert LEASE_SECONDS <= (clock.at_ms - NOW_MS) / 1000 <= PATIENCE_SECONDS + 5


def test_a_lost_lease_is_noticed_and_given_back() -> None:
    state, clock = MemoryStateStore(), FixedClock(NOW_MS)
    with sole_run(state, clock) as hold:
        hold.require()
        later = NOW_MS + round(LEASE_SECONDS * 1000) + 1
        other = state.acquire("retraining", "other", now_ms=later, ttl_ms=1_000)
        with pytest.raises(Conflict, match="held by other"):
            hold.require()
        state.release(other)
        for _ in range(2):
            with pytest.raises(Conflict, match="ran out"):
                hold.require()
    with sole_run(state, clock):
        pass


def test_a_deadline_that_is_taken_for_a_failed_trial_comes_again() -> None:
    swallowed = 0

    def search() -> None:
        nonlocal swallowed
        while True:
            try:
                while True:
                    pass
            except TrainingFailed:
                swallowed += 1
                if swallowed == 3:
                    raise

    with pytest.raises(TrainingFailed, match="took more than"), deadline(0.02, again_seconds=0.02):
        search()
    assert swallowed == 3
