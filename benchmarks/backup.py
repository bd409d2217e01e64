"""A backup under write load: how long it takes, how large it is, what writing costs meanwhile, and whether it restores.

    python -m benchmarks.backup [--tickets 100000] [--json FILE]

Tickets are the shipped sample; a writer goes on upserting tickets and records all the while. Ids are permanent.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from neural_hive_ml.conventions import PREDICTIONS
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.upkeep.archive import opened
from neural_hive_ml.upkeep.backup import back_up
from neural_hive_ml.upkeep.restore import restore


@dataclass(frozen=True, slots=True)
class Row:
    """One form of backup; `writes` batches of 50 tickets, 50 records and an event were written meanwhile."""

    id: str
    mib: float
    seconds: float
    restore_seconds: float
    writes: int
    slowest_write_ms: float
    tickets: int
    records: int
    ledger_intact: bool


def measured(folder: Path, target: Path, key: str, batches: Sequence[list[object]], scratch: Path) -> Row:
    """Back up while a writer writes, restore elsewhere and verify."""
    stop = threading.Event()
    pauses: list[float] = []

    def write() -> None:
        with (
            closing(EmbeddedTicketStore(folder / "tickets", 30.0)) as tickets,
            closing(EmbeddedStateStore(folder / "state.db", 30.0)) as state,
        ):
            ledger = Ledger(state, HeadFile(folder / "ledger"))
            for number, batch in enumerate(batches):
                if stop.is_set():
                    return
                began = time.perf_counter()
                tickets.upsert(batch)  # type: ignore[arg-type] # tickets
                state.insert(PREDICTIONS, [Record(f"{key}-{number}-{i}", number, {"n": i}) for i in range(50)])
                ledger.append("run", "load", {"number": number}, at_ms=number, actor="benchmark")
                pauses.append(time.perf_counter() - began)

    writer = threading.Thread(target=write)
    writer.start()
    began = time.perf_counter()
    back_up(folder, target, made_at_ms=1)
    seconds = time.perf_counter() - began
    stop.set()
    writer.join()
    size = (
        target.stat().st_size
        if target.is_file()
        else sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
    )
    place = scratch / f"restored-{key}"
    began = time.perf_counter()
    with opened(target) as source:
        done = restore(source, place)
    restored = time.perf_counter() - began
    with (
        closing(EmbeddedStateStore(place / "state.db")) as state,
        closing(EmbeddedTicketStore(place / "tickets")) as tickets,
    ):
        intact = Ledger(state, HeadFile(place / "ledger")).verify().intact
        same = tickets.extent().tickets == done.manifest.counts["tickets"]
        records = state.count(PREDICTIONS)
        count = tickets.extent().tickets
    slowest = max(pauses, default=0.0) * 1e3
    return Row(key, size / 2**20, seconds, restored, len(pauses), slowest, count, records, intact and same)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit code 1 when a restore does not verify."""
    parser = argparse.ArgumentParser(prog="benchmarks.backup")
    parser.add_argument("--tickets", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    tickets = list(islice(sample_tickets(), options.tickets + 50_000))
    late = tickets[options.tickets :]
    batches = [late[i : i + 50] for i in range(0, len(late), 50)]
    with TemporaryDirectory(prefix="hive-backup-") as name:
        scratch = Path(name)
        folder = scratch / "data"
        with closing(EmbeddedTicketStore(folder / "tickets")) as store:
            store.upsert(tickets[: options.tickets])
        with closing(EmbeddedStateStore(folder / "state.db")) as state:
            padding = {"explanation": "within what is usual", "model_name": "anomaly-detector", "score": 0.1234}
            state.insert(PREDICTIONS, [Record(os.urandom(8).hex(), i, {**padding, "ticket_id": t.ticket_id})
                                       for i, t in enumerate(tickets[: options.tickets])])  # fmt: skip
        half = len(batches) // 2
        rows = [
            measured(folder, scratch / "folder", "backup.folder", batches[:half], scratch),
            measured(folder, scratch / "packed.tar.gz", "backup.tar_gz", batches[half:], scratch),
        ]
    table = Table(title=f"Backup of {options.tickets:,} tickets and as many predictions, under write load")
    for heading in Row.__dataclass_fields__:
        table.add_column(heading)
    for row in rows:
        table.add_row(*(f"{v:,.1f}" if isinstance(v, float) else f"{v}" for v in asdict(row).values()))
    Console(width=160).print(table)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    return 0 if all(row.ledger_intact for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
