"""A served model on a real folder: it learns what training learns, in its order, and holds no trainer while it scores."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from starlette.testclient import TestClient
from tests.support.histories import histories
from tests.support.served import publish
from tests.support.trained import anomaly_candidate, generated_tickets
from tests.unit.test_serving_imports import HEAVY, modules_after

from neural_hive_ml.bootstrap_guard_agents import guard_agents
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.row import feature_row
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.lifecycle import events_of
from neural_hive_ml.tickets.ticket import Ticket

_SCORE = """
import json, sys
import neural_hive_ml.serving.run as run

def ask(app, *_):
    from starlette.testclient import TestClient
    with TestClient(app) as client:
        assert client.post("/api/v1/model/refresh").json()["version"] == 1
        assert client.get("/health/readiness").status_code == 200
        answer = client.post("/api/v1/tickets/score", content=open("ticket.json", "rb").read())
        assert answer.status_code == 200, answer.text
        assert answer.json()["degraded"] is False
        assert client.get("/metrics").status_code == 200

run.run_app = ask
from neural_hive_ml.cli.app import hive_ml, run as type_in
assert type_in(hive_ml, ["serve", "guard-agents", "--port", "0"]) == 0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which the detector of the generated tickets is published as the champion."""
    folder = tmp_path_factory.mktemp("served")
    publish(folder, [anomaly_candidate()])
    (folder / "ticket.json").write_bytes(encode_ticket(generated_tickets()[-1]))
    return folder


def test_a_process_that_scores_holds_no_trainer(folder: Path) -> None:
    held = modules_after(_SCORE, folder)
    assert "neural_hive_ml.scoring.anomaly" in held
    assert [name for name in HEAVY if name in held] == []


@given(histories(most=20))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_posted_tickets_are_learned_as_training_learns_them(
    tmp_path_factory: object, tickets: list[Ticket]
) -> None:
    """Created, started and ended at one moment included: nobody stays queued or running who is not."""
    empty = tmp_path_factory.mktemp("empty")  # type: ignore[attr-defined] - pytest's
    service = guard_agents(load_settings({"HIVE_DATA_DIR": str(empty)}))
    body = b'{"tickets": [' + b",".join(encode_ticket(t) for t in tickets) + b"]}"
    with TestClient(service.app()) as client:
        said = client.post("/api/v1/tickets/events", content=body).json()
        assert (said["learned"], said["invalid"]) == (sum(len(list(events_of(t))) for t in tickets), 0)
        assert client.post("/api/v1/tickets/events", content=body).json()["learned"] == 0
    _, memory = build_frame(columns_of(tickets), FeatureBinding())
    live = service.scoring.statistics.current
    assert live.sequence == memory.sequence
    for t in tickets:
        later = memory.as_of_ms + 1_000
        rows = [feature_row(t, "created", later, s, FeatureBinding()).tobytes() for s in (live, memory)]
        assert rows[0] == rows[1]


def test_the_published_statistics_serve(folder: Path) -> None:
    service = guard_agents(load_settings({"HIVE_DATA_DIR": str(folder)}))
    ticket = generated_tickets()[-1]
    with TestClient(service.app()) as client:
        client.post("/api/v1/model/refresh")
        answer = client.post("/api/v1/tickets/score?stage=created", content=encode_ticket(ticket)).json()
    _, memory = build_frame(columns_of(list(generated_tickets())), FeatureBinding(("items",)))
    assert answer["statistics_sequence"] == memory.sequence
    assert 0 <= answer["anomaly_score"] <= 1
    assert json.dumps(answer)
