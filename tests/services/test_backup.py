"""A backup taken while services write, restored elsewhere: doctor green, ledger verified, the same answers."""

import json
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from tests.services.test_prediction_log import batch_of, stop, wait_for
from tests.support.served import served
from tests.support.trained import anomaly_candidate, generated_tickets

from neural_hive_ml.bootstrap_bulk import serving_judges
from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.conventions import GUIDE_MODELS, LEDGER, PREDICTIONS
from neural_hive_ml.diagnosis import examine
from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.features.row import feature_row
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.registry.promotion import promote
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.settings import load_settings
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore


def test_taken_under_load_and_restored_elsewhere(
    tmp_path: Path, mlflow_database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, target = tmp_path / "a place" / "data", tmp_path / "backup.tar.gz"
    folder.mkdir(parents=True)
    (folder / "mlflow.db").write_bytes(mlflow_database.read_bytes())
    registry = MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder)
    made = anomaly_candidate()
    tickets = list(generated_tickets())
    monkeypatch.setenv("HIVE_DATA_DIR", str(folder))
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
                store.upsert(tickets[number % 1_600 : number % 1_600 + 20])
                event = ledger.append("run", "load", {"number": number}, at_ms=number, actor="test")
                written.append(event.sequence)
                number += 20

        with served(folder) as (address, process), httpx.Client(base_url=address, timeout=60) as http:
            wait_for(http, lambda told: told["ready"] and told["statistics"]["sequence"])
            answers = http.post("/api/v1/tickets/score/batch", content=batch_of(tickets[-50:])).json()["results"]
            writer = threading.Thread(target=write)
            writer.start()
            wait_for(http, lambda _: len(written) >= 2)
            try:
                assert run(hive_ml, ["backup", str(target), "--json"]) == 0
            finally:
                done.set()
                writer.join()
            stop(process)
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert written, "there was load"
    assert counts["tickets"] >= 400
    assert counts[LEDGER] >= 2
    folder.rename(tmp_path / "gone")  # nothing of the new place may lean on the old one
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("HIVE_DATA_DIR", str(elsewhere))
    assert run(hive_ml, ["restore", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ledger_intact"] is True
    assert run(hive_ml, ["restore", str(target)]) == 2, "nothing is overwritten"
    assert "restore into an empty folder" in capsys.readouterr().err
    settings = load_settings()
    checks = {check.name: check for check in examine(settings)}
    assert {name for name, check in checks.items() if check.status == "failed"} <= {
        f"samples {name}" for name in GUIDE_MODELS
    }
    assert checks["registry"].detail.endswith("1/5 models in Production")
    moved = MlflowRegistry(f"sqlite:///{elsewhere}/mlflow.db", elsewhere)
    assert moved.download(moved.version(version.name, 1), tmp_path / "artifact").is_dir(), (
        "files and digests are right"
    )
    with closing(EmbeddedStateStore(elsewhere / "state.db")) as state:
        for collection in (LEDGER, PREDICTIONS):
            assert state.count(collection) == counts.get(collection, 0)
    with closing(EmbeddedTicketStore(elsewhere / "tickets")) as store:
        assert store.extent().tickets == counts["tickets"]
        assert store.get(tickets[0].ticket_id) == tickets[0]
    [judge] = serving_judges(settings)
    assert isinstance(judge.scorer, AnomalyScorer)
    for ticket, answer in zip(tickets[-50:], answers, strict=True):
        assert ticket.completed_at is not None
        row = feature_row(ticket, "ended", ticket.completed_at, judge.statistics, judge.scorer.binding)
        said = judge.scorer.decide(row)
        assert (said.score, said.explanation) == (answer["anomaly_score"], answer["explanation"])


def test_a_backup_that_was_touched_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, target = tmp_path / "data", tmp_path / "backup"
    with closing(EmbeddedTicketStore(folder / "tickets")) as store:
        store.upsert(generated_tickets()[:10])
    monkeypatch.setenv("HIVE_DATA_DIR", str(folder))
    assert run(hive_ml, ["backup", str(target)]) == 0
    assert run(hive_ml, ["backup", str(target)]) == 2, "nothing is overwritten"
    catalog = target / "tickets" / "catalog.db"
    content = bytearray(catalog.read_bytes())
    content[-1] ^= 1
    catalog.write_bytes(content)
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path / "other"))
    assert run(hive_ml, ["restore", str(target)]) == 2
    assert "tickets/catalog.db is not as it was backed up" in capsys.readouterr().err
    assert not (tmp_path / "other" / "tickets").exists()
