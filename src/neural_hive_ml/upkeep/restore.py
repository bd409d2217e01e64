"""A backup put into an empty data folder, or empty stores beside it: checked first, brought to this release's schema."""

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neural_hive_ml.errors import StoreUnavailable, UsageError
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.pages import pages
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.upkeep.archive import Manifest, check
from neural_hive_ml.upkeep.collections import BACKED_UP
from neural_hive_ml.upkeep.schema import StoreSchema, migrate
from neural_hive_ml.upkeep.sqlite_copy import move_paths

Say = Callable[[str], None]
STORES: Final = ("state.db", "tickets")
PARTS: Final = (*STORES, "ledger", "published", "statistics", "mlflow.db", "mlartifacts")


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and the schemas that it had: older ones were brought forward."""

    manifest: Manifest
    schemas: tuple[StoreSchema, ...]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Stores of record that are no files (MongoDB): state and tickets go there, and are not left as files too."""

    state: StateStore
    tickets: TicketStore


def restore(
    folder: Path, data_dir: Path, *, elsewhere: Elsewhere | None = None, say: Say = lambda _: None
) -> Restored:
    """Restore an unpacked backup.

    Raises
    ------
    UsageError
        When the backup is not whole, or the data folder or the other stores hold anything already: nothing is overwritten.
    StoreUnavailable
        When a newer release wrote it, or a store elsewhere does not answer; what came into that one by then stays there.
    """
    manifest = check(folder)
    there = [name for name in PARTS if (data_dir / name).exists()]
    if there:
        raise UsageError(
            f"{data_dir} holds {', '.join(there)}",
            remedy="restore into an empty folder (HIVE_DATA_DIR), or move those away",
        )
    if elsewhere is not None:
        _refuse_what_is_in_use(elsewhere)
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
        if elsewhere is not None:
            _carry(unfinished, elsewhere, say)
        for name in PARTS if elsewhere is None else PARTS[len(STORES) :]:
            if (unfinished / name).exists():
                (unfinished / name).rename(data_dir / name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Restored(manifest, schemas)


def _refuse_what_is_in_use(stores: Elsewhere) -> None:
    held = [f"{n:,} {name}" for name in BACKED_UP if (n := stores.state.count(name))]
    if tickets := stores.tickets.extent().tickets:
        held.insert(0, f"{tickets:,} tickets")
    if held:
        raise UsageError(
            f"{stores.state.describe()} holds {', '.join(held)}",
            remedy="restore into a database that is empty: name another in MONGODB_DATABASE, or drop that one",
        )


def _carry(files: Path, stores: Elsewhere, say: Say) -> None:
    """Carry state and tickets of an unpacked backup into stores elsewhere."""
    try:
        if (files / "state.db").exists():
            with closing(EmbeddedStateStore(files / "state.db")) as held:
                say(f"{_records(held, stores.state):,} records into {stores.state.describe()}")
        if (files / "tickets").exists():
            with closing(EmbeddedTicketStore(files / "tickets")) as held_tickets:
                done = stores.tickets.upsert(held_tickets.tickets(TicketWindow()))
                say(f"{done.stored:,} tickets into {stores.tickets.describe()}")
    except StoreUnavailable as error:
        raise StoreUnavailable(
            f"the restore stopped half way: {error}",
            remedy="drop the database of MONGODB_DATABASE and restore again, nothing else was changed",
        ) from error


def _records(source: StateStore, target: StateStore) -> int:
    return sum(target.insert(name, page) for name in BACKED_UP for page in pages(source, name))
