"""The last known good artifacts of a service, on its own disk: it starts and serves through a registry outage.

One directory an artifact, named by its digest, and one small file a model that says which was good last, and
when. All writes appear at once or not at all; a disk that cannot be written costs the cache, not the service.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from neural_hive_ml.conventions import CHAMPION
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.registry.files import Checked, check_directory, write_whole
from neural_hive_ml.registry.port import Published
from neural_hive_ml.registry.published import ModelSource, write_atomic


class KnownGood(msgspec.Struct, frozen=True):
    """A version that served: verified then, still on disk. `kept_at_ms` is when it was last confirmed good."""

    name: str
    version: int
    digest: str
    alias: str
    kept_at_ms: int

    def age_ms(self, now_ms: int) -> int:
        """Return how long ago it was confirmed, for the metric and for the staleness limit."""
        return max(0, now_ms - self.kept_at_ms)


@dataclass(frozen=True, slots=True)
class Obtained:
    """An artifact's files; `cached` says whether they are on this disk now, `reason` why not."""

    checked: Checked
    cached: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LastKnownGood:
    """A folder of verified artifacts. Several services may share it: names are digests, writes are whole."""

    folder: Path

    def obtain(self, source: ModelSource, published: Published) -> Obtained:
        """Return what a source published: from this disk when it is here and whole, else from the source.

        Raises
        ------
        RegistryUnavailable, NotFound, ArtifactRefused
            As the source's `read`.
        """
        try:
            return Obtained(self.read(published.digest), True)
        except ArtifactRefused:
            shutil.rmtree(self._directory(published.digest), ignore_errors=True)  # rotten or never here
        checked = source.read(published)
        try:
            write_whole(checked.files, self._directory(published.digest))
        except OSError as error:
            if self._directory(published.digest).is_dir():  # another process was quicker
                return Obtained(checked, True)
            return Obtained(checked, False, f"{self.folder} cannot be written: {error.strerror}")
        return Obtained(checked, True)

    def read(self, digest: str) -> Checked:
        """Return an artifact that is on this disk. Raises `ArtifactRefused` when it is not, or is spoilt."""
        return check_directory(self._directory(digest), expected_digest=digest)

    def confirm(self, published: Published, *, now_ms: int) -> str:
        """Note that a version is good and current: it was verified and serves. Return why not, or nothing."""
        good = KnownGood(published.name, published.version, published.digest, published.alias, now_ms)
        try:
            write_atomic(self._note(published.name, published.alias), msgspec.json.encode(good))
        except OSError as error:
            return f"{self.folder} cannot be written: {error.strerror}"
        return ""

    def last(self, name: str, alias: str = CHAMPION) -> KnownGood | None:
        """Return what was confirmed last, or None when nothing was. `read` its digest to use it."""
        try:
            return msgspec.json.decode(self._note(name, alias).read_bytes(), type=KnownGood)
        except (OSError, msgspec.DecodeError):
            return None

    def prune(self) -> tuple[str, ...]:
        """Delete artifacts that no note names; return their digests."""
        noted = set()
        for note in self.folder.glob("*.json"):
            try:
                noted.add(msgspec.json.decode(note.read_bytes(), type=KnownGood).digest)
            except (OSError, msgspec.DecodeError):
                return ()  # what is needed cannot be told: keep everything
        gone = [d for d in (self.folder / "artifacts").glob("*") if d.name not in noted]
        for directory in gone:
            shutil.rmtree(directory, ignore_errors=True)
        return tuple(d.name for d in gone)

    def _directory(self, digest: str) -> Path:
        return self.folder / "artifacts" / digest

    def _note(self, name: str, alias: str) -> Path:
        return self.folder / f"{name}@{alias}.json"
