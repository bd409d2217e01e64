"""ClickHouse, with its versions, tombstones, partitions and pages, is the memory store to whoever looks at it."""

from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.clickhouse_server import ClickHouseAddress, clickhouse_store
from tests.support.tickets import tickets

from neural_hive_ml.tickets import clickhouse
from neural_hive_ml.tickets.columns import columns_of, concat, digest_of
from neural_hive_ml.tickets.memory import MemoryTicketStore
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.tickets.ticket import Ticket

IDS = ("a", "b'", "c\\", "d\n", "é✓", "%(ids)s")


@pytest.mark.services
@pytest.mark.xdist_group("clickhouse")
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.lists(tickets(ids=st.sampled_from(IDS)), max_size=8), min_size=1, max_size=4),
    st.booleans(),
    st.integers(1, 5),
)
def test_any_history_reads_the_same(
    clickhouse_address: ClickHouseAddress,
    monkeypatch: pytest.MonkeyPatch,
    history: list[list[Ticket]],
    merged: bool,
    page: int,
) -> None:
    monkeypatch.setattr(clickhouse, "READ_ROWS", page)
    model = MemoryTicketStore()
    with closing(clickhouse_store(clickhouse_address)) as store:
        for batch in history:
            assert store.upsert(batch) == model.upsert(batch)
            if merged:
                # What the server does in its own time: replaced rows and tombstones go.
                store.create()
                store.database.command(f"OPTIMIZE TABLE {store.table} FINAL")
            assert store.extent() == model.extent()
            assert list(store.tickets(TicketWindow())) == list(model.tickets(TicketWindow()))
            assert [store.get(name) for name in IDS] == [model.get(name) for name in IDS]
        known = sorted(t.created_at for t in model.tickets(TicketWindow()))
        if known:
            window = TicketWindow(known[len(known) // 3], known[-1])
            blocks = concat(list(store.blocks(window, page)))
            assert digest_of(blocks) == digest_of(columns_of(model.tickets(window)))
