"""Services keep predictions and threats for as long as the setting says; 0 is for ever."""

import asyncio
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.support.served import publish
from tests.support.trained import duration_candidate, generated_tickets

from neural_hive_ml.bootstrap import prediction_log
from neural_hive_ml.bootstrap_guard_agents import guard_agents
from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.clock import DAY_MS, SystemClock, iso
from neural_hive_ml.conventions import PREDICTIONS, SHADOW_PREDICTIONS, THREATS
from neural_hive_ml.observability.metrics import guard_agents_metrics
from neural_hive_ml.serving.guard_agents.threats import ThreatAnswer
from neural_hive_ml.settings import load_settings
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore

AGES = (1, 80, 100, 360, 370, 3_000)


@pytest.mark.parametrize(("days", "kept"), [("0", 6), ("365", 4), ("90", 2)])
def test_by_the_services(days: str, kept: int, tmp_path: Path) -> None:
    settings = load_settings({"HIVE_DATA_DIR": str(tmp_path), "PREDICTION_LOG_DAYS": days})
    now_ms = SystemClock().now_ms()
    collections = (PREDICTIONS, SHADOW_PREDICTIONS, THREATS)
    with closing(EmbeddedStateStore(tmp_path / "state.db")) as state:
        for collection in collections:
            state.insert(collection, [Record(f"{age}", now_ms - age * DAY_MS, {}) for age in AGES])
    log = prediction_log(settings, guard_agents_metrics(), SystemClock())
    assert log is not None
    log.keep(lambda: Record("new", now_ms, {"review": "unsolicited"}))
    service = guard_agents(settings)
    assert service.desk is not None
    results = service.desk.results
    results.keep(
        ThreatAnswer(
            True,
            "dos_attack",
            "high",
            0.9,
            {},
            iso(now_ms),
            msgspec.Raw(b"{}"),
            "e-1",
            "request_metrics",
            (),
            (),
            False,
        )
    )
    results.pause_seconds = 0.01
    results.look_seconds = 0.0

    async def written() -> None:
        both = [asyncio.create_task(log.run()), asyncio.create_task(results.run())]
        await asyncio.sleep(0.3)
        log.stop()
        results.stop()
        await asyncio.gather(*both)

    asyncio.run(written())
    with closing(EmbeddedStateStore(tmp_path / "state.db")) as state:
        counts = [state.count(collection) for collection in collections]
    assert counts == [kept + 1, kept, kept + 1]


def test_by_the_backfill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(tmp_path, [duration_candidate()])
    with closing(EmbeddedTicketStore(tmp_path / "tickets")) as tickets:
        tickets.upsert(generated_tickets())
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path))
    command = [
        "predictions",
        "backfill",
        "--in-sample",
        "--since",
        "0",
        "--until",
        str(generated_tickets()[-1].created_at),
    ]
    monkeypatch.setenv("PREDICTION_LOG_DAYS", "30")
    assert run(hive_ml, command) == 2, "all of it would be deleted at once"
    assert "PREDICTION_LOG_DAYS" in capsys.readouterr().err
    monkeypatch.setenv("PREDICTION_LOG_DAYS", "0")
    assert run(hive_ml, command) == 0
    with closing(EmbeddedStateStore(tmp_path / "state.db")) as state:
        assert state.count(PREDICTIONS) > 1_000
