"""`hive-ml explain`: now, at a time, for a prediction; in plain words, from what is on record."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from neural_hive_ml.cli.app import hive_ml
from neural_hive_ml.clock import HOUR_MS, iso
from neural_hive_ml.conventions import GUIDE_MODELS, PREDICTIONS
from neural_hive_ml.feedback.desk import VerdictDesk
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record

NAME = GUIDE_MODELS[0]
NOW = 1_700_000_000_000


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path))
    state = EmbeddedStateStore(tmp_path / "state.db")
    ledger = Ledger(state)
    ledger.append("gate", NAME, {"outcome": "PROMOTE", "version": 1}, at_ms=NOW, actor="ana")
    ledger.append("alias", NAME, {"move": "promote", "version": 1}, at_ms=NOW + 1, actor="ana")
    document = {"model_name": NAME, "model_version": 1, "decision": "anomaly", "score": 0.91, "ticket_id": "t-9"}
    state.put(PREDICTIONS, Record("p1", NOW + HOUR_MS, {**document, "review": "flagged"}))
    VerdictDesk(state, ledger, 0.1).take("normal", author="rui", at_ms=NOW + 2 * HOUR_MS, prediction_id="p1")
    found = {"drift_detected": True, "drift_score": 0.4, "rows": 900, "reasons": ["retry_count: median 0 -> 2"]}
    ledger.append("drift", NAME, found, at_ms=NOW + 3 * HOUR_MS, actor="policy")
    state.close()

    def ask(*arguments: str) -> str:
        done = CliRunner().invoke(hive_ml, ["explain", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    return ask


def test_now_it_tells_everything_in_order(told) -> None:
    lines = told().splitlines()
    assert [line.split("  ", 1)[0] for line in lines] == sorted(line.split("  ", 1)[0] for line in lines)
    assert "the gate said PROMOTE on version 1" in lines[0]
    assert "ana did promote to version 1" in lines[1]
    assert "judged normal by" in lines[2]
    assert lines[3].endswith("drift, score 0.4 on 900 tickets: retry_count: median 0 -> 2")


def test_at_a_time_it_knows_nothing_later(told) -> None:
    assert "drift" not in told(NAME, "--at", iso(NOW + HOUR_MS))
    assert len(told(NAME, "--at", iso(NOW + HOUR_MS)).splitlines()) == 2


def test_for_a_prediction_it_tells_what_served_then_and_what_people_said_after(told) -> None:
    lines = told("--prediction", "p1").splitlines()
    assert lines[0].endswith(f"prediction p1: {NAME} version 1 said anomaly, score 0.910 of ticket t-9")
    assert "did promote to version 1" in lines[2]
    assert "judged normal" in lines[3]
    assert "rui" not in "".join(lines)  # people appear by digest only
    assert len(json.loads(told("--prediction", "p1", "--json"))["events"]) == 3
