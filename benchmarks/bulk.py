"""Bulk scoring beside what else one could do: a loop over the HTTP API, its batches, MLflow's own pyfunc.

    python -m benchmarks.bulk [--tickets 100000] [--json FILE]

Tickets are the shipped sample, the models are trained on its first weeks. Every row says how many tickets it timed; the HTTP
loops time a part. Then the job is killed (SIGKILL) in the middle and goes on: the bytes must be the same. Ids are permanent.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from neural_hive_ml.bulk.judge import Judge, moments_of
from neural_hive_ml.conventions import anomaly_model_name
from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.features.frame import batch_rows
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.registry.promotion import promote
from neural_hive_ml.registry.verify import verify_artifact
from neural_hive_ml.scoring.load_scorer import load_scorer
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.families import train_family
from neural_hive_ml.training.request import requests_for

TRAINED_ON = 20_000
LOOP, BATCHES = 1_000, 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """One way to score; `ratio` is its pace over the loop of single requests."""

    id: str
    what: str
    tickets: int
    seconds: float
    per_second: float
    ratio: float


def prepare(folder: Path, tickets: Sequence[Ticket]) -> MlflowRegistry:
    """Fill a data folder: tickets, and both models of the first weeks, registered and promoted."""
    with closing(EmbeddedTicketStore(folder / "tickets")) as store:
        store.upsert(tickets)
    (folder / "in.jsonl").write_bytes(b"".join(encode_ticket(t) + b"\n" for t in tickets))
    learned = columns_of(tickets[:TRAINED_ON])
    as_of_ms = int(learned.completed_at_ms.max()) + 1
    registry = MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder)
    with closing(EmbeddedStateStore(folder / "state.db")) as state:
        for request in requests_for(["anomaly", "scheduling"], as_of_ms=as_of_ms, window_days=90):
            made = train_family(learned, request, lambda _: None)
            version = registry.register(made.model, made.evaluation, Verdict(Outcome.PROMOTE, ("benchmark",)), {})
            promote(registry, state, version, actor="benchmark", reason="benchmark", at_ms=1)
    return registry


def hive(*arguments: str) -> list[str]:
    """Return a command line of ours."""
    return [sys.executable, "-m", "neural_hive_ml", *arguments]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "HIVE_DATA_DIR": str(folder), "OMP_NUM_THREADS": "1"}


def in_bulk(folder: Path, *arguments: str) -> tuple[int, float]:
    """Run `hive-ml score` and return tickets and its own seconds: models loaded, process started."""
    done = subprocess.run(
        hive("score", *arguments, "--json"), env=environment(folder), capture_output=True, check=True
    )
    said = json.loads(done.stdout)
    return said["rows"] - said["resumed"], said["seconds"]


def killed_and_resumed(folder: Path, whole: Path) -> bool:
    """Kill a job in the middle, let it go on, and compare the bytes with those of an undisturbed one."""
    cut = folder / "cut.parquet"
    arguments = ("score", str(folder / "in.jsonl"), "--as-of", "1", "--out", str(cut))
    job = subprocess.Popen(
        hive(*arguments), env=environment(folder), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    while len(list((folder / "cut.parquet.parts").glob("[0-9]*"))) < 3:
        time.sleep(0.01)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert not cut.exists()
    subprocess.run(hive(*arguments), env=environment(folder), capture_output=True, check=True)
    return cut.read_bytes() == whole.read_bytes()


@contextmanager
def service(folder: Path) -> Iterator[httpx.Client]:
    """Run guard-agents without its log of predictions, which a bulk job does not write either."""
    port = "18080"
    process = subprocess.Popen(
        hive("serve", "guard-agents", "--port", port),
        env={**environment(folder), "PREDICTION_LOG": "false"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            for _ in range(1_200):
                with suppress(httpx.TransportError):
                    if http.get("/health/readiness").status_code == 200:
                        break
                time.sleep(0.05)
            time.sleep(1)
            yield http
    finally:
        process.terminate()
        process.wait()


def over_http(folder: Path, tickets: Sequence[Ticket]) -> list[tuple[str, str, int, float]]:
    """Time single requests and batches of 1,000 over one connection."""
    documents = [encode_ticket(t) for t in tickets[:BATCHES]]
    with service(folder) as http:

        def single() -> None:
            for document in documents[:LOOP]:
                http.post("/api/v1/tickets/score", content=document).raise_for_status()

        def batches() -> None:
            for start in range(0, len(documents), 1_000):
                body = b'{"tickets":[' + b",".join(documents[start : start + 1_000]) + b"]}"
                http.post("/api/v1/tickets/score/batch", content=body).raise_for_status()

        return [
            ("bulk.http.single", "HTTP, one ticket a request, one connection", LOOP, timed(single)),
            ("bulk.http.batch", "HTTP, 1,000 tickets a request", len(documents), timed(batches)),
        ]


def by_pyfunc(
    registry: MlflowRegistry, folder: Path, tickets: Sequence[Ticket]
) -> list[tuple[str, str, int, float]]:
    """Time MLflow's pyfunc on a DataFrame of rows: given, and with the making of rows from tickets."""
    import mlflow
    import pandas as pd

    name = anomaly_model_name()
    version = registry.version(name, 1)
    artifact = verify_artifact(registry.download(version, folder / "artifact"), load_scorer=load_scorer)
    judge = Judge.of(artifact, name, 1)
    mlflow.set_tracking_uri(registry.uri)
    mlflow.set_registry_uri(registry.uri)
    model = mlflow.pyfunc.load_model(f"models:/{name}/1")
    names = list(artifact.model.documents["inputs"])
    columns = columns_of(tickets)

    def rows() -> Any:
        moments = moments_of(columns, "shown", 1)
        made = batch_rows(columns, moments.stage, moments.at_ms, judge.statistics, judge.scorer.binding)
        return pd.DataFrame(made[:, : len(names)] if made.shape[1] >= len(names) else made, columns=names)

    frame = rows()
    return [
        (
            "bulk.pyfunc.rows",
            "mlflow.pyfunc batch, feature rows given",
            len(tickets),
            timed(lambda: model.predict(frame)),
        ),
        (
            "bulk.pyfunc.tickets",
            "our rows, then mlflow.pyfunc batch",
            len(tickets),
            timed(lambda: model.predict(rows())),
        ),
    ]


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit code 1 when the resumed bytes differ."""
    parser = argparse.ArgumentParser(prog="benchmarks.bulk")
    parser.add_argument("--tickets", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    tickets = list(islice(sample_tickets(), options.tickets))
    with TemporaryDirectory(prefix="hive-bulk-") as scratch:
        folder = Path(scratch)
        registry = prepare(folder, tickets)
        file, window = str(folder / "in.jsonl"), f"0/{2**42}"
        name = anomaly_model_name()
        both, one, stored = folder / "both.parquet", folder / "one.parquet", folder / "stored.parquet"
        found = [
            ("bulk.file.both", "hive-ml score FILE, detector and durations",
             *in_bulk(folder, file, "--as-of", "1", "--out", str(both))),
            ("bulk.file.anomaly", "hive-ml score FILE, detector",
             *in_bulk(folder, file, "--out", str(one), "--model", name)),
            ("bulk.window.anomaly", "hive-ml score --window, detector",
             *in_bulk(folder, "--window", window, "--out", str(stored), "--model", name)),
        ]  # fmt: skip
        found += by_pyfunc(registry, folder, tickets)
        found += over_http(folder, tickets)
        same = killed_and_resumed(folder, both)
        size = both.stat().st_size
    loop = next(n / s for key, _, n, s in found if key == "bulk.http.single")
    rows = [Row(key, what, n, s, n / s, n / s / loop) for key, what, n, s in found]
    table = Table(title=f"{len(tickets):,} tickets in bulk, one process, one thread")
    for heading in ("id", "what", "tickets timed", "seconds", "tickets/s", "over the HTTP loop"):
        table.add_column(heading)
    for row in rows:
        table.add_row(
            row.id,
            row.what,
            f"{row.tickets:,}",
            f"{row.seconds:.2f}",
            f"{row.per_second:,.0f}",
            f"{row.ratio:.1f}",
        )
    console = Console(width=140)
    console.print(table)
    console.print(f"bulk.resume: kill -9 in the middle and resumed, same bytes: {same} ({size:,} bytes)")
    if options.json:
        told = {"rows": [asdict(row) for row in rows], "resume_same_bytes": same, "bytes": size}
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
