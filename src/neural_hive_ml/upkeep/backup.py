"""Everything that cannot be made again, in one place, taken while services write.

The order makes the parts agree: ledger heads before the ledger (a head may lag behind, never be ahead), pointers before the
artifacts they name (again where one went meanwhile), the tickets' catalog before its segments (under the lock that keeps
files from being swept).
"""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from neural_hive_ml import __version__
from neural_hive_ml.conventions import LEDGER
from neural_hive_ml.ledger.chain import key_of
from neural_hive_ml.registry.published import PublishedFolder
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.pages import pages
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.tickets.compaction import undisturbed
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.upkeep.archive import FORMAT, Manifest, building, seal
from neural_hive_ml.upkeep.collections import BACKED_UP
from neural_hive_ml.upkeep.schema import schemas_of
from neural_hive_ml.upkeep.sqlite_copy import copy_database

Say = Callable[[str], None]
_TRIES: Final = 3
_NIGHTLY: Final = re.compile(r"hive-\d{8}T\d{6}Z\.tar\.gz")


def back_up(
    data_dir: Path,
    target: Path,
    *,
    made_at_ms: int,
    heads: Path | None = None,
    state: StateStore | None = None,
    tickets: TicketStore | None = None,
    say: Say = lambda _: None,
) -> Manifest:
    """Back a data folder up into a new folder or tar; return what is in it.

    `state` and `tickets` are given where they lie elsewhere (MongoDB): they are copied record by record into embedded
    stores, so that every backup reads the same. `heads` is the folder of the ledger's heads, where that lies elsewhere.

    Raises
    ------
    UsageError
        When the target is there already.
    StoreUnavailable
        When a store does not answer.
    """
    with building(target) as folder:
        _copy_tree(heads or data_dir / "ledger", folder / "ledger")
        say("state")
        if state is not None:
            copy_state(state, folder / "state.db")
        elif (data_dir / "state.db").exists():
            copy_database(data_dir / "state.db", folder / "state.db")
        say("published")
        for name in _copy_published(data_dir / "published", folder / "published"):
            say(
                f"{name} names an artifact that is not whole (next: hive-ml models promote {name.partition('@')[0]})"
            )
        say("statistics")
        _copy_tree(data_dir / "statistics", folder / "statistics")
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
            for page in pages(source, collection):
                copy.insert(collection, page)
        _fill_chains(source, copy)
        copy.forget()


def _fill_chains(source: StateStore, copy: StateStore) -> None:
    """Copy the decisions that came in behind the cursor: pages go by time, and a decision may be dated back."""
    newest: dict[str, int] = {}
    for page in pages(copy, LEDGER):
        for record in page:
            if "hash" in record.document:
                chain, sequence = str(record.document["chain"]), int(record.document["sequence"])
                newest[chain] = max(newest.get(chain, 0), sequence)
    for chain, last in newest.items():
        for key in (key_of(chain, sequence) for sequence in range(1, last + 1)):
            if copy.get(LEDGER, key) is None and (missed := source.get(LEDGER, key)) is not None:
                copy.insert(LEDGER, [missed])


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


def _copy_published(source: Path, target: Path) -> Sequence[str]:
    """Copy pointers, then the artifacts they name; again where a promotion took one away meanwhile.

    Return the models whose artifact is not whole at the source either.
    """
    for _ in range(_TRIES):
        shutil.rmtree(target, ignore_errors=True)
        for pointer in sorted(source.glob("*.json")):
            with suppress(FileNotFoundError):
                _copy_file(pointer, target / pointer.name)
        _copy_tree(source / "artifacts", target / "artifacts")
        broken = PublishedFolder(target).broken()
        if not broken:
            break
    return broken


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


def keep_newest(folder: Path, keep: int) -> list[Path]:
    """Delete all but the newest so many backups of a folder whose names `nightly_name` made; return what went."""
    made = sorted(path for path in folder.glob("hive-*.tar.gz") if _NIGHTLY.fullmatch(path.name))
    gone = made[: max(len(made) - max(keep, 1), 0)]
    for path in gone:
        path.unlink()
    return gone


def nightly_name(made_at_ms: int) -> str:
    """Return the name of a backup among others; names sort as their moments do.

    >>> nightly_name(1385856000000)
    'hive-20131201T000000Z.tar.gz'
    """
    return f"hive-{datetime.fromtimestamp(made_at_ms / 1000, UTC):%Y%m%dT%H%M%SZ}.tar.gz"
