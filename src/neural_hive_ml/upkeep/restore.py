"""A backup put into an empty data folder: checked first, whole or not at all, brought to this release's schema."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neural_hive_ml.errors import UsageError
from neural_hive_ml.upkeep.archive import Manifest, check
from neural_hive_ml.upkeep.schema import StoreSchema, migrate
from neural_hive_ml.upkeep.sqlite_copy import move_paths

PARTS: Final = ("state.db", "tickets", "ledger", "published", "statistics", "mlflow.db", "mlartifacts")


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and the schemas that it had: older ones were brought forward."""

    manifest: Manifest
    schemas: tuple[StoreSchema, ...]


def restore(folder: Path, data_dir: Path) -> Restored:
    """Restore an unpacked backup.

    Raises
    ------
    UsageError
        When the backup is not whole, or the data folder holds any of its parts already: nothing is overwritten.
    StoreUnavailable
        When a newer release wrote it.
    """
    manifest = check(folder)
    there = [name for name in PARTS if (data_dir / name).exists()]
    if there:
        raise UsageError(
            f"{data_dir} holds {', '.join(there)}",
            remedy="restore into an empty folder (HIVE_DATA_DIR), or move those away",
        )
    data_dir.mkdir(parents=True, exist_ok=True)
    unfinished = data_dir / f".restore.{os.getpid()}.partial"
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        for name in manifest.files:
            target = unfinished / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, target)
        if (unfinished / "mlflow.db").exists():
            # MLflow keeps absolute addresses of its files.
            move_paths(unfinished / "mlflow.db", Path(manifest.data_dir), data_dir)
        schemas = migrate(unfinished)
        for name in PARTS:
            if (unfinished / name).exists():
                (unfinished / name).rename(data_dir / name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Restored(manifest, schemas)
