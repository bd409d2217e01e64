"""A request that is sent again under the same key is one prediction on record."""

import asyncio
from pathlib import Path

import httpx

from neural_hive_ml.bootstrap_guard_agents import guard_agents
from neural_hive_ml.bootstrap_orchestrator import orchestrator
from neural_hive_ml.serving.http.contract import TICKET
from neural_hive_ml.settings import load_settings


def test_the_same_key_is_the_same_prediction(tmp_path: Path) -> None:
    settings = load_settings({"HIVE_DATA_DIR": str(tmp_path)})

    async def asked() -> None:
        for app, paths in (
            (guard_agents(settings).app(), ["/api/v1/tickets/score"]),
            (orchestrator(settings).app(), ["/api/v1/ml/predict/duration", "/api/v1/ml/enrich"]),
        ):
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
                for path in paths:
                    ids = []
                    for key, ticket in (
                        ("a", "t1"),
                        ("a", "t1"),
                        ("a", "t2"),
                        ("b", "t1"),
                        ("", "t1"),
                        ("", "t1"),
                    ):
                        headers = {"Idempotency-Key": key} if key else {}
                        answer = await http.post(path, json={**TICKET, "ticket_id": ticket}, headers=headers)
                        assert answer.status_code == 200, answer.text
                        ids.append(answer.json()["prediction_id"])
                    assert ids[0] == ids[1]
                    assert len(set(ids)) == 5
                    long = await http.post(path, json=TICKET, headers={"Idempotency-Key": "k" * 257})
                    assert long.status_code == 400

    asyncio.run(asked())
