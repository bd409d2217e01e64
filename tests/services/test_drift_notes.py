"""What the guide's `kubectl logs ... | grep drift` finds in orchestrator-dynamic's log."""

import asyncio
import threading
from collections.abc import Callable

import structlog
from structlog.testing import capture_logs

from neural_hive_ml.conventions import DRIFT_RECORDS, GUIDE_MODELS
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.serving.orchestrator.drift_notes import DriftNotes
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.state.port import Record, StateStore

LOAD, SCHEDULING = GUIDE_MODELS[1], GUIDE_MODELS[4]


def check(name: str, at_ms: int, *, detected: bool) -> Record:
    document = {
        "model_name": name,
        "drift_detected": detected,
        "drift_score": 0.41,
        "status": "drift" if detected else "ok",
    }
    return Record(f"{name}@{at_ms}", at_ms, document)


def told(open_state: Callable[[], StateStore], names: tuple[str, ...], rounds: int = 5) -> list[dict[str, object]]:
    """Return what is logged by that many looks into a store, at the least."""
    looks = threading.Semaphore(0)

    def counted() -> tuple[str, ...]:
        looks.release()
        return names

    async def run() -> None:
        notes = DriftNotes(open_state, counted, every_seconds=0.01)
        task = asyncio.create_task(notes.run())
        for _ in range(rounds + 1):  # a look has ended when the next one begins
            assert await asyncio.to_thread(looks.acquire, timeout=30)
        notes.stop()
        await task

    structlog.reset_defaults()
    with capture_logs() as logs:
        asyncio.run(run())
    return list(logs)


def test_each_check_is_told_once_and_a_model_without_one_is_unknown() -> None:
    state = MemoryStateStore()
    state.put(DRIFT_RECORDS, check(LOAD, 1, detected=False))
    state.put(DRIFT_RECORDS, check(LOAD, 2, detected=True))
    logs = told(lambda: state, (LOAD, SCHEDULING))
    found = [(log["event"], log["model"], log.get("drift_detected"), log["log_level"]) for log in logs]
    assert found == [
        ("serving.drift_checked", LOAD, True, "warning"),
        ("serving.drift_unknown", SCHEDULING, None, "info"),
    ]


def test_a_store_that_does_not_answer_is_asked_again_and_told() -> None:
    state = MemoryStateStore()
    state.put(DRIFT_RECORDS, check(LOAD, 1, detected=False))
    asked = []

    def open_state() -> MemoryStateStore:
        asked.append(1)
        if len(asked) == 1:
            raise StoreUnavailable("no answer", remedy="hive-ml doctor")
        return state

    events = [log["event"] for log in told(open_state, (LOAD,))]
    assert events == ["serving.drift_not_read", "serving.drift_checked"]
