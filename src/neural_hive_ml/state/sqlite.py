"""One way to open SQLite for several processes at once: WAL, a busy time-out, errors in our words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neural_hive_ml.errors import StoreUnavailable


def connect(path: Path, schema: str, timeout_seconds: float = 5.0) -> sqlite3.Connection:
    """Open (and make) a database usable by several processes; `schema` must be idempotent.

    Raises
    ------
    StoreUnavailable
        When the file cannot be opened or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=timeout_seconds, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.executescript(schema)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"{path}: {error}", remedy="check HIVE_DATA_DIR, its rights and free space") from error
    return db


@contextmanager
def transaction(db: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """Write all or nothing; a locked or broken file becomes `StoreUnavailable`."""
    with reading(path):
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into `StoreUnavailable`, naming the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path}: {error}", remedy="check the file, its rights and free space") from error
