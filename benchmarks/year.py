"""A year in virtual time: does anything grow without bound once retention has started?

    python -m benchmarks.year [--tickets-a-day 10000] [--days 365] [--json FILE]      # the whole: an hour or two
    python -m benchmarks.year --tickets-a-day 200 --days 120 --keep-days 30 --check-hours 24   # minutes

Each virtual day brings tickets into the embedded store and two predictions a ticket into the state. Every 6 hours the drift
of the scheduling model is really checked. Each week one is really trained on two weeks (at most 5,000 tickets), registered
in MLflow and promoted. Each day the plan of `hive-ml data prune` runs. `--keep-days` stands for the days of tickets and
predictions (540 would not be over within a year); the rest is as shipped. Files grow older by a day with each virtual day,
so that what is kept for present readers goes in virtual time too. Ids are permanent.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.conventions import DRIFT_RECORDS, LEDGER, PREDICTIONS, TICKETS, scheduling_model_name
from neural_hive_ml.drift.monitor import check_champions
from neural_hive_ml.errors import HiveError
from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.registry.promotion import promote
from neural_hive_ml.registry.retention import Retention
from neural_hive_ml.registry.retention import prune as prune_model
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.columns import concat
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.generator import GeneratorPlan, generate
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.families import train_family
from neural_hive_ml.training.request import TrainingRequest
from neural_hive_ml.upkeep.collections import SETTING_OF
from neural_hive_ml.upkeep.disk import disk_use
from neural_hive_ml.upkeep.retention import plan, prune

START_MS = 20_000 * DAY_MS
NAME = scheduling_model_name()
MOST_LEARNED = 5_000
KEPT_VERSIONS = 10


@dataclass(frozen=True, slots=True)
class Sight:
    """What is there at the end of a virtual day; sizes in MiB, `rss` the greatest memory of the process so far."""

    day: int
    tickets: int
    predictions: int
    drift_records: int
    ledger_events: int
    versions: int
    artifact_files: int
    mib_tickets: float
    mib_state: float
    mib_models: float
    mib_published: float
    rss_mib: float
    seconds: float


class Year:
    """The world of the benchmark: stores, registry, and a clock that is an argument."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.options = folder, options
        self.tickets = EmbeddedTicketStore(folder / "tickets")
        self.state = EmbeddedStateStore(folder / "state.db")
        self.ledger = Ledger(self.state, HeadFile(folder / "ledger"))
        self.registry = MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder)
        days = dict.fromkeys(SETTING_OF, 0.0)
        self.days_of = days | {TICKETS: options.keep_days, PREDICTIONS: options.keep_days}
        per_hour = options.tickets_a_day / 24
        self.stream = iter(
            generate(GeneratorPlan(seed=1, start_ms=START_MS, per_hour=per_hour, tasks=60, owners=12))
        )
        self.ahead: Ticket | None = None

    def live(self, day: int) -> None:
        """One virtual day: tickets, predictions, checks, training once a week, pruning."""
        end_ms = START_MS + (day + 1) * DAY_MS
        fresh = self._arrived(end_ms)
        self.tickets.upsert(fresh)
        self.state.insert(PREDICTIONS, (record for t in fresh for record in _predictions(t)))
        if day % 7 == 6:
            self._train(end_ms)
        for hour in range(0, 24, self.options.check_hours):
            self._check(end_ms - DAY_MS + hour * HOUR_MS)
        prune(plan(self.days_of, end_ms), self.tickets, self.state)
        for file in (self.folder / "tickets").iterdir():
            seen = file.stat()
            os.utime(file, (seen.st_atime, seen.st_mtime - DAY_MS / 1_000))

    def _arrived(self, end_ms: int) -> list[Ticket]:
        held = [self.ahead] if self.ahead is not None else []
        last: list[Ticket] = []

        def before(ticket: Ticket) -> bool:
            last[:] = [ticket]
            return ticket.created_at < end_ms

        held += list(takewhile(before, self.stream))
        self.ahead = last[0]
        return held

    def _train(self, at_ms: int) -> None:
        window = TicketWindow(at_ms - 14 * DAY_MS, at_ms)
        columns = as_of(concat(list(self.tickets.blocks(window))), at_ms)
        if len(columns) > MOST_LEARNED:
            columns = columns.take(columns.created_at_ms >= columns.created_at_ms[-MOST_LEARNED])
        request = TrainingRequest("scheduling", at_ms, window_days=14, min_samples=200, threads=1)
        made = train_family(columns, request, lambda _: None)
        version = self.registry.register(made.model, made.evaluation, Verdict(Outcome.PROMOTE, ("benchmark",)), {})
        self.ledger.append("gate", NAME, {"version": version.version}, at_ms=at_ms, actor="benchmark")
        promote(self.registry, self.state, version, actor="benchmark", reason="weekly", at_ms=at_ms)
        # The registry's clock is the machine's: by number only, not by age.
        prune_model(self.registry, self.state, NAME, Retention(KEPT_VERSIONS, 0.0), now_ms=2**45)

    def _check(self, at_ms: int) -> None:
        try:
            check_champions(
                self.tickets,
                self.state,
                self.registry,
                as_of_ms=at_ms,
                window_hours=24,
                threshold=0.2,
                names=(NAME,),
            )
        except HiveError as error:
            print(f"check at {at_ms}: {error}", file=sys.stderr)

    def sight(self, day: int, began: float) -> Sight:
        """Look at everything."""
        use = {part: size / 2**20 for part, size in disk_use(self.folder).bytes_of.items()}
        files = sum(1 for path in (self.folder / "mlartifacts").rglob("*") if path.is_file())
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Sight(
            day + 1, self.tickets.extent().tickets, self.state.count(PREDICTIONS), self.state.count(DRIFT_RECORDS),
            self.state.count(LEDGER), len(self.registry.versions(NAME)), files, use["tickets"], use["state"], use["models"],
            use["published"], rss, time.perf_counter() - began,
        )  # fmt: skip

    def close(self) -> None:
        self.tickets.close()
        self.state.close()


def _predictions(ticket: Ticket) -> Sequence[Record]:
    """Two records of the size that services write."""
    document = {
        "service": "guard-agents", "family": "anomaly", "ticket_id": ticket.ticket_id, "model_name": "anomaly-detector",
        "decision": "normal", "score": 0.123456789, "threshold": 0.5, "severity": "low", "stage": "created",
        "explanation": "within what is usual", "contributions": [], "review": "unsolicited", "review_probability": 0.01,
    }  # fmt: skip
    return [Record(f"{ticket.ticket_id}:{k}", ticket.created_at + k, document) for k in range(2)]


def flat(sights: Sequence[Sight], keep_days: float) -> dict[str, float]:
    """Return by how much each figure grew from shortly after retention began to the end, as a ratio."""
    settled = [s for s in sights if s.day >= keep_days * 1.2]
    first, last = settled[0], settled[-1]
    names = (
        "tickets",
        "predictions",
        "versions",
        "artifact_files",
        "mib_tickets",
        "mib_state",
        "mib_models",
        "rss_mib",
    )
    return {name: getattr(last, name) / max(getattr(first, name), 1e-9) for name in names}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and the ratios."""
    parser = argparse.ArgumentParser(prog="benchmarks.year")
    parser.add_argument("--tickets-a-day", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--keep-days", type=float, default=90)
    parser.add_argument("--check-hours", type=int, default=6)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    sights = []
    began = time.perf_counter()
    with TemporaryDirectory(prefix="hive-year-") as scratch, closing(Year(Path(scratch), options)) as year:
        every = max(options.days // 12, 1)
        for day in range(options.days):
            year.live(day)
            if day % every == every - 1 or day == options.days - 1:
                sights.append(year.sight(day, began))
            if day % 5 == 4:
                print(f"day {day + 1}: {time.perf_counter() - began:,.0f} s", file=sys.stderr)
        verified = year.ledger.verify()
    table = Table(title=f"A year at {options.tickets_a_day:,} tickets a day, kept {options.keep_days:g} days")
    for heading in Sight.__dataclass_fields__:
        table.add_column(heading)
    for sight in sights:
        table.add_row(*(f"{v:,.1f}" if isinstance(v, float) else f"{v:,}" for v in asdict(sight).values()))
    console = Console(width=200)
    console.print(table)
    ratios = flat(sights, options.keep_days)
    console.print("year.flat: " + ", ".join(f"{name} x{ratio:.2f}" for name, ratio in ratios.items()))
    console.print(f"year.ledger: {verified.events:,} events, intact: {verified.intact}")
    if options.json:
        told = {"sights": [asdict(s) for s in sights], "flat": ratios, "ledger_intact": verified.intact}
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0 if verified.intact else 1


if __name__ == "__main__":
    sys.exit(main())
