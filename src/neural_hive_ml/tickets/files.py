"""Documents out of files: .jsonl, .jsonl.gz, .parquet, and standard input as `-`."""

import gzip
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from neural_hive_ml.errors import UsageError
from neural_hive_ml.tickets.limits import MAX_DOCUMENT_BYTES

_LINE_LIMIT = 4 * MAX_DOCUMENT_BYTES


@dataclass(frozen=True, slots=True)
class RawDocument:
    """One document as found: JSON text or a mapping, and where (`file:line`)."""

    content: bytes | Mapping[str, Any]
    source: str


def read_documents(path: str, advance: Callable[[int], None] = lambda _: None) -> Iterator[RawDocument]:
    """Yield the documents of a file, calling `advance` with the bytes read so far out of `size_of(path)`.

    Raises
    ------
    UsageError
        For a missing file or an unknown ending.
    """
    if path == "-":
        yield from _lines(sys.stdin.buffer, "stdin", lambda: None)
        return
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"{path} is no file", remedy="check the path")
    if path.endswith(".parquet"):
        yield from _parquet(file, advance)
    elif path.endswith((".jsonl", ".jsonl.gz", ".ndjson", ".json", ".ndjson.gz")):
        with file.open("rb") as raw:
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if path.endswith(".gz") else raw
            yield from _lines(stream, path, lambda: advance(raw.tell()))
    else:
        raise UsageError(f"{path}: unknown ending", remedy="give .jsonl, .jsonl.gz, .parquet or - for stdin")


def size_of(path: str) -> int | None:
    """Return the size in bytes that `advance` counts up to, None when unknown (stdin)."""
    return None if path == "-" or not Path(path).is_file() else Path(path).stat().st_size


def _lines(stream: BinaryIO, name: str, tick: Callable[[], None]) -> Iterator[RawDocument]:
    number = 0
    try:
        while line := stream.readline(_LINE_LIMIT):
            number += 1
            if number % 1000 == 0:
                tick()
            if len(line) == _LINE_LIMIT and not line.endswith(b"\n"):
                while (rest := stream.readline(_LINE_LIMIT)) and not rest.endswith(b"\n"):
                    pass
            if line.strip():
                yield RawDocument(line.strip(), f"{name}:{number}")
    except (OSError, EOFError) as error:
        # A damaged file: what came before is good, what comes after cannot be read, and that is said.
        raise UsageError(f"{name}: unreadable after line {number}: {error}", remedy="mend or re-fetch the file") from error
    tick()


def _parquet(file: Path, advance: Callable[[int], None]) -> Iterator[RawDocument]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise UsageError(f"{file} is no Parquet file: {error}", remedy="check the file") from error
    rows, size, seen = max(table.metadata.num_rows, 1), file.stat().st_size, 0
    for batch in table.iter_batches(batch_size=10_000):
        for document in batch.to_pylist(maps_as_pydicts="lossy"):
            seen += 1
            yield RawDocument(_plain(document), f"{file}:{seen}")
        advance(size * seen // rows)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Nest dotted columns (`sla.timeout_ms`), drop nulls inside parameters, keep JSON text columns as they are."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        head, dot, tail = name.partition(".")
        if dot:
            if value is not None:
                out.setdefault(head, {})[tail] = value
        elif isinstance(value, dict):
            out[name] = {k: v for k, v in value.items() if v is not None}
        else:
            out[name] = value
    return out
