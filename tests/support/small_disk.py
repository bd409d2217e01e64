"""A folder on a disk that is full, or as good as that."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def full_disk(folder: Path) -> Iterator[str]:
    """Put a tiny, filled tmpfs over a folder and yield how; where mounting is not allowed a file takes its place.

    Either way nothing can be written below it until the block ends.
    """
    aside = folder.with_name(folder.name + ".aside")
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            with suppress(OSError):
                (folder / "filler").write_bytes(b"\0" * 2**20)
            yield "a tmpfs of 64 KiB, filled"
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    folder.rename(aside)
    folder.write_bytes(b"")
    try:
        yield "a file where the folder was"
    finally:
        folder.unlink()
        aside.rename(folder)
