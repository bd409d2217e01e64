"""Import, quarantine, replay: everything is counted, nothing is lost, and doing it twice changes nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tickets import ticket

from neural_hive_ml.conventions import QUARANTINE
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.tickets import importer
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.files import RawDocument, read_documents
from neural_hive_ml.tickets.importer import ImportSummary, import_documents, replay
from neural_hive_ml.tickets.memory import MemoryTicketStore
from neural_hive_ml.tickets.quarantine import Quarantine

NOW = 1_800_000_000_000


def raw(*contents: bytes) -> list[RawDocument]:
    return [RawDocument(content, f"file:{n}") for n, content in enumerate(contents, 1)]


def test_what_is_no_ticket_is_kept_with_its_reason() -> None:
    store, quarantine = MemoryTicketStore(), Quarantine(MemoryStateStore())
    bad = (b"{bad", b'{"ticket_id": "x"}', b"\xff\xfe", b'{"ticket_id": "\\u0000"}')
    documents = raw(encode_ticket(ticket()), *bad)
    assert import_documents(documents, store, quarantine, NOW) == ImportSummary(5, stored=1, quarantined=4)
    held = {d.source: d for d in quarantine.held()}
    assert set(held) == {f"file:{n}" for n in (2, 3, 4, 5)}
    assert held["file:2"].text == "{bad"
    assert held["file:3"].field == "task_type"
    assert held["file:4"].text == "\\xff\\xfe"
    assert all(d.reason and d.at_ms == NOW for d in held.values())
    assert import_documents(documents, store, quarantine, NOW + 1) == ImportSummary(5, unchanged=1, quarantined=4)
    assert quarantine.count() == 4


def test_replay_stores_what_is_good_now(monkeypatch: pytest.MonkeyPatch) -> None:
    store, quarantine = MemoryTicketStore(), Quarantine(MemoryStateStore())
    monkeypatch.setattr(importer, "decode_ticket", _refuse)
    good = [encode_ticket(ticket(f"t-{i}")) for i in range(2_345)]
    assert import_documents(raw(*good), store, quarantine, NOW).quarantined == 2_345
    monkeypatch.undo()
    assert import_documents(raw(b"{bad"), store, quarantine, NOW).quarantined == 1
    assert replay(quarantine, store) == ImportSummary(2_346, stored=2_345, quarantined=1)
    assert quarantine.count() == 1
    assert store.extent().tickets == 2_345
    assert replay(quarantine, store) == ImportSummary(1, quarantined=1)


def _refuse(_: object) -> None:
    from neural_hive_ml.errors import InvalidTicket

    raise InvalidTicket("not now")


def test_an_overlong_line_is_kept_in_part_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * 6_000_000)
    store, quarantine = MemoryTicketStore(), Quarantine(MemoryStateStore())
    assert import_documents(read_documents(str(path)), store, quarantine, NOW).quarantined == 1
    [held] = quarantine.held()
    assert held.truncated
    assert replay(quarantine, store) == ImportSummary(1, quarantined=1)


def test_quarantine_is_read_in_pages() -> None:
    state = MemoryStateStore()
    quarantine = Quarantine(state)
    import_documents(raw(*(b"%d" % i for i in range(2_500))), MemoryTicketStore(), quarantine, NOW)
    assert [len(page) for page in quarantine.pages()] == [1_000, 1_000, 500]
    assert len(list(quarantine.held(limit=1_200))) == 1_200
    assert state.count(QUARANTINE) == 2_500


@given(st.lists(st.sampled_from(["good", "again", "changed", "bad"]), max_size=30))
def test_the_sums_are_exact(kinds: list[str]) -> None:
    contents = []
    for n, kind in enumerate(kinds):
        name = f"t-{n}" if kind == "good" else "t-same"
        contents.append(
            b"{" if kind == "bad" else encode_ticket(ticket(name, retry_count=n * (kind == "changed")))
        )
    store = MemoryTicketStore()
    summary = import_documents(raw(*contents), store, Quarantine(MemoryStateStore()), NOW)
    assert summary.read == len(kinds)
    assert summary.read == summary.stored + summary.updated + summary.unchanged + summary.quarantined
    assert summary.quarantined == kinds.count("bad")
    assert summary.stored == store.extent().tickets
