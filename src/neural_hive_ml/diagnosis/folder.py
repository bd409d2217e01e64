"""Is there a data folder to write to, with room?"""

import os
import tempfile
from collections.abc import Iterator

from neural_hive_ml.conventions import EXIT_FAILURE
from neural_hive_ml.diagnosis.check import Check, judged
from neural_hive_ml.settings import Settings
from neural_hive_ml.upkeep.disk import disk_use


def check_folder(settings: Settings) -> Iterator[Check]:
    """Yield whether the data folder can be written to, what is used of it and what is free."""
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Without a name: a file system that is full, read-only or not ours refuses it, and nothing is left.
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"doctor")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        yield Check(
            "data folder", "failed", f"{folder} cannot be written to: {error.strerror}",
            f"chown it to this user, or export HIVE_DATA_DIR: {folder}", EXIT_FAILURE,
        )  # fmt: skip
        return
    free = os.statvfs(folder)
    free_gib = free.f_bavail * free.f_frsize / 2**30
    use = disk_use(folder)
    parts = ", ".join(f"{part} {size / 2**20:,.0f}" for part, size in use.bytes_of.items() if size)
    budget = settings.number("DISK_BUDGET_GIB")
    bound = f", at most {budget * 1024:,.0f} wanted" if budget else ""
    detail = f"{folder}: {use.total / 2**20:,.0f} MiB used ({parts or 'empty'}){bound}, {free_gib:,.0f} GiB free"
    fits = not budget or use.total <= budget * 2**30
    yield judged("data folder", detail, well=free_gib > 1 and fits, remedy="hive-ml data prune, or make room")
