"""Which schema each embedded store has, and whether this release would bring it forward."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neural_hive_ml.state.embedded import SCHEMA_VERSION as STATE_SCHEMA
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.sqlite import reading
from neural_hive_ml.tickets.catalog import SCHEMA_VERSION as TICKETS_SCHEMA
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore

# Store -> its database in the data folder, and the schema that this release writes.
STORES: Final[Mapping[str, tuple[str, int]]] = {
    "state": ("state.db", STATE_SCHEMA),
    "tickets": ("tickets/catalog.db", TICKETS_SCHEMA),
}


@dataclass(frozen=True, slots=True)
class StoreSchema:
    """`held` is the schema on the disk, None where there is no store yet; `known` the newest of this release."""

    store: str
    held: int | None
    known: int

    @property
    def pending(self) -> bool:
        """True when migrations are to be taken."""
        return self.held is not None and self.held < self.known

    @property
    def too_new(self) -> bool:
        """True when a newer release wrote it."""
        return self.held is not None and self.held > self.known


def examine(data_dir: Path) -> tuple[StoreSchema, ...]:
    """Look at the stores of a data folder without changing them. Raises `StoreUnavailable`."""
    return tuple(StoreSchema(store, _held(data_dir / path), known) for store, (path, known) in STORES.items())


def schemas_of(data_dir: Path) -> dict[str, int]:
    """Return the schema of each store that is there."""
    return {one.store: one.held for one in examine(data_dir) if one.held is not None}


def migrate(data_dir: Path) -> tuple[StoreSchema, ...]:
    """Bring every store forward, each migration in a transaction of its own; return what was held before.

    Opening a store does the same: this is for doing it at a moment of one's choice, and seeing it.

    Raises
    ------
    StoreUnavailable
        When a newer release wrote a store.
    """
    before = examine(data_dir)
    for one in before:
        path = data_dir / STORES[one.store][0]
        if one.held is not None and one.store == "state":
            EmbeddedStateStore(path).close()
        elif one.held is not None:
            EmbeddedTicketStore(path.parent).close()
    return before


def _held(database: Path) -> int | None:
    if not database.exists():
        return None
    with reading(database), closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5.0)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])
