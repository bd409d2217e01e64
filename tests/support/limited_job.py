"""A job whose trainings have a limit of memory, as a process: `python -m tests.support.limited_job FOLDER` tells JSON."""

import json
import resource
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from neural_hive_ml.automation import desk_of, scheduled
from neural_hive_ml.cli.training_report import exit_code
from neural_hive_ml.clock import FixedClock
from neural_hive_ml.conventions import JOB_RUNS, RETRAINING_EVENTS, TRAINING_ACTOR
from neural_hive_ml.flow import Rules, Workspace, train
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.settings import load_settings
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.tickets.memory import MemoryTicketStore
from tests.support.trained import generated, generated_tickets, request

NAME = "scheduling-predictor-xgboost"
# What a forecast of so many tickets asks for at once, 86 MiB, is over the tight limit; a booster of ten days is under it.
TICKETS, TIGHT_MIB, WIDE_MIB = 5_000, 32.0, 2048.0


def held_mib() -> float:
    """Return what RLIMIT_DATA counts of this process now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmData"))


def told(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield what became of a wide weekly training, then of a tight one, then of one of the drift job."""
    tickets, columns = MemoryTicketStore(), generated(TICKETS)
    tickets.upsert(generated_tickets(TICKETS))
    state = EmbeddedStateStore(folder / "state.db")

    def workspace(now_ms: int) -> Workspace:
        return Workspace(tickets, state, MemoryRegistry(folder / str(now_ms)), Ledger(state), FixedClock(now_ms))

    begun_ms = request("load", columns).as_of_ms
    for name, week, more in (("wide", 0, WIDE_MIB), ("tight", 1, TIGHT_MIB)):
        asked = [
            request("load", columns, algorithm="seasonal_mean", horizon_minutes=60),
            replace(request("scheduling", columns, algorithm="lightgbm"), window_days=10),
        ]
        asked = [replace(one, as_of_ms=begun_ms + week) for one in asked]
        with scheduled(workspace(begun_ms + week), held_mib() + more) as attend:
            results = train(
                asked, workspace(begun_ms + week), Rules(actor=TRAINING_ACTOR), lambda _: None, attend=attend
            )
        yield name, [(r.status, r.error) for r in results]
        yield f"{name} code", exit_code(results)
    settings = load_settings({"RETRAINING_MEMORY_MIB": "64", "HIVE_DATA_DIR": str(folder)})
    outcome = desk_of(settings, workspace(begun_ms + 2), lambda _: None).train(NAME, begun_ms + 2, 600.0)
    yield "drift job", [outcome.success, outcome.error]
    events = sorted(state.find(RETRAINING_EVENTS), key=lambda event: (event.at_ms, event.document["model_type"]))
    yield "events", [(e.document["model_type"], e.document["success"], e.document["error"]) for e in events]
    yield "runs", [r.document["outcome"] for r in state.find(JOB_RUNS, where={"job": "training"})]
    yield "limit", resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dict(told(Path(sys.argv[1])))) + "\n")
