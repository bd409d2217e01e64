"""A Parquet file made in parts: whatever kills the job, the parts that were finished stay and the file comes out the same.

Parts lie in ``<out>.parts/``, each written whole; what they were made from is in ``plan.json`` beside them. The file itself
appears in one step when all parts are there, and the parts go.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from neural_hive_ml.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

_PLAN = "plan.json"
_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one output file."""

    out: Path

    @property
    def folder(self) -> Path:
        """Where the parts lie until the file is whole."""
        return self.out.with_name(self.out.name + ".parts")

    def begin(self, plan: Mapping[str, Any], *, restart: bool = False) -> int:
        """Return how many parts of this very plan are finished already.

        Raises
        ------
        UsageError
            When the parts there were made from something else, or the file is there already.
        """
        if self.out.exists() and not restart:
            raise UsageError(f"{self.out} is there already", remedy="name another file, or say --restart")
        if restart:
            shutil.rmtree(self.folder, ignore_errors=True)
        wanted = _encode(plan)
        noted = self.folder / _PLAN
        if noted.exists():
            if noted.read_bytes() != wanted:
                raise UsageError(
                    f"{self.folder} was begun with other tickets, models or options",
                    remedy="repeat those, or say --restart",
                )
            return len(self._files())
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(noted, lambda path: path.write_bytes(wanted))
        return 0

    def noted(self) -> Mapping[str, Any]:
        """Return the plan of an interrupted run; empty without one."""
        try:
            plan: Mapping[str, Any] = msgspec.json.decode((self.folder / _PLAN).read_bytes())
        except FileNotFoundError:
            return {}
        return plan

    def add(self, number: int, table: "pa.Table") -> None:
        """Write part `number`, counted from 0, whole or not at all."""
        import pyarrow.parquet as pq

        target = self.folder / f"{number:08d}.parquet"
        _write(target, lambda path: pq.write_table(table, path, compression="zstd"))

    def last(self) -> "pa.Table | None":
        """Return the newest finished part, None without one."""
        import pyarrow.parquet as pq

        files = self._files()
        return pq.read_table(files[-1]) if files else None

    def finish(self, metadata: Mapping[str, str]) -> int:
        """Join the parts, in order, into the file; return its number of rows. No parts: no file."""
        import pyarrow.parquet as pq

        rows = 0
        files = self._files()
        if files:

            def join(path: Path) -> None:
                nonlocal rows
                schema = pq.read_schema(files[0]).with_metadata(dict(metadata))
                with pq.ParquetWriter(path, schema, compression="zstd") as writer:
                    for table in map(pq.read_table, files):
                        writer.write_table(table.replace_schema_metadata(dict(metadata)))
                        rows += len(table)

            self.out.parent.mkdir(parents=True, exist_ok=True)
            _write(self.out, join)
        shutil.rmtree(self.folder, ignore_errors=True)
        return rows

    def finished(self) -> "Iterator[pa.Table]":
        """Yield the finished parts in order."""
        import pyarrow.parquet as pq

        yield from map(pq.read_table, self._files())

    def _files(self) -> list[Path]:
        """The parts from 0 on without a gap: several workers may have finished later ones first."""
        found = sorted(self.folder.glob("[0-9]*.parquet"))
        return [file for number, file in enumerate(found) if int(file.stem) == number]


def _write(target: Path, write: Any) -> None:
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        write(unfinished)
        with unfinished.open("rb") as stream:
            os.fsync(stream.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
