"""Is a person still named in the files of the data folder? Every byte is looked at, compressed files as what they hold."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from neural_hive_ml.upkeep.person import Person

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Trace:
    """A file that names the person, relative to the folder."""

    path: str


def traces_of(person: Person, folder: Path) -> Iterator[Trace]:
    """Yield the files below a folder that hold the owner or one of the ticket ids; O(bytes).

    Looks into Parquet (every column, dictionaries included), NumPy archives and gzip.
    """
    wanted = [name.encode("utf-8", "surrogatepass") for name in sorted(person.names) if name]
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if any(_holds(part, wanted) for part in _parts(path)):
            yield Trace(str(path.relative_to(folder)))


def _holds(part: Iterator[bytes], wanted: list[bytes]) -> bool:
    longest = max(map(len, wanted), default=0)
    before = b""
    for chunk in part:
        text = before + chunk
        if any(name in text for name in wanted):
            return True
        before = text[-longest:]
    return False


def _parts(path: Path) -> Iterator[Iterator[bytes]]:
    """Yield the bytes of a file and, where it is compressed, of what it holds."""
    try:
        with path.open("rb") as stream:
            yield iter(lambda: stream.read(_CHUNK), b"")
        if path.suffix == ".parquet":
            yield _columns(path)
        elif path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                yield (archive.read(name) for name in archive.namelist())
        elif path.suffix == ".gz":
            with gzip.open(path) as unpacked:
                yield iter(lambda: unpacked.read(_CHUNK), b"")
    except (FileNotFoundError, zipfile.BadZipFile, zlib.error, EOFError, OSError):
        return  # gone meanwhile, or half written: its raw bytes were looked at


def _columns(path: Path) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, use_threads=False)
        for column in table.columns:
            sink = io.BytesIO()
            for chunk in column.chunks:
                values = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
                if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
                    sink.write(
                        "\0".join(value or "" for value in values.to_pylist()).encode("utf-8", "surrogatepass")
                    )
            yield sink.getvalue()
