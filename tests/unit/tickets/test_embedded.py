"""The embedded store between processes, after crashes, and what it leaves on the disk."""

import multiprocessing
import os
import signal
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.support.tickets import flights, ticket

from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.tickets import compaction, embedded, segment
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.port import TicketWindow

SPAWN = multiprocessing.get_context("spawn")
ALL = TicketWindow()


def _write(folder: Path, first: int, last: int, size: int) -> None:
    held = flights(last)[first:]
    with closing(EmbeddedTicketStore(folder, 30.0)) as store:
        for start in range(0, len(held), size):
            store.upsert(held[start : start + size])


def test_processes_write_and_read_at_once(tmp_path: Path) -> None:
    work = [(0, 5_000, 2_500), (2_000, 6_500, 2_200), (6_000, 7_000, 90)]
    writers = [SPAWN.Process(target=_write, args=(tmp_path, *job)) for job in work]
    for writer in writers:
        writer.start()
    with closing(EmbeddedTicketStore(tmp_path, 30.0)) as reader:
        while any(writer.is_alive() for writer in writers):
            ids = [t.ticket_id for t in reader.tickets(ALL)]
            assert len(ids) == len(set(ids))
            time.sleep(0.2)
        for writer in writers:
            writer.join()
        assert [writer.exitcode for writer in writers] == [0, 0, 0]
        expected = sorted(flights(7_000), key=lambda t: (t.created_at, t.ticket_id))
        assert list(reader.tickets(ALL)) == expected
        assert reader.extent().tickets == 7_000


def test_a_killed_import_is_taken_up_again(tmp_path: Path) -> None:
    writer = SPAWN.Process(target=_write, args=(tmp_path, 0, 60_000, 2_500))
    writer.start()
    assert writer.pid is not None
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.parquet"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    with closing(EmbeddedTicketStore(tmp_path)) as store:
        before = store.extent().tickets
        assert before % 2_500 == 0
        summary = store.upsert(flights(20_000))
        assert summary.stored == max(0, 20_000 - before)
        assert store.extent().tickets == max(before, 20_000)


def test_a_reader_keeps_its_moment_while_segments_are_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "FEW_ROWS", 10)
    monkeypatch.setattr(compaction, "FAN_IN", 2)
    monkeypatch.setattr(compaction, "GRACE_SECONDS", 0.0)
    held = flights(400)
    with closing(EmbeddedTicketStore(tmp_path)) as store:
        store.upsert(held[:100])
        reading = store.tickets(ALL)
        first = next(reading)
        for start in range(100, 400, 100):
            store.upsert(held[start : start + 100])
        store.upsert([replace(t, retry_count=7) for t in held[:100]])
        assert sorted(t.ticket_id for t in [first, *reading]) == sorted(t.ticket_id for t in held[:100])
        assert store.extent().tickets == 400
        named = {path.stem for path in tmp_path.glob("*.keys")}
        assert len(named) <= 2, "merged files were deleted"


def test_disk_trouble_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="file") as caught:
        EmbeddedTicketStore(tmp_path / "file" / "tickets")
    assert "HIVE_DATA_DIR" in caught.value.remedy
    with closing(EmbeddedTicketStore(tmp_path / "tickets")) as store:
        store.upsert(flights(3_000))
        for path in (tmp_path / "tickets").glob("*.parquet"):
            path.unlink()
        with pytest.raises(StoreUnavailable, match="No such file"):
            list(store.tickets(ALL))


def test_many_small_writes_become_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "MOST_RECENT_ROWS", 50)
    with closing(EmbeddedTicketStore(tmp_path)) as store:
        for number in range(120):
            store.upsert([ticket(f"t-{number}")])
        assert len(list(tmp_path.glob("*.parquet"))) == 2
        assert [t.ticket_id for t in store.tickets(ALL)] == sorted(f"t-{n}" for n in range(120))


def test_serving_can_import_the_store_without_arrow() -> None:
    code = (
        "import sys, neural_hive_ml.tickets.embedded, neural_hive_ml.tickets.mongo, neural_hive_ml.tickets.sample;"
        "assert not {'pyarrow', 'pandas', 'pymongo'} & set(sys.modules), sys.modules.keys()"
    )
    process = SPAWN.Process(target=exec, args=(code,))
    process.start()
    process.join()
    assert process.exitcode == 0


def test_a_merge_keeps_no_dictionary_larger_than_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "FEW_ROWS", 10)
    monkeypatch.setattr(compaction, "FAN_IN", 2)
    monkeypatch.setattr(compaction, "GROUP_ROWS", 16)
    monkeypatch.setattr(segment, "GROUP_ROWS", 64)
    held = [replace(t, plan_id=f"plan-{i}") for i, t in enumerate(flights(1_200))]
    with closing(EmbeddedTicketStore(tmp_path)) as store:
        for start in range(0, len(held), 100):
            store.upsert(held[start : start + 100])
        expected = sorted(held, key=lambda t: (t.created_at, t.ticket_id))
        assert list(store.tickets(ALL)) == expected
    merged = [pq.ParquetFile(path, read_dictionary=["plan_id"]) for path in tmp_path.glob("*.parquet")]
    largest = max(merged, key=lambda file: file.metadata.num_rows)
    assert largest.metadata.num_rows > 500
    for group in range(largest.metadata.num_row_groups):
        table = largest.read_row_group(group)
        assert len(table) <= 64
        assert {len(chunk.dictionary) for chunk in table["plan_id"].chunks} == {len(table)}
