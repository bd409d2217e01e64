"""`hive-ml ledger`: a chain that nothing outside the store vouches for does not pass as intact."""

import json
from pathlib import Path

import pytest

from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.ledger.anchor import HeadFile
from neural_hive_ml.ledger.chain import Ledger
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
