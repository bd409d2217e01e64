"""A backup as it lies on a disk: a folder with a manifest that names every file and its digest, or a tar of it."""

import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from neural_hive_ml.errors import UsageError

MANIFEST: Final = "backup.json"
FORMAT: Final = 1
TAR_ENDINGS: Final = (".tar", ".tar.gz", ".tgz")


class Manifest(msgspec.Struct, frozen=True):
    """What a backup is: of which release and schemas, made when and from where, and the SHA-256 and size of each file."""

    format: int
    release: str
    made_at_ms: int
    data_dir: str
    schemas: Mapping[str, int]
    counts: Mapping[str, int]
    files: Mapping[str, tuple[str, int]]

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(size for _, size in self.files.values())


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Name all files of a folder in the manifest and write it there; return it."""
    named = msgspec.structs.replace(manifest, files=_files(folder))
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(named)))
    return named


def check(folder: Path) -> Manifest:
    """Read a backup's manifest and compare every file with it.

    Raises
    ------
    UsageError
        When it is no backup, of a format that this release does not know, or not as it was made.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{folder} is no backup: {error}", remedy="name what `hive-ml backup` made") from error
    if manifest.format != FORMAT:
        raise UsageError(
            f"{folder} is a backup of format {manifest.format}, this release reads {FORMAT}",
            remedy="restore it with the release that made it, then migrate",
        )
    held = _files(folder)
    for path in sorted(held.keys() | manifest.files.keys()):
        if held.get(path) != tuple(manifest.files.get(path, ())):
            raise UsageError(
                f"{folder}: {path} is not as it was backed up",
                remedy="fetch the backup again, or take another one",
            )
    return manifest


@contextmanager
def building(target: Path) -> Iterator[Path]:
    """Give a folder to fill; afterwards it is `target`, or in it as a tar, whole or not at all.

    Raises
    ------
    UsageError
        When the target is there already.
    """
    if target.exists():
        raise UsageError(f"{target} is there already", remedy="name another place, or move it away")
    target.parent.mkdir(parents=True, exist_ok=True)
    packed = target.name.endswith(TAR_ENDINGS)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.partial")
    folder = unfinished.with_name(unfinished.name + ".d") if packed else unfinished
    try:
        folder.mkdir()
        yield folder
        if packed:
            with tarfile.open(unfinished, "w:gz" if target.name.endswith("gz") else "w") as tar:
                tar.add(folder, ".")
        unfinished.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if packed:
            unfinished.unlink(missing_ok=True)


@contextmanager
def opened(source: Path) -> Iterator[Path]:
    """Give the folder of a backup, unpacked where it is a tar. Raises `UsageError`."""
    if source.is_dir():
        yield source
        return
    if not source.name.endswith(TAR_ENDINGS) or not source.is_file():
        raise UsageError(f"{source} is neither a folder nor a tar", remedy="name what `hive-ml backup` made")
    with TemporaryDirectory(prefix="hive-restore-") as scratch:
        try:
            with tarfile.open(source) as tar:
                unpack(tar, Path(scratch))
        except (tarfile.TarError, OSError, EOFError) as error:
            raise UsageError(f"{source} cannot be unpacked: {error}", remedy="fetch the backup again") from error
        yield Path(scratch)


def _files(folder: Path) -> dict[str, tuple[str, int]]:
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name != MANIFEST:
            with path.open("rb") as stream:
                found[name] = (file_digest(stream, "sha256").hexdigest(), path.stat().st_size)
    return found


def unpack(tar: tarfile.TarFile, folder: Path) -> None:
    """Write the plain files of an archive below a folder: no links, no devices, nothing outside of it.

    `extractall`'s own filter is not in every Python 3.11. Raises `tarfile.TarError`.
    """
    for member in tar:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
            raise tarfile.TarError(f"{member.name!r} is no plain file of this archive")
        target = folder / path
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        content = tar.extractfile(member)
        assert content is not None, "a plain file has content"
        with content, target.open("wb") as file:
            shutil.copyfileobj(content, file)
