"""The prediction log: nothing is lost that fits, what is lost is counted, answers never wait."""

import asyncio
import threading
from collections.abc import Iterable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_hive_ml.clock import DAY_MS, FixedClock
from neural_hive_ml.conventions import PREDICTIONS
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.feedback.sampling import sample
from neural_hive_ml.observability.metrics import OrchestratorMetrics, orchestrator_metrics
from neural_hive_ml.serving.prediction_log import PredictionLog
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.state.port import Record

NOW_MS = 1_700_000_000_000


class Faulty(MemoryStateStore):
    """A store that fails for a while, or says nothing until `answers` is set."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.failures, self.answers = failures, threading.Event()
        self.answers.set()

    def insert(self, collection: str, records: Iterable[Record]) -> int:
        if not self.answers.wait(60):
            raise AssertionError("whoever writes is waited for")
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("down", remedy="wait")
        return super().insert(collection, records)

    def close(self) -> None:
        """Stay readable for the test."""


def entry(number: int, at_ms: int = NOW_MS) -> Record:
    return Record(f"p{number}", at_ms, {"number": number})


def log_to(store: MemoryStateStore, **changes: object) -> tuple[PredictionLog, OrchestratorMetrics]:
    metrics = orchestrator_metrics()
    log = PredictionLog(lambda: store, metrics, FixedClock(NOW_MS), 90, pause_seconds=0.01, **changes)  # type: ignore[arg-type]
    log.retry_seconds = 0.01
    return log, metrics


async def kept_and_stopped(log: PredictionLog, count: int, after_seconds: float = 0.05) -> None:
    running = asyncio.create_task(log.run())
    for number in range(count):
        log.keep(partial(entry, number))
    await asyncio.sleep(after_seconds)
    log.stop()
    await running


def counted(metrics: OrchestratorMetrics, result: str) -> float:
    line = f'neural_hive_ml_prediction_log_total{{result="{result}"}} '
    text = metrics.exposition().decode()
    return next(float(each.removeprefix(line)) for each in text.splitlines() if each.startswith(line))


def test_all_are_written_in_batches_and_counted() -> None:
    store, told = Faulty(), []
    log, metrics = log_to(store, batch=7, written=lambda records: told.append(len(records)))
    asyncio.run(kept_and_stopped(log, 100, after_seconds=0.0))
    assert store.count(PREDICTIONS) == 100
    assert (counted(metrics, "written"), counted(metrics, "dropped")) == (100, 0)
    assert sum(told) == 100
    assert max(told) == 7


def test_a_store_that_comes_back_gets_all() -> None:
    store = Faulty(failures=5)
    log, metrics = log_to(store)

    async def kept_until_written() -> None:
        running = asyncio.create_task(log.run())
        for number in range(100):
            log.keep(partial(entry, number))
        async with asyncio.timeout(60):
            while store.count(PREDICTIONS) < 100:
                await asyncio.sleep(0.01)
        log.stop()
        await running

    asyncio.run(kept_until_written())
    assert store.failures == 0
    assert (counted(metrics, "written"), counted(metrics, "dropped")) == (100, 0)


def test_what_does_not_fit_and_what_is_left_is_counted() -> None:
    store = Faulty(failures=10**6)
    log, metrics = log_to(store, most_waiting=40)
    asyncio.run(kept_and_stopped(log, 100))
    assert store.count(PREDICTIONS) == 0
    assert counted(metrics, "dropped") == 100
    assert 'neural_hive_ml_dependency_up{dependency="state"} 0.0' in metrics.exposition().decode()


def test_a_slow_store_holds_nobody_up() -> None:
    store = Faulty()
    log, metrics = log_to(store)

    async def kept_while_it_is_silent() -> None:
        running = asyncio.create_task(log.run())
        store.answers.clear()
        for number in range(200):
            log.keep(partial(entry, number))
            await asyncio.sleep(0.001)
        # Only this loop lets the store answer: one that waited for it would not have come here.
        store.answers.set()
        log.stop()
        await running

    asyncio.run(kept_while_it_is_silent())
    assert (store.count(PREDICTIONS), counted(metrics, "dropped")) == (200, 0)


def test_what_cannot_be_written_does_not_stand_in_the_way() -> None:
    store = Faulty()
    log, metrics = log_to(store, batch=1)

    def broken() -> Record:
        raise ValueError("no record")

    log.keep(broken)
    asyncio.run(kept_and_stopped(log, 3))
    assert store.count(PREDICTIONS) == 3
    assert (counted(metrics, "written"), counted(metrics, "dropped")) == (3, 1)


def test_old_predictions_go() -> None:
    store = Faulty()
    store.insert(
        PREDICTIONS, [entry(1_000 + n, NOW_MS - (91 if n < 2_500 else 89) * DAY_MS) for n in range(3_000)]
    )
    log, _ = log_to(store)
    asyncio.run(kept_and_stopped(log, 1))
    assert store.count(PREDICTIONS) == 501


@given(st.lists(st.text(max_size=8), min_size=1, max_size=20), st.floats(0, 1))
def test_the_draw_is_the_tickets_own(tickets: list[str], share: float) -> None:
    for ticket in tickets:
        once = sample(ticket, flagged=False, audit_share=share)
        assert once == sample(ticket, flagged=False, audit_share=share)
        assert once.probability == share
        more = sample(ticket, flagged=False, audit_share=min(1.0, share + 0.1))
        assert once.review != "audit" or more.review == "audit", "a larger share keeps who was drawn"
    assert sample(tickets[0], flagged=True, audit_share=share).probability == 1.0


def test_the_audit_draws_its_share() -> None:
    drawn = sum(sample(f"t{n}", flagged=False, audit_share=0.05).review == "audit" for n in range(20_000))
    assert drawn == pytest.approx(1_000, abs=5 * 31)
