"""Every route of every service against its own OpenAPI document: what fits and what does not gets a documented answer.

No 5xx, no undocumented status, type or shape, no new metric series. `benchmarks/fuzz.py` sends more.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from tests.support.served import publish, served
from tests.support.trained import anomaly_candidate, duration_candidate, flights_load_candidate

from neural_hive_ml.conventions import LOAD_HORIZONS_MINUTES

SERVICES = ("guard-agents", "orchestrator-dynamic", "approval-service")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]
EXAMPLES = 8


@dataclass(frozen=True)
class Service:
    name: str
    address: str
    http: httpx.Client
    document: dict[str, Any]

    def series(self) -> set[str]:
        """The names and labels of all samples but those that background work shows when it gets there."""
        lines = self.http.get("/metrics").text.splitlines()
        return {
            line.rpartition(" ")[0] for line in lines if not line.startswith(("#", "neural_hive_ml_dependency_up"))
        }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzzed")
    loads = map(flights_load_candidate, LOAD_HORIZONS_MINUTES)
    publish(folder, [anomaly_candidate(), duration_candidate(), *loads])
    return folder


@pytest.fixture(scope="module", params=SERVICES)
def service(folder: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    with served(folder, request.param) as (address, _), httpx.Client(base_url=address, timeout=30) as http:
        until = time.monotonic() + 90
        while time.monotonic() < until:
            with suppress(httpx.TransportError):
                if http.get("/health/readiness").status_code == 200:
                    break
            time.sleep(0.1)
        yield Service(request.param, address, http, http.get("/openapi.json").json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def example_path(path: str, operation: dict[str, Any]) -> str:
    """The path with the examples of its parameters."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    return path


def content_of(part: dict[str, Any]) -> dict[str, Any]:
    return part.get("content", {}).get("application/json", {})


def valid(document: dict[str, Any], schema: dict[str, Any], value: object) -> bool:
    whole = {**schema, "components": document["components"]}
    return jsonschema_rs.is_valid(whole, value)


def test_every_route_has_an_example_that_it_takes_and_that_its_types_allow(service: Service) -> None:
    told = 0
    for path, method, operation in operations(service.document):
        assert operation["summary"]
        for answer in operation["responses"].values():
            content = content_of(answer)
            if "example" in content:
                assert valid(service.document, content["schema"], content["example"]), path
        asked = content_of(operation.get("requestBody", {}))
        if not asked:
            continue
        assert valid(service.document, asked["schema"], asked["example"]), path
        answer = service.http.request(method, example_path(path, operation), json=asked["example"])
        assert answer.status_code < 300, (path, answer.text)
        good = content_of(operation["responses"][str(answer.status_code)])
        assert valid(service.document, good["schema"], answer.json()), path
        told += 1
    assert told >= 1


def test_no_request_gets_an_undocumented_answer_or_makes_a_series(service: Service) -> None:
    for path, method, operation in operations(service.document):  # gauges appear with their first value
        body = content_of(operation.get("requestBody", {})).get("example")
        service.http.request(method, example_path(path, operation), json=body)
    before, sent = service.series(), 0
    schema = schemathesis.openapi.from_url(f"{service.address}/openapi.json")
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=operation.as_strategy(generation_mode=mode))
            def fuzz(case: schemathesis.Case) -> None:
                nonlocal sent
                case.call_and_validate(checks=CHECKS)
                sent += 1

            with suppress(Unsatisfiable):  # a route without input has no wrong input
                fuzz()
    assert sent > 3 * len(service.document["paths"])
    for name in ("nobody", "x" * 300, "load-predictor-61m", "ä%00\n"):
        service.http.get(f"/nowhere/{quote(name)}")
        service.http.get(f"/api/v1/ml/models/{quote(name)}", params={"model_type": name})
    assert service.series() == before
