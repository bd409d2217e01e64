"""Make the small data folder that the next release's tests upgrade: run it with each release, before its schema changes.

    python scripts/make_release_fixture.py tests/fixtures/release-<version>

It holds every kind of store with a few records, a published model, and what that model answered (expected.json).
"""

import json
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.registry import duration_model, evaluation
from tests.support.tickets import flights

from neural_hive_ml import __version__
from neural_hive_ml.conventions import PREDICTIONS
from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.feedback.desk import VerdictDesk
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.registry.promotion import promote
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.serving.statistics_shelf import FolderShelf
from neural_hive_ml.serving.statistics_source import LiveStatistics
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.lifecycle import events_of, order_of

TICKETS = 80


def main(target: Path) -> None:
    """Write the fixture; `target` must not exist."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tickets = flights(TICKETS)
        with closing(EmbeddedTicketStore(folder / "tickets")) as store:
            store.upsert(tickets)
            store.upsert([replace(t, retry_count=1) for t in tickets[:5]])
        live = LiveStatistics()
        for event in sorted((e for t in tickets for e in events_of(t)), key=order_of):
            live.learn(event)
        FolderShelf(folder / "statistics").put(3, live.snapshot())
        model = replace(duration_model(), statistics=live.current.snapshot())
        registry = MemoryRegistry(folder)
        version = registry.register(model, evaluation(model.name), Verdict(Outcome.PROMOTE, ("fixture",)), {})
        with closing(EmbeddedStateStore(folder / "state.db")) as state:
            ledger = Ledger(state, HeadFile(folder / "ledger"))
            promote(registry, state, version, actor="release", reason="fixture", at_ms=1)
            ledger.append("gate", model.name, {"outcome": "PROMOTE", "version": 1}, at_ms=2, actor="release")
            state.insert(
                PREDICTIONS,
                [Record(t.ticket_id[:12], i, {"ticket_id": t.ticket_id}) for i, t in enumerate(tickets)],
            )
            desk = VerdictDesk(state, ledger, 0.5)
            desk.take("anomaly", author="ana", at_ms=10, ticket_id=tickets[0].ticket_id, note="late")
            state.release(state.acquire("job", "me", now_ms=1, ttl_ms=1))
        expected = {"release": __version__, "tickets": TICKETS, "answers": _answers(model, tickets)}
        (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
        for database in (folder / "state.db", folder / "tickets" / "catalog.db"):
            with closing(sqlite3.connect(database)) as db:
                db.execute("PRAGMA journal_mode=DELETE")
                db.execute("VACUUM")
        shutil.rmtree(folder / "artifacts", ignore_errors=True)
        for leftover in folder.rglob("*lock"):
            leftover.unlink()
        shutil.copytree(folder, target)


def _answers(model, tickets):  # type: ignore[no-untyped-def] # runs on any release
    from neural_hive_ml.features.row import feature_row

    scorer = DurationScorer.load(model)
    statistics = Statistics.restore(model.statistics)
    rows = [feature_row(t, "created", t.created_at, statistics, scorer.binding) for t in tickets[:10]]
    return {t.ticket_id: scorer.forecast(row[None])[0].tolist() for t, row in zip(tickets, rows, strict=False)}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
