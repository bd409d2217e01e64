"""The history of completions against a plain count: whatever comes from where, in any order, again."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.histories import histories
from tests.support.trained import MONDAY_MS, generated_tickets

from neural_hive_ml.clock import HOUR_MS, MINUTE_MS
from neural_hive_ml.features.series import GRAIN_MS, completions
from neural_hive_ml.serving.orchestrator import history as module
from neural_hive_ml.serving.orchestrator.history import LoadHistory, read_completions
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.lifecycle import LifecycleEvent, events_of
from neural_hive_ml.tickets.memory import MemoryTicketStore
from neural_hive_ml.tickets.ticket import Ticket

LATER_MS = 2**43


def store_of(tickets: list[Ticket]) -> MemoryTicketStore:
    store = MemoryTicketStore()
    store.upsert(tickets)
    return store


def newest_of(tickets: list[Ticket]) -> int:
    return max(e.at_ms for t in tickets for e in events_of(t))


def tell(history: LoadHistory, tickets: list[Ticket], now_ms: int = LATER_MS) -> None:
    for ticket in tickets:
        for event in events_of(ticket):
            history.note(event, now_ms)


@given(st.lists(st.integers(0, 399), max_size=120), st.lists(st.integers(0, 399), max_size=120), st.booleans())
@settings(max_examples=60, deadline=None)
def test_each_completion_counts_once(stored: list[int], told: list[int], read_first: bool) -> None:
    tickets = generated_tickets()[:400]
    store = store_of([tickets[0], *(tickets[i] for i in stored)])
    history = LoadHistory()
    if read_first:
        history.begin(read_completions(store, LATER_MS))
    tell(history, [tickets[i] for i in told])
    if not read_first:
        history.begin(read_completions(store, LATER_MS))
    known = [tickets[i] for i in {0, *stored, *told}]
    at_ms = newest_of(known)
    expected = completions(columns_of(known), at_ms, since_ms=tickets[0].created_at)
    said = history.series(at_ms)
    assert said.counts.tolist() == expected.counts.tolist()
    assert said.start_ms == expected.start_ms or not len(said)


@given(histories(most=20))
@settings(max_examples=40, deadline=None)
def test_only_completed_tickets_are_load(tickets: list[Ticket]) -> None:
    history = LoadHistory()
    history.begin(read_completions(store_of(tickets), LATER_MS))
    at_ms = newest_of(tickets) + GRAIN_MS
    said = history.series(at_ms)
    expected = completions(columns_of(tickets), at_ms, since_ms=min(t.created_at for t in tickets))
    assert said.counts.tolist() == expected.since(said.start_ms).counts.tolist()


def test_what_was_before_the_first_ticket_or_is_after_the_last_is_not_known() -> None:
    tickets = list(generated_tickets()[:300])
    history = LoadHistory()
    history.begin(read_completions(store_of(tickets), LATER_MS))
    newest = newest_of(tickets)
    assert history.series(newest + 30 * MINUTE_MS).end_ms > newest + 25 * MINUTE_MS, "half an hour may be quiet"
    assert history.series(newest + 5 * HOUR_MS).end_ms <= newest + HOUR_MS, "five hours without events are unknown"
    assert history.series(newest).start_ms >= tickets[0].created_at
    assert len(history.series(tickets[0].created_at - HOUR_MS)) == 0
    assert len(LoadHistory().series(newest)) == 0


def test_a_ticket_of_the_future_is_no_evidence() -> None:
    ticket = generated_tickets()[0]
    history = LoadHistory()
    history.note(LifecycleEvent(ticket, "created", MONDAY_MS + HOUR_MS), now_ms=MONDAY_MS)
    assert history.known_until_ms == 0
    ended = replace(ticket, status="COMPLETED", completed_at=MONDAY_MS)
    tell(history, [ended], now_ms=MONDAY_MS)
    assert history.known_until_ms == MONDAY_MS


def test_memory_is_bounded_and_what_was_forgotten_is_not_counted_again(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(module, "REMEMBERED", 50)
    monkeypatch.setattr(module, "KEPT_MS", 24 * HOUR_MS)
    tickets = sorted(
        (t for t in generated_tickets() if t.completed_at is not None), key=lambda t: (t.completed_at, t.ticket_id)
    )
    history = LoadHistory()
    tell(history, tickets)
    before = sum(history._counts.values())
    tell(history, tickets)
    assert sum(history._counts.values()) == before
    assert len(history._seen) <= 50
    assert len(history._counts) <= 2 * 24 * HOUR_MS // GRAIN_MS


def test_counts_are_whole_numbers() -> None:
    history = LoadHistory()
    tell(history, list(generated_tickets()[:50]))
    counts = history.series(newest_of(list(generated_tickets()[:50]))).counts
    assert np.array_equal(counts, counts.round())
