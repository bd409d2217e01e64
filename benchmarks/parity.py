"""One version of a model, asked three ways: the service over HTTP, `mlflow.pyfunc.load_model`, and training's code.

    python -m benchmarks.parity [--tickets 10000] [--json FILE]

The statistics are the snapshot in the artifact. Real tickets (the shipped flights), each at its creation and at its end;
durations at their creation. Feature rows of the last two ways come from training's bulk code, those of the service from its
own, one ticket at a time.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from tests.support.served import served

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.features.frame import STAGES, Stage, build_frame
from neural_hive_ml.features.spec import NAMES
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.registry.promotion import promote
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.scoring.load_scorer import load_scorer
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.anomaly import train_anomaly
from neural_hive_ml.training.duration import train_duration
from neural_hive_ml.training.request import Candidate, TrainingRequest

Floats = npt.NDArray[np.float64]
# Tickets that the models learn from, before those that are asked about.
LEARNED = 4_000
BATCH = 500
WAIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Row:
    """One model at one stage: answers compared, verdicts that differ, greatest difference to training's code.

    Differences of durations are relative, of scores absolute.
    """

    id: str
    model: str
    stage: str
    answers: int
    other_verdicts: int
    service_off: float
    pyfunc_off: float


def main(arguments: list[str]) -> int:
    """Print the table, and write it as JSON when asked for; exit code 1 when a verdict differs or a score by 1e-9."""
    count = int(arguments[arguments.index("--tickets") + 1]) if "--tickets" in arguments else 10_000
    with TemporaryDirectory() as folder:
        rows = compare(Path(folder), count)
    table = Table(title="Parity with training's code")
    for heading in ("id", "model", "stage", "answers", "other verdicts", "service off by", "pyfunc off by"):
        table.add_column(heading)
    for row in rows:
        table.add_row(
            row.id, row.model, row.stage, f"{row.answers:,}", str(row.other_verdicts), f"{row.service_off:.1e}",
            f"{row.pyfunc_off:.1e}",
        )  # fmt: skip
    Console(width=140).print(table)
    if "--json" in arguments:
        file = Path(arguments[arguments.index("--json") + 1])
        file.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    sound = all(r.other_verdicts == 0 and max(r.service_off, r.pyfunc_off) <= 1e-9 for r in rows)
    return 0 if sound else 1


def compare(folder: Path, count: int, learned: int = LEARNED) -> list[Row]:
    """Train, register in MLflow, serve, and ask `count` tickets three ways."""
    tickets = list(islice(sample_tickets(), learned + count))
    known, asked = tickets[:learned], tickets[learned:]
    until = max(t.completed_at or t.created_at for t in known) + 1
    columns = columns_of(known)
    detector = train_anomaly(columns, TrainingRequest("anomaly", until, min_samples=500, threads=1))
    durations = train_duration(columns, TrainingRequest("scheduling", until, min_samples=500, threads=1))
    uri = f"sqlite:///{folder}/mlflow.db"
    versions = [_go_live(MlflowRegistry(uri, folder), made) for made in (detector, durations)]
    rows = []
    with _service(folder, "guard-agents") as http:
        _wait(http, lambda state: state["model"])
        for stage in ("created", "ended"):
            looks = [_as_created(t) if stage == "created" else t for t in asked]
            said = _ask(http, "/api/v1/tickets/score/batch", looks)
            rows.append(_detector_row(uri, versions[0], detector, asked, stage, said))
    with _service(folder, "orchestrator-dynamic") as http:
        _wait(http, lambda state: state["models"][durations.model.name]["model"])
        said = _ask(http, "/api/v1/duration/predict/batch", [_as_created(t) for t in asked])
        rows.append(_duration_row(uri, versions[1], durations, asked, said))
    return rows


@contextmanager
def _service(folder: Path, name: str) -> Iterator[httpx.Client]:
    with (
        served(folder, name, PREDICTION_LOG="false") as (address, _),
        httpx.Client(base_url=address, timeout=60) as http,
    ):
        yield http


def _detector_row(
    uri: str, version: str, made: Candidate, asked: Sequence[Ticket], stage: Stage, said: list[dict[str, Any]]
) -> Row:
    scorer = load_scorer(made.model)
    assert isinstance(scorer, AnomalyScorer)
    rows = _bulk_rows(made, scorer, asked, stage)
    score, flagged = scorer.score(rows), scorer.flagged(rows)
    frame = _pyfunc(uri, version, rows)
    theirs = np.array([one["anomaly_score"] for one in said])
    verdicts = np.array([one["is_anomaly"] for one in said])
    assert {one["stage"] for one in said} == {stage}
    other = int((verdicts != flagged).sum() + (frame["is_anomaly"].to_numpy() != flagged).sum())
    return Row(
        f"parity.anomaly.{stage}", made.model.name, stage, len(said), other,
        float(np.abs(theirs - score).max()), float(np.abs(frame.iloc[:, 0].to_numpy() - score).max()),
    )  # fmt: skip


def _duration_row(
    uri: str, version: str, made: Candidate, asked: Sequence[Ticket], said: list[dict[str, Any]]
) -> Row:
    scorer = load_scorer(made.model)
    assert isinstance(scorer, DurationScorer)
    rows = _bulk_rows(made, scorer, asked, "created")
    mine = scorer.forecast(rows)
    theirs = np.array([[one["p10_ms"], one["p50_ms"], one["p90_ms"]] for one in said])
    frame = _pyfunc(uri, version, rows).to_numpy()
    return Row(
        "parity.scheduling.created", made.model.name, "created", len(said), 0,
        float((np.abs(theirs - mine) / mine).max()), float((np.abs(frame - mine) / mine).max()),
    )  # fmt: skip


def _bulk_rows(
    made: Candidate, scorer: AnomalyScorer | DurationScorer, asked: Sequence[Ticket], stage: Stage
) -> Floats:
    """Rows of training's code in the order of `asked`; nothing is learned, so that all see one snapshot."""
    columns = columns_of(asked)
    statistics = Statistics.restore(made.model.statistics)
    nothing = np.zeros(len(columns), dtype=np.bool_)
    frame, _ = build_frame(columns, scorer.binding, (stage,), statistics, learn_from=nothing)
    assert (frame.stage == STAGES[stage]).all()
    rows = np.empty((len(asked), frame.rows.shape[1]))
    rows[frame.ticket] = frame.rows
    assert len(frame.ticket) == len(asked)
    return rows


def _pyfunc(uri: str, version: str, rows: Floats) -> Any:
    import mlflow
    import pandas as pd

    mlflow.set_tracking_uri(uri)
    try:
        model = mlflow.pyfunc.load_model(f"models:/{version}")
        return model.predict(pd.DataFrame(rows, columns=list(NAMES)))
    finally:
        # It is in the environment too, for whatever this process does next.
        mlflow.set_tracking_uri(None)


def _go_live(registry: MlflowRegistry, made: Candidate) -> str:
    version = registry.register(made.model, made.evaluation, Verdict(Outcome.PROMOTE, ("for a benchmark",)), {})
    promote(registry, MemoryStateStore(), version, actor="benchmark", reason="for a benchmark", at_ms=DAY_MS)
    return f"{version.name}/{version.version}"


def _as_created(ticket: Ticket) -> Ticket:
    """What the platform knew of a ticket when it was created."""
    return replace(
        ticket, status="PENDING", started_at=None, completed_at=None, actual_duration_ms=None, retry_count=0,
        error_message=None,
    )  # fmt: skip


def _ask(http: httpx.Client, path: str, tickets: Sequence[Ticket]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for first in range(0, len(tickets), BATCH):
        body = b'{"tickets": [' + b",".join(encode_ticket(t) for t in tickets[first : first + BATCH]) + b"]}"
        answer = http.post(path, content=body)
        answer.raise_for_status()
        out += answer.json()["results"]
    return out


def _wait(http: httpx.Client, right: Callable[[dict[str, Any]], object]) -> None:
    give_up = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < give_up:
        try:
            if right(http.get("/health").json()):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError("the service is not ready")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
