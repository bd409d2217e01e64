"""The embedded store, with its segments, dead rows and merges, is the memory store to whoever looks at it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.tickets import flights, tickets

from neural_hive_ml.tickets import compaction, embedded
from neural_hive_ml.tickets.columns import columns_of, concat, digest_of
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.memory import MemoryTicketStore
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.tickets.table import columns_of_table, table_of, tickets_of_table
from neural_hive_ml.tickets.ticket import Ticket

HELD = flights(600)
VERSIONS = st.builds(
    lambda which, retries, moved: replace(
        HELD[which], retry_count=retries, created_at=HELD[which].created_at - moved * 60_000
    ),
    st.integers(0, len(HELD) - 1),
    st.integers(0, 1),
    st.integers(0, 1),
)


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(embedded, "BATCH_ROWS", 40)
    monkeypatch.setattr(embedded, "FEW_ROWS", 10)
    monkeypatch.setattr(embedded, "MOST_RECENT_ROWS", 30)
    monkeypatch.setattr(compaction, "FAN_IN", 3)
    return


@pytest.mark.usefixtures("_small_parts")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(VERSIONS, max_size=60), max_size=8))
def test_any_history_reads_the_same(tmp_path_factory: pytest.TempPathFactory, history: list[list[Ticket]]) -> None:
    folder: Path = tmp_path_factory.mktemp("store")
    with closing(EmbeddedTicketStore(folder)) as store:
        model = MemoryTicketStore()
        for batch in history:
            assert store.upsert(batch) == model.upsert(batch)
        with closing(EmbeddedTicketStore(folder)) as reopened:
            for reader in (store, reopened):
                assert reader.extent() == model.extent()
                assert list(reader.tickets(TicketWindow())) == list(model.tickets(TicketWindow()))
                window = TicketWindow(HELD[100].created_at, HELD[500].created_at)
                blocks = concat(list(reader.blocks(window, 50)))
                assert digest_of(blocks) == digest_of(columns_of(model.tickets(window)))
                assert [reader.get(t.ticket_id) for t in HELD[::60]] == [
                    model.get(t.ticket_id) for t in HELD[::60]
                ]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(tickets(), max_size=5))
def test_a_table_holds_what_tickets_hold(drawn: list[Ticket]) -> None:
    table = table_of(drawn)
    assert list(tickets_of_table(table)) == drawn
    assert digest_of(columns_of_table(table)) == digest_of(columns_of(drawn))
