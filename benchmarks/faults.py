"""Each store gone, silent or slow in the middle of a training: what the user sees, what is lost, how the next run ends.

    python -m benchmarks.faults [--only STORE] [--json FILE]

A real MongoDB (its stand-in), ClickHouse and MLflow server, each behind a link that refuses, says nothing, or takes five
seconds an answer. The training reads tickets, trains, registers and promotes; the fault begins when it says its first word.
While serving, `benchmarks.chaos` does the same.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table
from tests.support.clickhouse_server import running_clickhouse
from tests.support.faulty_link import Fault, Link, linked
from tests.support.mlflow_server import running_mlflow
from tests.support.servers import running_mongo
from tests.support.trained import generated_tickets

from neural_hive_ml.tickets.mongo import MongoTicketStore

SLOW_SECONDS = 5.0
FAULTS: tuple[Fault, ...] = ("gone", "black hole", "slow")


@dataclass(frozen=True, slots=True)
class Suffered:
    """One fault: exit code and seconds of the training, its last words, tickets lost, exit code of the next run."""

    store: str
    fault: str
    exit_code: int
    seconds: float
    words: str
    tickets_lost: int
    next_exit_code: int


def train(
    environment: dict[str, str], who: str = "", link: Link | None = None, fault: Fault = "none"
) -> tuple[int, float, str]:
    """Train the scheduling predictor; return exit code, seconds and what it said of the store `who`."""
    command = [
        sys.executable,
        "-m",
        "neural_hive_ml",
        "train",
        "--model-type",
        "scheduling",
        "--min-samples",
        "500",
    ]
    command += [
        "--as-of",
        "2030-01-01",
        "--training-window-days",
        "3650",
        "--promote-if-better",
        "--allow-below-floor",
    ]
    began, lines = time.monotonic(), []
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip():
            lines.append(line.strip())
        if link is not None and lines and link.fault != fault:
            link.become(fault)
    code = process.wait()
    # The next step of an error; of a training that did without the store, the line that says so.
    telling = (
        [line for line in lines if "next" in line] if code else [x for x in lines if who.lower() in x.lower()]
    )
    return code, time.monotonic() - began, (telling or lines)[-1]


def main(arguments: list[str]) -> int:
    """Print the table; exit code 1 where a ticket was lost or the next run failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("--only", choices=("MongoDB", "ClickHouse", "MLflow"))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    tickets, rows = generated_tickets(1_600), []
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        mongo = urlsplit(stack.enter_context(running_mongo(folder / "mongo")))
        clickhouse = stack.enter_context(running_clickhouse(folder / "clickhouse"))
        mlflow = urlsplit(stack.enter_context(running_mlflow(folder)))
        ports = {"MongoDB": mongo.port or 0, "ClickHouse": clickhouse.port, "MLflow": mlflow.port or 0}
        links = {who: stack.enter_context(linked(port, SLOW_SECONDS)) for who, port in ports.items()}
        with closing(MongoTicketStore(mongo.geturl(), "neural_hive", 30)) as store:
            store.upsert(tickets)
            environment = {
                **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
                "HIVE_DATA_DIR": str(folder / "data"),
                "MONGODB_URI": f"mongodb://127.0.0.1:{links['MongoDB'].port}/?directConnection=true",
                "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{links['MLflow'].port}",
                "OMP_NUM_THREADS": "1",
            }
            with_copy = {
                "CLICKHOUSE_HOST": "127.0.0.1",
                "CLICKHOUSE_PORT": str(links["ClickHouse"].port),
                "CLICKHOUSE_RETENTION_DAYS": "0",
            }
            for who, link in links.items():
                if asked.only not in (None, who):
                    continue
                used = {**environment, **(with_copy if who == "ClickHouse" else {})}
                if who == "ClickHouse":
                    # A copy that is up to date, so that the training begins by reading from it.
                    sync = [sys.executable, "-m", "neural_hive_ml", "tickets", "sync"]
                    subprocess.run(sync, env=used, check=True, stdout=subprocess.DEVNULL)
                for fault in FAULTS:
                    code, seconds, words = train(used, who, link, fault)
                    link.become("none")
                    lost = len(tickets) - store.extent().tickets
                    again, _, _ = train(used)
                    rows.append(Suffered(who, fault, code, seconds, words, lost, again))
                    print(rows[-1], flush=True)
    table = Table(title="A training and a store that fails in the middle of it")
    for heading in (
        "store",
        "fault",
        "exit code",
        "seconds",
        "last words",
        "tickets lost",
        "next run's exit code",
    ):
        table.add_column(heading)
    for row in rows:
        numbers = (str(row.exit_code), f"{row.seconds:.0f}")
        table.add_row(row.store, row.fault, *numbers, row.words, str(row.tickets_lost), str(row.next_exit_code))
    Console(width=140).print(table)
    if asked.json is not None:
        asked.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    return 1 if any(row.tickets_lost or row.next_exit_code for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
