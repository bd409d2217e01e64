"""Documents out of files: .jsonl, .jsonl.gz, .parquet, and standard input as `-`."""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from neural_hive_ml.errors import UsageError
from neural_hive_ml.tickets.limits import MAX_DOCUMENT_BYTES

LINE_ENDINGS = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_LINE_BYTES = MAX_DOCUMENT_BYTES + 2
_TICK_LINES = 1_000
_BATCH_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class RawDocument:
    """One document as found: JSON text or a mapping, and where (`file:line`).

    `truncated`: the line was longer than any ticket may be, and only its beginning is here.
    """

    content: bytes | Mapping[str, Any]
    source: str
    truncated: bool = False


def read_documents(path: str, advance: Callable[[int], None] = lambda _: None) -> Iterator[RawDocument]:
    """Yield the documents of a file, calling `advance` with the bytes read so far out of `size_of(path)`.

    Blank lines are skipped. A line of any length is read in bounded memory.

    Raises
    ------
    UsageError
        For a missing file, an unknown ending, or a damaged file once its readable part has been yielded.
    """
    if path == "-":
        yield from _lines(sys.stdin.buffer, "stdin", lambda: None)
        return
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"{path} is no file", remedy="check the path")
    if path.endswith(".parquet"):
        yield from _parquet(file, advance)
    elif path.endswith(LINE_ENDINGS):
        with file.open("rb") as raw:
            packed = cast(io.RawIOBase, gzip.GzipFile(fileobj=raw))
            stream = io.BufferedReader(packed, 2**18) if path.endswith(".gz") else raw
            yield from _lines(stream, path, lambda: advance(raw.tell()))
    else:
        raise UsageError(f"{path}: unknown ending", remedy="give .jsonl, .jsonl.gz, .parquet or - for stdin")


def size_of(path: str) -> int | None:
    """Return the size in bytes that `advance` counts up to, None when unknown (stdin)."""
    return None if path == "-" or not Path(path).is_file() else Path(path).stat().st_size


def _lines(stream: BinaryIO | io.BufferedReader, name: str, tick: Callable[[], None]) -> Iterator[RawDocument]:
    number = 0
    try:
        while line := stream.readline(_LINE_BYTES):
            number += 1
            if number % _TICK_LINES == 0:
                tick()
            cut = len(line) == _LINE_BYTES and not line.endswith(b"\n")
            if cut:
                while (rest := stream.readline(_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
            text = line.strip()
            if text:
                yield RawDocument(text, f"{name}:{number}", truncated=cut)
    except (OSError, EOFError, zlib.error) as error:
        # What came before is good, what comes after cannot be read, and that is said.
        raise UsageError(
            f"{name}: unreadable after line {number:,}: {error}",
            remedy="fetch the file again; what was read is kept",
        ) from error
    tick()


def _parquet(file: Path, advance: Callable[[int], None]) -> Iterator[RawDocument]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    size, seen = file.stat().st_size, 0
    try:
        table = pq.ParquetFile(file)
        rows = max(table.metadata.num_rows, 1)
        for batch in table.iter_batches(batch_size=_BATCH_ROWS):
            for document in batch.to_pylist(maps_as_pydicts="lossy"):
                seen += 1
                yield RawDocument(_nested(document), f"{file}:{seen}")
            advance(size * seen // rows)
    except (pa.ArrowException, OSError) as error:
        raise UsageError(
            f"{file}: unreadable after row {seen:,}: {error}", remedy="fetch the file again"
        ) from error


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """Nest dotted columns (`sla.timeout_ms`) and drop nulls, which in Parquet mean absent."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        head, dot, tail = name.partition(".")
        if value is None:
            continue
        if dot:
            out.setdefault(head, {})[tail] = value
        elif isinstance(value, dict):
            out[name] = {k: v for k, v in value.items() if v is not None}
        else:
            out[name] = value
    return out
