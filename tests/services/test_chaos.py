"""Requests go on, and by the right version, while stores fail, the disk is full, and bad and good models are published.

The whole of it, with a real MLflow and 200 requests a second, is `python -m benchmarks.chaos`.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.services.test_prediction_log import wait_for
from tests.support.faulty_link import Fault, Link, linked
from tests.support.ports import free_port
from tests.support.redis_server import running_redis_process
from tests.support.served import served
from tests.support.servers import mongo_answers, mongo_command, running
from tests.support.small_disk import full_disk
from tests.support.steady_load import Answered, steady_load
from tests.support.trained import anomaly_candidate, generated_tickets

from neural_hive_ml.conventions import CHAMPION
from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.tickets.encode import encode_ticket

SWAPS = 20


@pytest.fixture
def links(tmp_path: Path) -> Iterator[dict[str, Link]]:
    """Redis and the MongoDB stand-in behind links that can fail."""
    with ExitStack() as stack:
        redis, mongo = free_port(), free_port()
        stack.enter_context(running_redis_process(tmp_path / "redis", redis))
        folder = tmp_path / "mongo"
        folder.mkdir()
        stack.enter_context(
            running(mongo_command(folder, mongo), lambda: mongo_answers(mongo), tmp_path / "mongo.log")
        )
        yield {name: stack.enter_context(linked(port)) for name, port in (("redis", redis), ("mongo", mongo))}


def publish(registry: MemoryRegistry, model: PackedModel) -> int:
    """Register a model and point the champion at it, as it is."""
    made = anomaly_candidate()
    version = registry.register(model, made.evaluation, Verdict(Outcome.PROMOTE, ("for a test",)), {})
    return point(registry, version.version)


def point(registry: MemoryRegistry, version: int) -> int:
    name = anomaly_candidate().model.name
    registry.move_alias(name, CHAMPION, version)
    registry.publish(name, CHAMPION)
    return version


def test_nothing_fails_and_nothing_is_mixed_up(tmp_path: Path, links: dict[str, Link]) -> None:
    made, registry = anomaly_candidate().model, MemoryRegistry(tmp_path)
    base = made.policy["thresholds"]["created"]
    other = replace(made, policy={**made.policy, "thresholds": {**made.policy["thresholds"], "created": base / 2}})
    publish(registry, made)
    bodies = [encode_ticket(t) for t in generated_tickets()[-50:]]
    environment = {
        "REDIS_URL": f"redis://127.0.0.1:{links['redis'].port}/0",
        "MONGODB_URI": f"mongodb://127.0.0.1:{links['mongo'].port}",
        "FEATURE_CACHE": "true",
        "HIVE_MODEL_REFRESH_SECONDS": "3600",  # versions change when this test says so
    }
    with (
        served(tmp_path, "guard-agents", **environment) as (address, _),
        httpx.Client(base_url=address, timeout=30) as http,
    ):
        wait_for(http, lambda state: state["model"])
        with steady_load(tmp_path, address, "/api/v1/tickets/score?stage=created", bodies, 50.0) as got:
            faults: tuple[Fault, ...] = ("gone", "black hole", "slow")
            for link in links.values():
                for fault in faults:
                    link.become(fault)
                    time.sleep(1.0)
                    link.become("none")
            with full_disk(tmp_path / "last-known-good"):
                publish(registry, other)
                assert refresh(http) == ("swapped", 2), "the cache is no condition"
            spoilt = publish(registry, replace(made, feature_set_version="of another time"))
            assert refresh(http) == ("failed", 2)
            golden = replace(made, golden=replace(made.golden, expected=made.golden.expected + 0.01))
            publish(registry, golden)
            assert refresh(http) == ("failed", 2)
            told = http.get("/health").json()
            assert (told["status"], told["model"]["version"]) == ("degraded", 2)
            reigns: list[tuple[float, float, int]] = []
            own: list[Answered] = []
            since, version = time.time(), 2
            for number in range(SWAPS):
                # Two wholly within each reign, however slow the machine; the load's come beside them.
                own += [asked(http, body) for body in bodies[:2]]
                time.sleep(0.1)
                following = point(registry, 1 if number % 2 == 0 else 2)
                reigns.append((since, time.time(), version))
                assert refresh(http) == ("swapped", following)
                since, version = time.time(), following
    assert spoilt == 3
    check([*got, *own], {1: base, 2: base / 2}, reigns)


def asked(http: httpx.Client, body: bytes) -> Answered:
    sent = time.time()
    answer = http.post("/api/v1/tickets/score?stage=created", content=body)
    said = answer.json()
    return Answered(
        sent, sent, time.time(), answer.status_code, said["model_version"], said["threshold"], said["degraded"]
    )


def refresh(http: httpx.Client) -> tuple[str, Any]:
    said = http.post("/api/v1/model/refresh").json()
    return said["outcome"], said["version"]


def check(got: list[Answered], thresholds: dict[int, float], reigns: list[tuple[float, float, int]]) -> None:
    assert len(got) > 200
    assert {a.status for a in got} == {200}
    assert not any(a.degraded for a in got)
    for answer in got:
        assert answer.version is not None
        assert answer.threshold == thresholds[answer.version], "half of one model and half of another"
    seen = 0
    for since, until, version in reigns:
        wholly = [a.version for a in got if since < a.sent and a.done < until]
        seen += len(wholly)
        assert set(wholly) <= {version}, (since, until, version)
    assert seen > 20
