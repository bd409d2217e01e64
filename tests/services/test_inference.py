"""Rows by the Open Inference Protocol: the scorer's own numbers; what is no row of this feature set is refused."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.services.test_ticket_stream import folder
from tests.support.trained import anomaly_candidate

from neural_hive_ml.bootstrap_guard_agents import guard_agents
from neural_hive_ml.features.spec import COLUMN_COUNT
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.settings import load_settings

__all__ = ["folder"]
NAME = "anomaly-detector-isolation_forest"


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(guard_agents(load_settings({"HIVE_DATA_DIR": str(folder)})).app()) as opened:
        opened.post("/api/v1/model/refresh")
        yield opened


def asked(rows: np.ndarray, **changes: object) -> dict[str, object]:
    told = {"name": "rows", "shape": list(rows.shape), "datatype": "FP64", "data": rows.tolist()}
    return {"inputs": [{**told, **changes}], "id": "q1"}


def test_rows_get_the_scorer_s_own_numbers(client: TestClient) -> None:
    model = anomaly_candidate().model
    rows, expected = model.golden.rows, model.golden.expected
    answer = client.post(f"/v2/models/{NAME}/infer", json=asked(rows))
    assert answer.status_code == 200
    told = answer.json()
    score, flag = told["outputs"]
    assert (told["model_name"], told["model_version"], told["id"]) == (NAME, "1", "q1")
    np.testing.assert_allclose(score["data"], expected, rtol=0, atol=1e-12)
    assert flag["data"] == AnomalyScorer.load(model).flagged(rows).tolist()
    flat = client.post(f"/v2/models/{NAME}/infer", json=asked(rows, data=rows.ravel().tolist()))
    assert flat.json() == told
    text = client.get("/metrics").text
    assert 'neural_hive_ml_prediction_requests_total{outcome="ok",route="rows_score"} 2.0' in text


def test_what_is_no_row_is_refused(client: TestClient) -> None:
    row = anomaly_candidate().model.golden.rows[:1]
    bad = [
        asked(row[:, :-1]),
        asked(row, shape=[2, COLUMN_COUNT]),
        asked(row, data=[["x"] * COLUMN_COUNT]),
        asked(row, data=[[1.0], 2.0]),
        asked(row, datatype="INT8"),
        {"inputs": []},
    ]
    for body in bad:
        answer = client.post(f"/v2/models/{NAME}/infer", json=body)
        assert answer.status_code == 422, body
        assert answer.json()["remedy"]
    assert client.post(f"/v2/models/{NAME}/infer", content=b"[" * 100_000).status_code == 422
    other = client.post("/v2/models/anomaly-detector-x/infer", json=asked(row))
    assert other.status_code == 404
    assert NAME in other.json()["detail"]
