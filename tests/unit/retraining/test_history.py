"""What the policy is told of a model: from the store's records, however long ago they were made."""

from dataclasses import replace

import pytest
from tests.support.tickets import ticket

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.conventions import GUIDE_MODELS, RETRAINING_CLAIMS, RETRAINING_EVENTS, VERDICTS
from neural_hive_ml.feedback.verdict import Answer, Verdict
from neural_hive_ml.retraining.claims import claim
from neural_hive_ml.retraining.history import situation_of
from neural_hive_ml.retraining.policy import Attempt, ModelDecision, ModelSituation, Policy, decide_model
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.memory import MemoryTicketStore

NAME = GUIDE_MODELS[0]
TRAINED_MS = 1_700_000_000_000


@pytest.fixture
def state() -> MemoryStateStore:
    return MemoryStateStore()


def tried(state: MemoryStateStore, day: float, trigger: str = "age") -> None:
    at_ms = TRAINED_MS + round(day * DAY_MS)
    document = {"model_name": NAME, "trigger": trigger, "success": True}
    state.put(RETRAINING_EVENTS, Record(f"{NAME}:{trigger}:{at_ms}", at_ms, document))


def known(state: MemoryStateStore, day: float) -> ModelSituation:
    found = situation_of(
        state, MemoryTicketStore(), name=NAME, version=1, trained_at_ms=TRAINED_MS,
        now_ms=TRAINED_MS + round(day * DAY_MS), enough=200,
    )  # fmt: skip
    return replace(found, new_tickets=5_000)


def decided(state: MemoryStateStore, day: float) -> ModelDecision:
    return decide_model(known(state, day), Policy(), now_ms=TRAINED_MS + round(day * DAY_MS))


def test_age_asks_again_a_month_after_the_last_try_and_not_a_fortnight(state: MemoryStateStore) -> None:
    tried(state, 31)
    assert [decided(state, day).action for day in (32, 46, 60)] == ["nothing"] * 3
    assert decided(state, 62).trigger == "age"


def test_labels_are_counted_from_the_last_try_however_long_ago(state: MemoryStateStore) -> None:
    for i in range(250):
        give(state, f"v{i}", f"t{i}", "p")
    assert decided(state, 1.5).trigger == "new_labels"
    tried(state, 2, "new_labels")
    assert [known(state, day).new_labels for day in (3, 17, 28)] == [0, 0, 0]


def test_labels_are_tickets_that_there_are_and_that_somebody_was_sure_of(state: MemoryStateStore) -> None:
    tickets = MemoryTicketStore()
    tickets.upsert([ticket("stored", TRAINED_MS)])
    for i in range(300):
        give(state, f"invented{i}", f"invented{i}")
        give(state, f"again{i}", "t", "p")
    give(state, "stored", "stored")
    give(state, "unsure", "u", "p", "unsure")
    found = situation_of(
        state, tickets, name=NAME, version=1, trained_at_ms=TRAINED_MS, now_ms=TRAINED_MS + 3 * DAY_MS, enough=200
    )
    assert found.new_labels == 2


def give(
    state: MemoryStateStore, key: str, ticket_id: str, prediction_id: str = "", verdict: Answer = "normal"
) -> None:
    at_ms = TRAINED_MS + DAY_MS
    one = Verdict(key, at_ms, ticket_id, verdict, "ana", prediction_id=prediction_id)
    state.put(VERDICTS, Record(key, at_ms, one.to_document()))


def test_a_claim_is_an_attempt_from_its_first_moment_and_one_with_its_event(state: MemoryStateStore) -> None:
    at_ms = TRAINED_MS + DAY_MS
    held = claim(state, name=NAME, trigger="drift", at_ms=at_ms, reasons=("drift",), evidence={})
    assert held is not None
    assert known(state, 1.5).attempts == (Attempt(at_ms, success=False),)
    state.put(
        RETRAINING_EVENTS, Record(held.key, at_ms, {"model_name": NAME, "trigger": "drift", "success": True})
    )
    assert known(state, 1.5).attempts == (Attempt(at_ms, success=True),)
    tried(state, 1.25, "manual")
    assert [a.automatic for a in known(state, 1.5).attempts] == [False, True]
    assert known(state, 0.5).attempts == (), "the future is not known"
    assert state.count(RETRAINING_CLAIMS) == 1
