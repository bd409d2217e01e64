"""Documents out of files: every ending, any damage, nothing lost unsaid."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.tickets import ticket

from neural_hive_ml.errors import UsageError
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.files import read_documents, size_of
from neural_hive_ml.tickets.limits import MAX_DOCUMENT_BYTES
from neural_hive_ml.tickets.table import table_of
from neural_hive_ml.tickets.ticket import Ticket

HELD = [ticket(f"t-{i}", parameters={"a": str(i)} if i else {}) for i in range(3)]
LINES = b"".join(encode_ticket(t) + b"\n" for t in HELD)


def read(path: Path) -> list[Ticket]:
    return [decode_ticket(d.content) for d in read_documents(str(path))]


def test_lines_and_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n" + LINES.replace(b"\n", b"\r\n") + b"  \n{bad")
    found = list(read_documents(str(path)))
    assert [d.source for d in found] == [f"{path}:{n}" for n in (2, 3, 4, 6)]
    assert found[-1].content == b"{bad"
    assert [decode_ticket(d.content) for d in found[:3]] == HELD


def test_gzip_and_progress(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(LINES * 1000))
    seen: list[int] = []
    assert len(list(read_documents(str(path), seen.append))) == 3000
    assert seen == sorted(seen)
    assert seen[-1] == size_of(str(path))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LINES)))
    assert [d.source for d in read_documents("-")] == ["stdin:1", "stdin:2", "stdin:3"]
    assert size_of("-") is None


def test_a_line_of_any_length_is_cut_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * (3 * MAX_DOCUMENT_BYTES) + b"\n" + LINES)
    found = list(read_documents(str(path)))
    assert (found[0].truncated, found[1].truncated) == (True, False)
    assert MAX_DOCUMENT_BYTES < len(found[0].content) < MAX_DOCUMENT_BYTES + 10
    assert [d.source for d in found] == [f"{path}:{n}" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_damaged_archive_gives_what_it_can_and_says_so(tmp_path: Path, cut: float) -> None:
    path = tmp_path / "a.jsonl.gz"
    whole = gzip.compress(b"".join(encode_ticket(ticket(f"t-{i}")) + b"\n" for i in range(20_000)))
    path.write_bytes(whole[: int(len(whole) * cut)])
    found: list[str] = []
    with pytest.raises(UsageError, match="unreadable after line"):
        found.extend(decode_ticket(d.content).ticket_id for d in read_documents(str(path)))
    assert found == [f"t-{i}" for i in range(len(found))]
    assert len(found) > 100


def nested(t: Ticket) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(t)
    return plain | {"parameters": list(t.parameters.items()), "metadata": list(t.metadata.items())}


def test_parquet_with_nested_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    maps = pa.map_(pa.string(), pa.string())
    inferred = pa.Table.from_pylist([nested(t) | {"parameters": [], "metadata": []} for t in HELD])
    schema = inferred.schema
    for name in ("parameters", "metadata"):
        schema = schema.set(schema.get_field_index(name), pa.field(name, maps))
    pq.write_table(pa.Table.from_pylist([nested(t) for t in HELD], schema=schema), path)
    assert read(path) == HELD


def test_parquet_with_flat_columns_and_json_text(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows = []
    for t in HELD:
        row = msgspec.to_builtins(t)
        sla, qos = row.pop("sla"), row.pop("qos")
        row |= {f"sla.{k}": v for k, v in sla.items()} | {f"qos.{k}": v for k, v in qos.items()}
        row |= {k: json.dumps(row[k]) for k in ("parameters", "metadata")}
        rows.append(row)
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert read(path) == HELD


def test_our_own_segments_are_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table_of(HELD), path)
    assert pq.read_table(path).to_pylist()[1]["ticket_id"] == "t-1"


@pytest.mark.parametrize("name", ["absent.jsonl", "a.csv", "broken.parquet"])
def test_what_cannot_be_read_is_a_usage_error(tmp_path: Path, name: str) -> None:
    if not name.startswith("absent"):
        (tmp_path / name).write_bytes(b"no such format")
    with pytest.raises(UsageError) as caught:
        list(read_documents(str(tmp_path / name)))
    assert caught.value.remedy
