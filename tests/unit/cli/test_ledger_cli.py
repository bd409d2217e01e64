"""`hive-ml ledger`: a chain that nothing outside the store vouches for does not pass as intact."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.conventions import LEDGER, LEDGER_CHECKS
from neural_hive_ml.diagnosis.ledger import check_ledger
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.settings import load_settings
from neural_hive_ml.state.embedded import EmbeddedStateStore


def test_verify_tells_intact_from_unanchored_and_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LEDGER_ANCHOR_DIR", str(tmp_path / "elsewhere"))
    assert run(hive_ml, ["ledger", "verify"]) == 0  # nothing was decided yet
    state = EmbeddedStateStore(tmp_path / "state.db")
    events = [
        Ledger(state, HeadFile(tmp_path / "elsewhere")).append("decision", "m", {"n": n}, at_ms=n, actor="policy")
        for n in range(3)
    ]
    state.close()
    assert run(hive_ml, ["ledger", "verify"]) == 0
    capsys.readouterr()
    monkeypatch.setenv("LEDGER_ANCHOR_DIR", str(tmp_path / "lost"))
    assert run(hive_ml, ["ledger", "verify"]) == 3
    assert "LEDGER_ANCHOR_DIR" in capsys.readouterr().out
    assert run(hive_ml, ["ledger", "verify", "--head", f"3:{events[2].hash}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["standing"] == "intact"
    assert run(hive_ml, ["ledger", "verify", "--head", f"2:{events[2].hash}"]) == 1
    assert "history was rewritten" in capsys.readouterr().out
    assert run(hive_ml, ["ledger", "verify", "--head", "nonsense"]) == 2
    assert run(hive_ml, ["ledger", "accept", "--reason", "the volume was lost"]) == 0
    assert run(hive_ml, ["ledger", "verify"]) == 0


def test_the_hourly_job_puts_on_record_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LEDGER_ANCHOR_DIR", str(tmp_path / "anchor"))

    def standings() -> list[str]:
        with closing(EmbeddedStateStore(tmp_path / "data" / "state.db")) as state:
            return [record.document["standing"] for record in state.find(LEDGER_CHECKS)]

    def doctor() -> tuple[str, str]:
        found = {check.name: check for check in check_ledger(load_settings())}
        return found["ledger"].status, found["ledger verified"].status

    assert run(hive_ml, ["retraining", "pause", "--until", "2999-01-01"]) == 0
    assert run(hive_ml, ["ledger", "verify"]) == 0
    assert standings() == []
    assert doctor() == ("ok", "warning"), "whole, but nobody looks"
    assert run(hive_ml, ["upkeep", "run", "ledger-verify"]) == 0
    assert standings() == ["intact"]
    assert doctor() == ("ok", "ok")
    (tmp_path / "anchor" / "ledger-decisions.head.json").unlink()
    assert doctor()[0] == "unknown"
    assert run(hive_ml, ["upkeep", "run", "ledger-verify"]) == 3
    with closing(EmbeddedStateStore(tmp_path / "data" / "state.db")) as state:
        state.delete(LEDGER, ["decisions:000000000001", "decisions:head"])
    assert doctor()[0] == "failed"
    assert run(hive_ml, ["upkeep", "run", "ledger-verify"]) == 1
    assert standings() == ["intact", "unanchored", "broken"]
    assert "ledger.broken" in capfd.readouterr().err
