"""orchestrator-dynamic as a process: its numbers are the models' own, and it answers whatever is missing."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
import pytest
from tests.support.ports import closed_port
from tests.support.served import publish, served
from tests.support.trained import (
    flights,
    flights_anomaly_candidate,
    flights_duration_candidate,
    flights_load_candidate,
)

from neural_hive_ml.clock import DAY_MS, HOUR_MS, MINUTE_MS
from neural_hive_ml.conventions import LOAD_HORIZONS_MINUTES
from neural_hive_ml.features.row import feature_row
from neural_hive_ml.features.series import CountSeries, completions
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.scoring.load import LoadForecaster, as_document
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.ticket import Ticket

# The store knows the first five weeks; the rest of the forty days arrives as events.
CUT_MS = flights()[0].created_at + 35 * DAY_MS
ASKED = range(0, 3_500, 175)


def known_at(cut_ms: int) -> list[Ticket]:
    return [t for t in flights() if t.completed_at is not None and t.completed_at <= cut_ms]


@dataclass(frozen=True)
class Service:
    http: httpx.Client
    folder: Path
    pid: int

    def json(self, path: str) -> dict[str, Any]:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def predict(self, ticket: Ticket) -> dict[str, Any]:
        began = time.perf_counter()
        answer = self.http.post("/api/v1/duration/predict", content=encode_ticket(ticket))
        round_trip_ms = 1000 * (time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
        assert 0 < answer.json()["latency_ms"] <= round_trip_ms
        return answer.json()

    def tell(self, tickets: Sequence[Ticket]) -> dict[str, Any]:
        return self.http.post("/api/v1/tickets/events", content=batch_of(tickets)).json()


def batch_of(tickets: Sequence[Ticket]) -> bytes:
    return b'{"tickets": [' + b",".join(encode_ticket(t) for t in tickets) + b"]}"


def wait_until_ready(http: httpx.Client, *, models: bool = True, history: bool = True) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            state = http.get("/health").json()
            loaded = all(m["model"] for m in state["models"].values())
            if (loaded or not models) and (state["history"]["read"] or not history):
                return
        time.sleep(0.05)
    raise AssertionError("not ready within a minute")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All five models in Production and five weeks of flights in the store."""
    folder = tmp_path_factory.mktemp("orchestrator")
    detector = flights_anomaly_candidate()
    publish(folder, [detector, flights_duration_candidate(), *map(flights_load_candidate, LOAD_HORIZONS_MINUTES)])
    with_tickets(folder)
    return folder


def with_tickets(folder: Path) -> None:
    store = EmbeddedTicketStore(folder / "tickets")
    store.upsert(known_at(CUT_MS))
    store.close()


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    with (
        served(folder, "orchestrator-dynamic") as (address, process),
        httpx.Client(base_url=address, timeout=60) as http,
    ):
        wait_until_ready(http)
        yield Service(http, folder, process.pid)


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Service]:
    """A store with tickets, and no model in any registry."""
    with_tickets(tmp_path)
    with (
        served(tmp_path, "orchestrator-dynamic") as (address, process),
        httpx.Client(base_url=address, timeout=60) as http,
    ):
        wait_until_ready(http, models=False)
        yield Service(http, tmp_path, process.pid)


def expected_duration(ticket: Ticket) -> list[float]:
    model = flights_duration_candidate().model
    scorer = DurationScorer.load(model)
    row = feature_row(ticket, "created", ticket.created_at, Statistics.restore(model.statistics), scorer.binding)
    return scorer.forecast(row[None])[0].tolist()


def expected_load(minutes: int, tickets: Sequence[Ticket], at_ms: int) -> dict[str, Any]:
    forecaster = LoadForecaster.load(flights_load_candidate(minutes).model)
    history = completions(columns_of(list(tickets)), at_ms, since_ms=flights()[0].created_at)
    return dict(as_document(forecaster.forecast(history, at_ms)))


def close(said: dict[str, Any], expected: dict[str, Any]) -> bool:
    same = {k for k in ("timestamps_ms", "bucket_minutes", "notes") if said[k] != expected[k]}
    numbers = ("mean", "lower", "upper", "total", "total_lower", "total_upper")
    return not same and all(np.allclose(said[k], expected[k], rtol=1e-12, atol=0) for k in numbers)


def test_durations_are_the_models_own(service: Service) -> None:
    tickets = [flights()[i] for i in ASKED]
    singly = [service.predict(t) for t in tickets]
    for ticket, said in zip(tickets, singly, strict=True):
        assert [said["p10_ms"], said["p50_ms"], said["p90_ms"]] == expected_duration(ticket)
        assert (said["ticket_id"], said["model_version"], said["degraded"]) == (ticket.ticket_id, 1, False)
        assert said["model_name"] == "scheduling-predictor-xgboost"
    # Most of them: a busy machine may hold up one.
    assert median(said["latency_ms"] for said in singly) < 100
    body = batch_of(tickets)[:-2] + b', {"ticket_id": 7}]}'
    many = service.http.post("/api/v1/duration/predict/batch", content=body).json()["results"]
    own = {"latency_ms": 0, "prediction_id": ""}
    assert [{**said, **own} for said in many[:-1]] == [{**said, **own} for said in singly]
    assert many[-1]["error"]["position"] == len(tickets)


@pytest.mark.parametrize("minutes", LOAD_HORIZONS_MINUTES)
@pytest.mark.parametrize("back_ms", [0, 7 * MINUTE_MS, 5 * HOUR_MS + 1, 6 * DAY_MS])
def test_forecasts_are_the_models_own(service: Service, minutes: int, back_ms: int) -> None:
    at_ms = known_at(CUT_MS)[-1].created_at - back_ms
    said = service.json(f"/api/v1/load/forecast?horizon={minutes}&at_ms={at_ms}")
    assert close(said, expected_load(minutes, known_at(CUT_MS), at_ms))
    assert (said["model_name"], said["model_version"]) == (f"load-predictor-{minutes}m", 1)
    assert said["degraded"] is False
    assert said == {
        **service.json(f"/api/v1/ml/load-forecast?horizon_minutes={minutes}&at_ms={at_ms}"),
        "latency_ms": said["latency_ms"],
    }


def test_an_enriched_ticket_has_the_platforms_keys_and_the_models_numbers(service: Service) -> None:
    scorer = AnomalyScorer.load(flights_anomaly_candidate().model)
    statistics = Statistics.restore(flights_anomaly_candidate().model.statistics)
    for ticket in [flights()[i] for i in ASKED]:
        said = service.http.post("/api/v1/ml/enrich", content=encode_ticket(ticket)).json()
        predicted, allocated = said["predictions"], said["allocation_metadata"]
        assert set(predicted) == {
            "duration_ms", "confidence", "duration_confidence", "cpu_cores", "memory_mb", "resources_confidence",
            "model_type", "anomaly",
        }  # fmt: skip
        assert set(allocated) == {
            "predicted_duration_ms", "anomaly_detected", "predicted_queue_ms", "predicted_load_pct", "ml_enriched",
        }  # fmt: skip
        low, middle, high = expected_duration(ticket)
        verdict = scorer.decide(feature_row(ticket, "created", ticket.created_at, statistics, scorer.binding))
        assert (predicted["duration_ms"], predicted["model_type"]) == (middle, "xgboost")
        assert predicted["anomaly"]["score"] == verdict.score
        assert allocated["anomaly_detected"] is verdict.is_anomaly
        assert 0.5 < predicted["duration_confidence"] <= 1 if high < 2 * middle and low > middle / 2 else True
        estimate = ticket.estimated_duration_ms
        boosted = verdict.is_anomaly or (estimate is not None and middle > 1.5 * estimate)
        assert said["priority_boost"] == (1.2 if boosted else 1.0)
        assert bool(said["reasons"]) is boosted
        assert said["missing"] == ["load-predictor-60m"], "the machine's clock is years after the history"
        assert (said["degraded"], allocated["ml_enriched"]) == (False, True)


def test_the_platforms_routes_tell_what_is_held_and_done(service: Service) -> None:
    service.predict(flights()[3])
    health = service.json("/health/ml")
    assert health["status"] == "healthy"
    assert health["predictors"]["load_predictor"]["horizons"] == [60, 360, 1440]
    assert health["predictors"]["scheduling_predictor"] == {
        "loaded": True, "model_version": 1, "model_type": "xgboost",
    }  # fmt: skip
    held = service.json("/api/v1/ml/models")["models"]
    assert {m["model_name"] for m in held if m["version"] == 1} == {
        "anomaly-detector-isolation_forest", "scheduling-predictor-xgboost",
        *(f"load-predictor-{m}m" for m in LOAD_HORIZONS_MINUTES),
    }  # fmt: skip
    loads = service.json("/api/v1/ml/models?model_type=load")["models"]
    assert {m["model_type"] for m in loads} == {"load"}
    one = service.json("/api/v1/ml/models/scheduling-predictor-xgboost")
    assert (one["versions"][0]["algorithm"], one["live_quality"]) == ("xgboost", None)
    assert service.http.get("/api/v1/ml/models/nobody").status_code == 404
    assert service.http.get("/api/v1/ml/models?model_type=nobody").status_code == 400
    stats = service.json("/api/v1/ml/predictions/stats")
    assert stats["complete"] is True
    assert stats["window_hours"] == 24
    assert stats["duration_mae_pct"] is None


def test_what_nothing_is_known_of_is_said(service: Service) -> None:
    """The machine's clock is years after the last ticket: no hour of the history is known."""
    said = service.json("/api/v1/load/forecast?horizon=60")
    assert said["degraded"] is True
    assert said["history_hours"] == 0
    assert "only 0 hours of history" in said["notes"][0]


def test_wrong_questions_are_refused(service: Service) -> None:
    asked = {
        "/api/v1/load/forecast?horizon=61": 400,
        "/api/v1/load/forecast?horizon=60&at_ms=-1": 400,
        "/api/v1/load/forecast?horizon=60&at_ms=1e9": 400,
        f"/api/v1/load/forecast?horizon=1440&at_ms={10**14 - 1}": 200,
        "/api/v1/load/forecast?horizon=1440&at_ms=0": 200,
        "/api/v1/duration/predict": 405,
    }
    for path, status in asked.items():
        answer = service.http.get(path)
        assert answer.status_code == status, (path, answer.text)
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
    for body, status in {b"no json": 422, b'{"ticket_id": 7}': 422, b"": 400}.items():
        assert service.http.post("/api/v1/duration/predict", content=body).status_code == status


def test_metrics_and_health_tell_what_serves(service: Service) -> None:
    service.predict(flights()[0])
    service.json("/api/v1/load/forecast?horizon=360")
    service.json("/api/v1/load/forecast?horizon=360")
    text = service.http.get("/metrics").text
    for model in (
        "scheduling-predictor-xgboost",
        "load-predictor-60m",
        "load-predictor-360m",
        "load-predictor-1440m",
    ):
        assert f'neural_hive_ml_model_version{{alias="champion",model_name="{model}"}} 1.0' in text
        assert f'neural_hive_ml_model_trained_timestamp_seconds{{model_name="{model}"}} 1.360' in text
    counted = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"
    }
    assert counted['neural_hive_ml_predictions_total{model_type="scheduling",status="success"}'] > 0
    assert counted['orchestration_ml_predictions_total{model_type="load",status="fallback"}'] > 0
    assert counted['neural_hive_ml_forecasts_total{model_name="load-predictor-360m",source="cache"}'] > 0
    assert counted['neural_hive_ml_prediction_requests_total{outcome="ok",route="predict_duration"}'] > 0
    state = service.json("/health/readiness")
    assert (state["ready"], state["status"]) == (True, "ok")
    assert service.json("/health/liveness") == {"status": "alive"}
    assert not {"pyarrow", "xgboost", "pandas"} & loaded_libraries(service.pid)


def loaded_libraries(pid: int) -> set[str]:
    """The site-packages folders whose compiled parts a process has mapped."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.split("site-packages/")[1].split("/")[0] for line in lines if "site-packages/" in line}


def test_tickets_that_end_afterwards_are_counted_once(service: Service) -> None:
    """Told in any order, again, and with what the store knew: forecasts are those of all flights, each once."""
    later = [t for t in flights() if t.completed_at is not None and t.completed_at > CUT_MS]
    later.sort(key=lambda t: hashlib.sha256(t.ticket_id.encode()).digest())
    again = known_at(CUT_MS)[-200:]
    for part in (later[:150], again, later[100:], later):
        assert service.tell(part)["invalid"] == 0
    at_ms = max(t.completed_at or 0 for t in flights()) - HOUR_MS
    for minutes in LOAD_HORIZONS_MINUTES:
        said = service.json(f"/api/v1/load/forecast?horizon={minutes}&at_ms={at_ms}")
        assert close(said, expected_load(minutes, known_at(2**62), at_ms))


def test_without_models_it_answers_from_history_and_says_so(bare: Service) -> None:
    at_ms = known_at(CUT_MS)[-1].created_at
    hours = completions(columns_of(known_at(CUT_MS)), at_ms, since_ms=flights()[0].created_at)
    end = at_ms - at_ms % (5 * MINUTE_MS)
    said = bare.json(f"/api/v1/load/forecast?horizon=1440&at_ms={end}")
    weeks = [sum_between(hours, end - 7 * w * DAY_MS, 24) for w in (1, 2, 3, 4)]
    assert np.allclose(said["mean"], np.median(weeks, axis=0), rtol=1e-12)
    assert said["total_lower"] < said["total"] < said["total_upper"]
    assert (said["degraded"], said["model_version"]) == (True, None)
    assert said["notes"][0].startswith("no model")

    ticket = flights()[3_000]
    estimate = bare.predict(ticket)
    assert (estimate["source"], estimate["p50_ms"]) == ("estimate", ticket.estimated_duration_ms)
    assert estimate["degraded"] is True
    nothing = bare.predict(replace(ticket, estimated_duration_ms=None))
    assert (nothing["source"], nothing["p50_ms"]) == ("none", None)
    same = [t for t in known_at(CUT_MS) if t.task_id == ticket.task_id and t.status == "COMPLETED"]
    bare.tell(same)
    history = bare.predict(ticket)
    took = [t.actual_duration_ms for t in same if t.actual_duration_ms is not None]
    assert history["source"] == "history"
    assert min(took) <= history["p50_ms"] <= max(took)
    assert history["p10_ms"] < history["p50_ms"] < history["p90_ms"]

    assert bare.http.get("/health/readiness").status_code == 503
    degraded = 'neural_hive_ml_prediction_requests_total{outcome="degraded",route="predict_duration"} 3.0'
    assert degraded in bare.http.get("/metrics").text


def sum_between(series: CountSeries, start_ms: int, hours: int) -> list[float]:
    first = (start_ms - series.start_ms) // series.bucket_ms
    return series.counts[first : first + 12 * hours].reshape(hours, 12).sum(axis=1).tolist()


def test_it_starts_from_its_own_disk_when_the_registry_is_gone(service: Service) -> None:
    """After `service` has confirmed them, the last known good models serve; the store's loss costs only history."""
    environment = {"MLFLOW_TRACKING_URI": closed_port(), "MONGODB_URI": closed_port().replace("http", "mongodb")}
    with (
        served(service.folder, "orchestrator-dynamic", **environment) as (address, _),
        httpx.Client(base_url=address, timeout=60) as http,
    ):
        wait_until_ready(http, history=False)
        state = http.get("/health").json()
        assert {m["model"]["source"] for m in state["models"].values()} == {"last_known_good"}
        assert (state["ready"], state["status"]) == (True, "degraded")
        again = Service(http, service.folder, 0)
        said = again.predict(flights()[7])
        assert [said["p10_ms"], said["p50_ms"], said["p90_ms"]] == expected_duration(flights()[7])
        assert again.json("/api/v1/load/forecast?horizon=60")["degraded"] is True


def test_keys_are_asked_for_where_they_are_configured(tmp_path: Path) -> None:
    key = f"ops:score:{hashlib.sha256(b'secret').hexdigest()}"
    with (
        served(tmp_path, "orchestrator-dynamic", HIVE_API_KEYS=key) as (address, _),
        httpx.Client(base_url=address, timeout=60) as http,
    ):
        wait_until_ready(http, models=False)
        assert http.get("/api/v1/load/forecast").status_code == 401
        assert http.post("/api/v1/duration/predict", content=b"{}").status_code == 401
        with_key = {"Authorization": "Bearer secret"}
        assert http.get("/api/v1/load/forecast", headers=with_key).status_code == 200
        assert http.post("/api/v1/model/refresh", headers=with_key).status_code == 403
