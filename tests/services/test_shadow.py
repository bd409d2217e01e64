"""A challenger beside the champion of a running service: it answers nobody, is on record, and leaves when withdrawn."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from tests.services.test_prediction_log import batch_of, stop, wait_for
from tests.support.served import served
from tests.support.trained import (
    anomaly_candidate,
    flights,
    flights_duration_candidate,
    flights_load_candidate,
    generated_tickets,
)

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.conventions import CHALLENGER, CHAMPION, PREDICTIONS, SHADOW_PREDICTIONS
from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.training.request import Candidate


def with_thresholds(model: PackedModel, value: float) -> PackedModel:
    """The same detector, which flags from another score on; its golden rows are as good as before."""
    thresholds = dict.fromkeys(model.policy["thresholds"], value)
    return replace(model, policy={**model.policy, "thresholds": thresholds})


def register(registry: MemoryRegistry, made: Candidate, model: PackedModel, alias: str) -> int:
    version = registry.register(model, made.evaluation, Verdict(Outcome.PROMOTE, ("for a test",)), {})
    registry.move_alias(version.name, alias, version.version)
    registry.publish(version.name, alias)
    return version.version


def found(folder: Path, collection: str) -> list[dict[str, Any]]:
    store = EmbeddedStateStore(folder / "state.db")
    try:
        return [dict(record.document) for record in store.find(collection)]
    finally:
        store.close()


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "not within the time"
        time.sleep(0.05)


def test_a_challenger_judges_in_shadow_and_leaves(tmp_path: Path) -> None:
    made, registry = anomaly_candidate(), MemoryRegistry(tmp_path)
    name = made.model.name
    assert register(registry, made, made.model, CHAMPION) == 1
    assert register(registry, made, with_thresholds(made.model, 0.0), CHALLENGER) == 2
    tickets = list(generated_tickets()[-300:])
    # It looks at the pointer when it is told to, not in between by itself.
    quiet = {"HIVE_MODEL_REFRESH_SECONDS": "3600"}
    with (
        served(tmp_path, "guard-agents", **quiet) as (address, process),
        httpx.Client(base_url=address, timeout=60) as http,
    ):
        wait_for(http, lambda state: state["model"] and state["challengers"])
        answers = http.post("/api/v1/tickets/score/batch", content=batch_of(tickets)).json()["results"]
        assert {said["model_version"] for said in answers} == {1}, "the champion answers"
        http.post(f"/api/v1/tickets/score?at_ms={tickets[0].created_at}", content=batch_of(tickets)[13:-2])
        agreed = sum(said["is_anomaly"] for said in answers)
        for told, count in (("true", agreed), ("false", len(answers) - agreed)):
            counted = f'neural_hive_shadow_predictions_total{{agreed="{told}",model_name="{name}"}} {count}.0'
            until(lambda counted=counted: counted in http.get("/metrics").text)
        metrics = http.get("/metrics").text
        assert f'model_version{{alias="challenger",model_name="{name}"}} 2.0' in metrics
        assert 'neural_hive_ml_model_info{alias="challenger",digest="' in metrics
        assert 0 < agreed < len(answers)

        registry.move_alias(name, CHALLENGER, None)
        registry.publish(name, CHALLENGER)
        pushed = http.post("/api/v1/model/refresh").json()
        assert pushed["challenger"] == {"outcome": "withdrawn", "reason": "", "version": None}
        assert 'alias="challenger"' not in http.get("/metrics").text
        assert http.get("/health").json()["challengers"] == {}
        stop(process)
    shadows = found(tmp_path, SHADOW_PREDICTIONS)
    assert len(shadows) == len(answers) == len(found(tmp_path, PREDICTIONS))
    by_ticket = {said["ticket_id"]: said for said in answers}
    for one in shadows:
        said = by_ticket[one["ticket_id"]]
        assert (one["shadow"], one["model_version"], one["champion_version"]) == (True, 2, 1)
        assert one["decision"] == "anomaly"
        assert one["agreed"] == said["is_anomaly"]
        assert one["champion_score"] == said["anomaly_score"]
        assert one["score"] == said["anomaly_score"], "the same detector on the same row"


def test_challengers_of_durations_and_load_run_in_shadow(tmp_path: Path) -> None:
    duration, load, registry = flights_duration_candidate(), flights_load_candidate(60), MemoryRegistry(tmp_path)
    for made in (duration, load):
        register(registry, made, made.model, CHAMPION)
        register(registry, made, made.model, CHALLENGER)
    with (
        served(tmp_path, "orchestrator-dynamic") as (address, process),
        httpx.Client(base_url=address, timeout=60) as http,
    ):
        wait_for(http, lambda state: len(state["challengers"]) == 2 and state["history"]["read"])
        answers = http.post("/api/v1/duration/predict/batch", content=batch_of(list(flights()[:100]))).json()[
            "results"
        ]
        agreed = f'predictions_total{{agreed="true",model_name="{duration.model.name}"}} 100.0'
        until(lambda: agreed in http.get("/metrics").text)
        now = int(time.time() * 1000)
        ended = [
            replace(ticket, created_at=at_ms - 9_000, started_at=at_ms - 8_000, completed_at=at_ms)
            for ticket, at_ms in zip(flights(), (now - 5 * HOUR_MS, now - 60_000), strict=False)
        ]
        http.post("/api/v1/tickets/events", content=batch_of(ended))
        ahead = f'predictions_total{{agreed="true",model_name="{load.model.name}"}} 1.0'

        def forecast_beside() -> bool:
            # One made before the events is degraded, goes beside nothing and is kept for some seconds.
            assert http.get("/api/v1/load/forecast?horizon=60").status_code == 200
            return ahead in http.get("/metrics").text

        until(forecast_beside)
        stop(process)
    shadows = found(tmp_path, SHADOW_PREDICTIONS)
    assert len(shadows) == 101
    by_ticket = {said["ticket_id"]: said for said in answers}
    for one in (s for s in shadows if s["family"] == "scheduling"):
        assert one["p50_ms"] == one["champion_p50_ms"] == by_ticket[one["ticket_id"]]["p50_ms"]
    (forecast,) = [s for s in shadows if s["family"] == "load"]
    assert forecast["total"] == forecast["champion_total"]
    assert (forecast["model_version"], forecast["champion_version"]) == (2, 1)


def test_a_refused_challenger_is_told_and_the_champion_goes_on(tmp_path: Path) -> None:
    made, registry = anomaly_candidate(), MemoryRegistry(tmp_path)
    name = made.model.name
    register(registry, made, made.model, CHAMPION)
    register(registry, made, replace(made.model, feature_set_version="of another time"), CHALLENGER)
    with (
        served(tmp_path, "guard-agents") as (address, process),
        httpx.Client(base_url=address, timeout=60) as http,
    ):
        wait_for(http, lambda state: state["model"] and state["challengers"])
        told = http.get("/health").json()
        assert told["status"] == "ok", "what runs in shadow degrades nothing"
        assert "feature set" in told["challengers"][name]["failure"]
        assert told["challengers"][name]["model"] is None
        counted = f'model_load_errors_total{{model_name="{name}",reason="feature_set"}} 1.0'
        assert counted in http.get("/metrics").text
        stop(process)
