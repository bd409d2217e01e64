"""What services watch: which version serves, and where its artifact is, without importing mlflow.

Two sources: pointer files in the data folder (embedded), MLflow's REST (platform, `mlflow_rest`).
"""

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec

from neural_hive_ml.conventions import CHAMPION
from neural_hive_ml.errors import ArtifactRefused, NotFound, RegistryUnavailable
from neural_hive_ml.registry.files import Checked, check_directory, write_whole
from neural_hive_ml.registry.mlflow_rest import MlflowRestSource
from neural_hive_ml.registry.port import Published

__all__ = ["FilePointerSource", "MlflowRestSource", "ModelSource", "PublishedFolder"]


# An artifact that no pointer names any longer stays so long: a service that has read the pointer before is fetching it.
KEPT_SECONDS: Final = 3_600.0


class ModelSource(Protocol):
    """Where a service learns what to serve. Raises `RegistryUnavailable` within 5 s when nobody answers."""

    def describe(self) -> str:
        """Return what and where the source is, credentials masked."""
        ...

    def current(self, name: str, alias: str = CHAMPION) -> Published | None:
        """Return what an alias points to, or None when nothing was published under it."""
        ...

    def read(self, published: Published) -> Checked:
        """Return the artifact's files, each checked against the published digest; nothing is written.

        Raises
        ------
        NotFound
            When it was published but is gone.
        ArtifactRefused
            When what arrives is not what was published.
        """
        ...


class _Pointer(msgspec.Struct, frozen=True):
    name: str
    version: int
    digest: str
    path: str


@dataclass(frozen=True, slots=True)
class PublishedFolder:
    """The embedded publication: ``<folder>/<name>.json`` pointers and ``<folder>/artifacts/<digest>/``."""

    folder: Path

    def pointer(self, name: str, alias: str) -> Path:
        """Return the pointer file of an alias; the champion's is ``<name>.json``."""
        return self.folder / (f"{name}.json" if alias == CHAMPION else f"{name}@{alias}.json")

    def publish(self, name: str, alias: str, version: int, artifact: Path) -> None:
        """Copy an artifact in, then point the alias at it in one step; let go what was superseded a while ago.

        Raises OSError, `ArtifactRefused`.
        """
        checked = check_directory(artifact)
        digest = checked.manifest.digest
        target = self.folder / "artifacts" / digest
        if not target.exists():
            write_whole(checked.files, target)
        pointer = _Pointer(name, version, digest, f"artifacts/{digest}")
        self._superseded(name, alias)
        write_atomic(self.pointer(name, alias), msgspec.json.encode(pointer))
        self.prune(KEPT_SECONDS)

    def withdraw(self, name: str, alias: str) -> None:
        """Remove an alias's pointer; its artifact stays until `prune`."""
        self._superseded(name, alias)
        self.pointer(name, alias).unlink(missing_ok=True)

    def prune(self, kept_seconds: float = 0.0) -> Sequence[str]:
        """Delete artifacts that no pointer has named for so many seconds; return their digests. Raises OSError.

        Nothing goes while a pointer cannot be read: what it names is not known.
        """
        try:
            named = {msgspec.json.decode(p.read_bytes(), type=_Pointer).digest for p in self.folder.glob("*.json")}
        except msgspec.DecodeError:
            return ()
        since = time.time() - kept_seconds
        loose = [d for d in (self.folder / "artifacts").glob("*") if d.name not in named]
        gone = [d for d in loose if d.stat().st_mtime <= since]
        for directory in gone:
            shutil.rmtree(directory)
        return [directory.name for directory in gone]

    def broken(self) -> Sequence[str]:
        """Return what is published, ``model`` or ``model@alias``, whose artifact is not there whole. Raises OSError."""
        found = []
        for file in sorted(self.folder.glob("*.json")):
            try:
                pointer = msgspec.json.decode(file.read_bytes(), type=_Pointer)
                check_directory(self.folder / pointer.path, expected_digest=pointer.digest)
            except (msgspec.DecodeError, ArtifactRefused):
                found.append(file.stem)
        return found

    def _superseded(self, name: str, alias: str) -> None:
        """Note on the artifact that an alias names that it will be named no longer from now on."""
        with suppress(FileNotFoundError, msgspec.DecodeError):  # a torn pointer is replaced like any other
            before = msgspec.json.decode(self.pointer(name, alias).read_bytes(), type=_Pointer)
            os.utime(self.folder / before.path)


@dataclass(frozen=True, slots=True)
class FilePointerSource:
    """Pointer files below ``<data_dir>/published``."""

    data_dir: Path

    @property
    def _published(self) -> PublishedFolder:
        return PublishedFolder(self.data_dir / "published")

    def describe(self) -> str:
        return f"pointer files in {self._published.folder}"

    def current(self, name: str, alias: str = CHAMPION) -> Published | None:
        file = self._published.pointer(name, alias)
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RegistryUnavailable(f"{file} cannot be read: {error.strerror}") from error
        try:
            pointer = msgspec.json.decode(content, type=_Pointer)
        except msgspec.DecodeError as error:
            raise RegistryUnavailable(f"{file} is no pointer: {error}", remedy="hive-ml models promote") from error
        location = str(self._published.folder / pointer.path)
        return Published(pointer.name, pointer.version, pointer.digest, alias, location)

    def read(self, published: Published) -> Checked:
        source = Path(published.location)
        if not source.is_dir():
            raise NotFound(f"{source} is gone", remedy=f"hive-ml models promote {published.name}")
        return check_directory(source, expected_digest=published.digest)


def write_atomic(path: Path, content: bytes) -> None:
    """Replace a file's content in one step: readers see the old or the new, never a part. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
