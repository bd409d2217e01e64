"""A backup taken while services write, restored elsewhere: doctor green, ledger verified, the same answers."""

import json
import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from tests.services.test_prediction_log import batch_of, stop, wait_for
from tests.support.served import served
from tests.support.trained import anomaly_candidate, generated_tickets

from neural_hive_ml.conventions import LEDGER, PREDICTIONS
from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.registry.promotion import promote
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore


def hive(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, "HIVE_DATA_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "neural_hive_ml", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, check=False)


@pytest.mark.parametrize("ending", ["", ".tar.gz"])
def test_taken_under_load_and_restored_elsewhere(tmp_path: Path, mlflow_database: Path, ending: str) -> None:
    folder = tmp_path / "a place" / "data"
    folder.mkdir(parents=True)
    (folder / "mlflow.db").write_bytes(mlflow_database.read_bytes())
    registry = MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder)
    made = anomaly_candidate()
    tickets = list(generated_tickets())
    with (
        closing(EmbeddedStateStore(folder / "state.db")) as state,
        closing(EmbeddedTicketStore(folder / "tickets")) as store,
    ):
        ledger = Ledger(state, HeadFile(folder / "ledger"))
        version = registry.register(made.model, made.evaluation, Verdict(Outcome.PROMOTE, ("for a test",)), {})
        promote(registry, state, version, actor="test", reason="for a test", at_ms=1)
        store.upsert(tickets[:400])
        done, written = threading.Event(), []

        def write() -> None:
            number = 400
            while not done.is_set():
                batch = tickets[number % 1_600 : number % 1_600 + 20]
                store.upsert(batch)
                written.append(
                    ledger.append("run", "load", {"number": number}, at_ms=number, actor="test").sequence
                )
                number += 20

        with served(folder) as (address, process), httpx.Client(base_url=address, timeout=60) as http:
            wait_for(http, lambda state: state["ready"] and state["statistics"]["sequence"])
            before = http.post("/api/v1/tickets/score/batch", content=batch_of(tickets[-50:])).json()["results"]
            writer = threading.Thread(target=write)
            writer.start()
            try:
                backup = hive(folder, "backup", str(tmp_path / f"backup{ending}"), "--json")
            finally:
                done.set()
                writer.join()
            assert backup.returncode == 0, backup.stderr.decode()
            stop(process)
        assert written, "there was load"
    counts = json.loads(backup.stdout)["counts"]
    assert counts["tickets"] >= 400
    assert counts[LEDGER] >= 2
    elsewhere = tmp_path / "elsewhere"
    restored = hive(elsewhere, "restore", str(tmp_path / f"backup{ending}"), "--json")
    assert restored.returncode == 0, restored.stderr.decode()
    assert json.loads(restored.stdout)["ledger_intact"] is True
    again = hive(elsewhere, "restore", str(tmp_path / f"backup{ending}"))
    assert again.returncode == 2
    assert b"restore into an empty folder" in again.stderr
    folder.rename(tmp_path / "gone")  # nothing of the new place may lean on the old one
    doctor = {one["name"]: one for one in json.loads(hive(elsewhere, "doctor", "--json").stdout)}
    failed = {name for name, one in doctor.items() if one["status"] == "failed"} - {"samples"}
    assert failed == set()
    assert doctor["registry"]["detail"].endswith("1/5 models in Production")
    verified = hive(elsewhere, "models", "verify", version.name)
    assert verified.returncode == 0, verified.stderr.decode()
    with closing(EmbeddedStateStore(elsewhere / "state.db")) as state:
        assert {name: state.count(name) for name in (LEDGER, PREDICTIONS) if name in counts} == {
            name: counts[name] for name in (LEDGER, PREDICTIONS) if name in counts
        }
    with closing(EmbeddedTicketStore(elsewhere / "tickets")) as store:
        assert store.extent().tickets == counts["tickets"]
        assert store.get(tickets[0].ticket_id) == tickets[0]
    with served(elsewhere) as (address, process), httpx.Client(base_url=address, timeout=60) as http:
        wait_for(http, lambda state: state["ready"] and state["statistics"]["sequence"])
        after = http.post("/api/v1/tickets/score/batch", content=batch_of(tickets[-50:])).json()["results"]
        stop(process)
    aside = {"latency_ms", "prediction_id"}
    assert [{k: v for k, v in a.items() if k not in aside} for a in after] == [
        {k: v for k, v in b.items() if k not in aside} for b in before
    ]


def test_a_backup_that_was_touched_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with closing(EmbeddedTicketStore(folder / "tickets")) as store:
        store.upsert(generated_tickets()[:10])
    assert hive(folder, "backup", str(tmp_path / "backup")).returncode == 0
    assert hive(folder, "backup", str(tmp_path / "backup")).returncode == 2, "nothing is overwritten"
    catalog = tmp_path / "backup" / "tickets" / "catalog.db"
    content = bytearray(catalog.read_bytes())
    content[-1] ^= 1
    catalog.write_bytes(content)
    refused = hive(tmp_path / "other", "restore", str(tmp_path / "backup"))
    assert refused.returncode == 2
    assert b"tickets/catalog.db is not as it was backed up" in refused.stderr
    assert not (tmp_path / "other" / "tickets").exists()
