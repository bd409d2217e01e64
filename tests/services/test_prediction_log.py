"""What both services answered is on record, to the letter, also of what came just before they were told to stop."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from tests.support.served import publish, served
from tests.support.trained import anomaly_candidate, flights, flights_duration_candidate, generated_tickets

from neural_hive_ml.conventions import PREDICTIONS
from neural_hive_ml.feedback.review import ReviewItem
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.ticket import Ticket


def wait_for(http: httpx.Client, right: Callable[[dict[str, Any]], object]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            if right(http.get("/health").json()):
                return
        time.sleep(0.05)
    raise AssertionError("not ready within a minute")


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) in {0, -signal.SIGTERM}


def recorded(folder: Path) -> dict[str, Record]:
    store = EmbeddedStateStore(folder / "state.db")
    try:
        return {record.key: record for record in store.find(PREDICTIONS)}
    finally:
        store.close()


def batch_of(tickets: list[Ticket]) -> bytes:
    return b'{"tickets": [' + b",".join(encode_ticket(t) for t in tickets) + b"]}"


def same(record: Record, said: Mapping[str, Any], **names: str) -> bool:
    return all(record.document[kept] == said[told] for kept, told in names.items())


def test_verdicts_are_on_record_with_their_review(tmp_path: Path) -> None:
    publish(tmp_path, [anomaly_candidate()])
    tickets = list(generated_tickets()[-400:])
    environment = {"REVIEW_AUDIT_SHARE": "0.2"}
    with (
        served(tmp_path, "guard-agents", **environment) as (address, process),
        httpx.Client(base_url=address, timeout=60) as http,
    ):
        wait_for(http, lambda state: state["model"])
        one = http.post("/api/v1/tickets/score", content=encode_ticket(tickets[0])).json()
        past = http.post("/api/v1/tickets/score?at_ms=1", content=encode_ticket(tickets[0])).json()
        many = http.post("/api/v1/tickets/score/batch", content=batch_of(tickets)).json()["results"]
        stop(process)
    records = recorded(tmp_path)
    answers = [one, *many]
    assert past["prediction_id"] == "", "a look at the past is no prediction"
    assert set(records) == {said["prediction_id"] for said in answers}
    for said in answers:
        record = records[said["prediction_id"]]
        assert same(
            record, said, ticket_id="ticket_id", score="anomaly_score", threshold="threshold", stage="stage",
            model_name="model_name", model_version="model_version", explanation="explanation", severity="severity",
        )  # fmt: skip
        item = ReviewItem.from_document(record.key, record.at_ms, record.document)
        assert item.decision == ("anomaly" if said["is_anomaly"] else "normal")
        assert (item.review == "flagged") == said["is_anomaly"]
        assert record.document["review_probability"] == (1.0 if said["is_anomaly"] else 0.2)
        assert len(item.contributions) == len(said["contributions"])
    reviews = [record.document["review"] for record in records.values()]
    assert 40 <= reviews.count("audit") <= 130


def test_durations_and_forecasts_are_on_record(tmp_path: Path) -> None:
    publish(tmp_path, [flights_duration_candidate()])
    with (
        served(tmp_path, "orchestrator-dynamic") as (address, process),
        httpx.Client(base_url=address, timeout=60) as http,
    ):
        wait_for(http, lambda state: state["models"]["scheduling-predictor-xgboost"]["model"])
        tickets = list(flights()[:100])
        answers = http.post("/api/v1/duration/predict/batch", content=batch_of(tickets)).json()["results"]
        http.get("/api/v1/load/forecast?horizon=60")
        http.get("/api/v1/load/forecast?horizon=60&at_ms=1")
        metrics = http.get("/metrics").text
        stop(process)
    assert 'neural_hive_ml_prediction_log_total{result="dropped"} 0.0' in metrics
    records = recorded(tmp_path)
    load = [record for record in records.values() if record.document["family"] == "load"]
    assert len(load) == 1
    assert (load[0].document["decision"], load[0].document["degraded"]) == ("unknown", True)
    assert set(records) - {load[0].key} == {said["prediction_id"] for said in answers}
    for said in answers:
        assert same(
            records[said["prediction_id"]], said, ticket_id="ticket_id", p10_ms="p10_ms", p50_ms="p50_ms",
            p90_ms="p90_ms", model_version="model_version",
        )  # fmt: skip


def test_nothing_is_kept_where_it_is_switched_off(tmp_path: Path) -> None:
    with (
        served(tmp_path, "orchestrator-dynamic", PREDICTION_LOG="false") as (address, process),
        httpx.Client(base_url=address, timeout=60) as http,
    ):
        wait_for(http, lambda state: state["history"]["read"])
        said = http.post("/api/v1/duration/predict", content=encode_ticket(flights()[0])).json()
        assert said["prediction_id"] == ""
        stop(process)
    assert recorded(tmp_path) == {}
