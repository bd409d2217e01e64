"""One way to open SQLite for several processes at once: WAL, a busy time-out, errors in our words."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from neural_hive_ml.errors import StoreUnavailable

IN_MEMORY = Path(":memory:")
_REMEDY = "check the file, its rights and free space"


def connect(path: Path, migrations: Sequence[str], timeout_seconds: float = 5.0) -> sqlite3.Connection:
    """Open (and make) a database usable by several processes, at the schema of the last migration.

    `migrations` are scripts, oldest first; each runs once, in a transaction of its own.

    Raises
    ------
    StoreUnavailable
        When the file cannot be opened or written, or was written by a newer release.
    """
    try:
        if path != IN_MEMORY:
            path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=timeout_seconds, isolation_level=None, check_same_thread=False)
        _use_wal(db, timeout_seconds)
        db.execute("PRAGMA synchronous=NORMAL")
        _migrate(db, migrations, path)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"{path}: {error}", remedy=f"{_REMEDY}; HIVE_DATA_DIR moves it") from error
    return db


def _use_wal(db: sqlite3.Connection, timeout_seconds: float) -> None:
    """Switch to WAL; the switch itself does not wait for other processes, so it is tried until the time-out."""
    give_up = time.monotonic() + timeout_seconds
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.02)
        else:
            return


def _migrate(db: sqlite3.Connection, migrations: Sequence[str], path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise StoreUnavailable(
            f"{path} has schema {version}, this release knows {len(migrations)}", remedy="use the newer release"
        )
    for number in range(version + 1, len(migrations) + 1):
        with transaction(db, path):
            # Another process may have been first while this one waited for the lock.
            if db.execute("PRAGMA user_version").fetchone()[0] < number:
                for statement in migrations[number - 1].split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={number}")


def forget(db: sqlite3.Connection, path: Path) -> None:
    """Rewrite the file, so that nothing that was deleted or replaced is left in it or in its log.

    Raises
    ------
    StoreUnavailable
        When a reader holds on to the log until the time-out.
    """
    if path == IN_MEMORY:
        return
    with reading(path):
        db.execute("VACUUM")
        busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        raise StoreUnavailable(f"{path}: its log is in use and still holds deleted records", remedy="run it again")


@contextmanager
def transaction(db: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """Write all or nothing; a locked or broken file becomes `StoreUnavailable`."""
    with reading(path):
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            # A full disk may have ended the transaction already.
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


@contextmanager
def view(db: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """Read one moment of the database with several statements; writers are not held up."""
    with reading(path):
        db.execute("BEGIN")
        try:
            yield db
        finally:
            db.execute("COMMIT")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into `StoreUnavailable`, naming the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path}: {error}", remedy=_REMEDY) from error
