"""A SQLite database copied while others write: one moment of it, in a file of its own."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from neural_hive_ml.state.sqlite import reading

# Pages copied before writers get their turn.
_PAGES = 2_000


def copy_database(source: Path, target: Path, timeout_seconds: float = 30.0) -> None:
    """Copy one moment of a database; writers go on. Raises `StoreUnavailable`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with reading(source), closing(sqlite3.connect(source, timeout=timeout_seconds)) as held:
        # A read transaction holds the moment: without it a busy writer makes the copy begin again and again.
        held.execute("BEGIN")
        held.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with closing(sqlite3.connect(target, timeout=timeout_seconds)) as copy:
            held.backup(copy, pages=_PAGES)
            copy.execute("PRAGMA journal_mode=DELETE")
        held.execute("COMMIT")


def move_paths(database: Path, before: Path, after: Path) -> int:
    """Replace a folder by another wherever a text of the database names it; return how many cells changed."""
    changed = 0
    pairs = [(str(before), str(after)), (quote(str(before)), quote(str(after)))]
    with reading(database), closing(sqlite3.connect(database)) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for column in db.execute(f'PRAGMA table_info("{table}")').fetchall():
                kind = str(column[2]).upper()
                if "CHAR" not in kind and "TEXT" not in kind:
                    continue
                for old, new in dict(pairs).items():
                    # Only as a whole folder: /data is not the beginning of /database.
                    query = (
                        f'UPDATE "{table}" SET "{column[1]}" = replace("{column[1]}", ?, ?) '  # noqa: S608 - names of the database itself
                        f'WHERE instr("{column[1]}", ?) > 0'
                    )
                    changed += db.execute(query, (f"{old}/", f"{new}/", f"{old}/")).rowcount
        db.commit()
    return changed
