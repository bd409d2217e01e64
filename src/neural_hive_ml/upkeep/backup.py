"""Everything that cannot be made again, in one place, taken while services write.

The order makes the parts agree: ledger heads before the ledger (a head may lag behind, never be ahead), pointers before the
artifacts they name, the tickets' catalog before its segments (under the lock that keeps files from being swept).
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from neural_hive_ml import __version__
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.tickets.compaction import undisturbed
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.upkeep.archive import FORMAT, Manifest, building, seal
from neural_hive_ml.upkeep.collections import BACKED_UP
from neural_hive_ml.upkeep.schema import schemas_of
from neural_hive_ml.upkeep.sqlite_copy import copy_database

Say = Callable[[str], None]
_PAGE: Final = 2_000
_TREES: Final = ("published", "statistics")


def back_up(
    data_dir: Path,
    target: Path,
    *,
    made_at_ms: int,
    state: StateStore | None = None,
    tickets: TicketStore | None = None,
    say: Say = lambda _: None,
) -> Manifest:
    """Back a data folder up into a new folder or tar; return what is in it.

    `state` and `tickets` are given where they lie elsewhere (MongoDB): they are copied record by record into embedded
    stores, so that every backup reads the same.

    Raises
    ------
    UsageError
        When the target is there already.
    StoreUnavailable
        When a store does not answer.
    """
    with building(target) as folder:
        _copy_tree(data_dir / "ledger", folder / "ledger")
        say("state")
        if state is not None:
            copy_state(state, folder / "state.db")
        elif (data_dir / "state.db").exists():
            copy_database(data_dir / "state.db", folder / "state.db")
        for name in _TREES:
            say(name)
            _copy_tree(data_dir / name, folder / name)
        if (data_dir / "mlflow.db").exists():
            say("models")
            copy_database(data_dir / "mlflow.db", folder / "mlflow.db")
            _copy_tree(data_dir / "mlartifacts", folder / "mlartifacts")
        say("tickets")
        if tickets is not None:
            copy_tickets(tickets, folder / "tickets")
        else:
            _copy_segments(data_dir / "tickets", folder / "tickets")
        counts = _counts(folder)
        manifest = Manifest(FORMAT, __version__, made_at_ms, str(data_dir), schemas_of(folder), counts, {})
        say("digests")
        return seal(folder, manifest)


def copy_state(source: StateStore, target: Path) -> None:
    """Copy all collections into an embedded store."""
    with closing(EmbeddedStateStore(target)) as copy:
        for collection in BACKED_UP:
            after: tuple[int, str] | None = None
            while page := source.find(collection, limit=_PAGE, after=after):
                copy.insert(collection, page)
                after = page[-1].at_ms, page[-1].key
        copy.forget()


def copy_tickets(source: TicketStore, target: Path) -> None:
    """Copy all tickets into an embedded store."""
    with closing(EmbeddedTicketStore(target)) as copy:
        copy.upsert(source.tickets(TicketWindow()))


def _copy_segments(source: Path, target: Path) -> None:
    if not (source / "catalog.db").exists():
        return
    with undisturbed(source):
        copy_database(source / "catalog.db", target / "catalog.db")
        for name in _segments(target / "catalog.db"):
            for ending in ("parquet", "keys"):
                _copy_file(source / f"{name}.{ending}", target / f"{name}.{ending}")


def _segments(catalog: Path) -> list[str]:
    import sqlite3

    with closing(sqlite3.connect(catalog)) as db:
        return [name for (name,) in db.execute("SELECT name FROM segments ORDER BY number")]


def _copy_tree(source: Path, target: Path) -> None:
    """Copy a folder whose files are replaced as a whole; one that vanishes meanwhile is not needed any more."""
    for path in sorted(source.rglob("*")) if source.is_dir() else ():
        name = path.relative_to(source)
        if path.is_file() and not path.name.startswith(".") and path.name != "lock":
            try:
                _copy_file(path, target / name)
            except FileNotFoundError:
                continue


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _counts(folder: Path) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    if (folder / "tickets").exists():
        with closing(EmbeddedTicketStore(folder / "tickets")) as tickets:
            counts["tickets"] = tickets.extent().tickets
        _leave_one_file(folder / "tickets" / "catalog.db")
        (folder / "tickets" / "compaction.lock").unlink(missing_ok=True)
    if (folder / "state.db").exists():
        with closing(EmbeddedStateStore(folder / "state.db")) as state:
            counts |= {name: found for name in BACKED_UP if (found := state.count(name))}
        _leave_one_file(folder / "state.db")
    return counts


def _leave_one_file(database: Path) -> None:
    """Fold a database's log into it: a backup is plain files."""
    import sqlite3

    with closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA journal_mode=DELETE")


def restored_records(source: StateStore, target: StateStore) -> int:
    """Insert all records of a backup into a store that lies elsewhere; what is there already is left as it is."""
    written = 0
    for collection in BACKED_UP:
        after: tuple[int, str] | None = None
        while page := source.find(collection, limit=_PAGE, after=after):
            written += target.insert(collection, [Record(r.key, r.at_ms, r.document) for r in page])
            after = page[-1].at_ms, page[-1].key
    return written
