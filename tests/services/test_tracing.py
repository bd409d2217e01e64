"""Traces through real services: ids on every line of a request and in its problem; spans at a real OTLP/HTTP receiver."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from tests.support.otlp_receiver import Arrived, Collector, running_collector
from tests.support.ports import black_hole, closed_port
from tests.support.served import served
from tests.support.trained import generated_tickets

from neural_hive_ml.bootstrap_approval import approval
from neural_hive_ml.bootstrap_console import console
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.encode import encode_ticket

pytestmark = pytest.mark.services
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-00"
SECRET = "payload-4111-1111"
Line = dict[str, Any]


def wait_for(url: str, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, (folder / "service.log").read_text()
        try:
            httpx.get(f"{url}/health/liveness", timeout=5)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError((folder / "service.log").read_text())


def lines_of(folder: Path) -> list[Line]:
    text = (folder / "service.log").read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def stopped(process: "subprocess.Popen[bytes]") -> int:
    process.terminate()
    return process.wait(30)


@pytest.fixture(scope="module")
def storeless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """approval-service whose store does not answer: what needs it fails with 503."""
    folder = tmp_path_factory.mktemp("storeless")
    away = closed_port().replace("http", "mongodb")
    told = {"MONGODB_URI": away, "STORE_TIMEOUT_SECONDS": "0.2", "HIVE_LOG_FORMAT": "json"}
    with served(folder, "approval-service", **told) as (url, process):
        wait_for(url, process, folder)
        yield url, folder


def test_a_failure_s_answer_and_its_line_name_the_caller_s_trace(storeless: tuple[str, Path]) -> None:
    url, folder = storeless
    headers = {"traceparent": SAMPLED, "x-request-id": "asked-1"}
    answer = httpx.get(f"{url}/api/v1/feedback", headers=headers, timeout=60)
    problem = answer.json()
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["trace_id"], problem["request_id"]) == (TRACE, "asked-1")
    [line] = [one for one in lines_of(folder) if one.get("request_id") == "asked-1"]
    assert (line["event"], line["trace_id"], line["status"]) == ("serving.request_failed", TRACE, 503)
    assert line["span_id"] not in {"", CALLER}


def test_lines_written_in_a_thread_of_the_pool_have_the_ids_too(storeless: tuple[str, Path]) -> None:
    url, folder = storeless
    headers = {"traceparent": SAMPLED, "x-request-id": "asked-2"}
    assert httpx.get(f"{url}/api/v1/feedback/health", headers=headers, timeout=60).status_code == 503
    [line] = [one for one in lines_of(folder) if one.get("request_id") == "asked-2"]
    assert (line["event"], line["trace_id"]) == ("approval.store_unavailable", TRACE)


@pytest.mark.parametrize(
    "header",
    ["", "nonsense", f"00-{'0' * 32}-{CALLER}-01", f"ff-{TRACE}-{CALLER}-01", SAMPLED.upper(), SAMPLED + "-x"],
)
def test_a_malformed_traceparent_begins_a_new_trace(storeless: tuple[str, Path], header: str) -> None:
    answer = httpx.get(f"{storeless[0]}/nowhere", headers={"traceparent": header}, timeout=60)
    assert answer.status_code == 404
    begun = answer.json()["trace_id"]
    assert len(begun) == 32
    assert begun.strip("0")
    assert begun != TRACE


def test_two_traceparents_are_none(storeless: tuple[str, Path]) -> None:
    answer = httpx.get(f"{storeless[0]}/nowhere", headers=[("traceparent", SAMPLED)] * 2, timeout=60)
    assert answer.json()["trace_id"] != TRACE


def test_requests_at_once_keep_their_own_ids(storeless: tuple[str, Path]) -> None:
    url, folder = storeless
    sent = {f"many-{i}": f"{i + 1:032x}" for i in range(24)}

    def ask(request_id: str) -> str:
        headers = {"traceparent": f"00-{sent[request_id]}-{CALLER}-01", "x-request-id": request_id}
        return str(httpx.get(f"{url}/api/v1/feedback", headers=headers, timeout=60).json()["trace_id"])

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, sent)) == list(sent.values())
    lines = [one for one in lines_of(folder) if one.get("request_id") in sent]
    assert {one["request_id"]: one["trace_id"] for one in lines} == sent


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, str]]:
    """What a collector has once guard-agents was asked a few things and stopped; and its log."""
    folder, ticket = tmp_path_factory.mktemp("collected"), json.loads(encode_ticket(generated_tickets()[900]))
    with running_collector() as collector:
        told = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-collector-key=k1",
            "HIVE_LOG_FORMAT": "json",
        }
        with served(folder, **told) as (url, process):
            wait_for(url, process, folder)
            body = {**ticket, "description": SECRET, "parameters": {"card": SECRET}}
            score, other = f"{url}/api/v1/tickets/score", {"user-agent": SECRET, "x-request-id": SECRET}
            assert (
                httpx.post(score, json=body, headers={"traceparent": SAMPLED, **other}, timeout=60).status_code
                == 200
            )
            bad = httpx.post(
                score, json={"ticket_id": SECRET, "qos": 3}, headers={"traceparent": SAMPLED}, timeout=60
            )
            assert bad.status_code == 422
            assert httpx.post(score, json=body, headers={"traceparent": UNSAMPLED}, timeout=60).status_code == 200
            no_model = httpx.post(f"{url}/v2/models/{SECRET}/infer", json={"inputs": []}, timeout=60)
            assert no_model.status_code in {404, 422, 503}
            httpx.get(f"{url}/{SECRET}?{SECRET}={SECRET}", headers={"traceparent": SAMPLED}, timeout=60)
            httpx.request("PROPFIND", f"{url}/health", headers={"traceparent": SAMPLED})
            assert stopped(process) == 0
        yield collector, (folder / "service.log").read_text()


def named(collector: Collector, name: str) -> list[Arrived]:
    return [span for span in collector.spans if span.name == name]


def test_each_request_is_a_span_below_the_caller_s(collected: tuple[Collector, str]) -> None:
    collector, _ = collected
    good, bad = named(collector, "POST /api/v1/tickets/score")  # and not the one that was not sampled
    assert (good.service, good.trace_id, good.parent_id) == ("guard-agents", TRACE, CALLER)
    assert good.span_id not in {CALLER, bad.span_id, "0" * 16}
    assert (good.server, good.failed, bad.failed) == (True, False, False)
    assert good.nanoseconds > 0
    route = {"http.request.method": "POST", "http.route": "/api/v1/tickets/score"}
    assert good.attributes == {**route, "http.response.status_code": 200}
    assert bad.attributes == {**route, "http.response.status_code": 422}
    assert all(sent["x-collector-key"] == "k1" for sent in collector.headers)


def test_what_begins_here_has_no_parent_and_a_trace_of_its_own(collected: tuple[Collector, str]) -> None:
    [span] = [one for one in collected[0].spans if one.name == "POST /v2/models/{model}/infer"]
    assert span.parent_id == ""
    assert span.trace_id != TRACE


def test_a_path_or_method_that_a_caller_made_up_is_no_name(collected: tuple[Collector, str]) -> None:
    names = {span.name for span in collected[0].spans}
    assert {"GET", "_OTHER /health"} <= names
    [span] = named(collected[0], "GET")
    assert span.attributes == {"http.request.method": "GET", "http.response.status_code": 404}


def test_nothing_that_a_caller_wrote_is_sent(collected: tuple[Collector, str]) -> None:
    collector, _ = collected
    assert collector.raw
    assert all(SECRET.encode() not in body for body in collector.raw)


def test_a_failure_is_an_error_of_its_span(tmp_path: Path) -> None:
    with running_collector() as collector:
        told = {
            "MONGODB_URI": closed_port().replace("http", "mongodb"),
            "STORE_TIMEOUT_SECONDS": "0.2",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }
        with served(tmp_path, "approval-service", **told) as (url, process):
            wait_for(url, process, tmp_path)
            problem = httpx.get(f"{url}/api/v1/feedback", timeout=60).json()
            assert stopped(process) == 0
        [span] = [one for one in collector.spans if one.failed]
    assert (span.service, span.trace_id) == ("approval-service", problem["trace_id"])
    assert span.attributes["error.type"] == "503"


def test_the_console_sends_spans_and_a_port_of_operations_none(tmp_path: Path) -> None:
    with running_collector() as collector:
        told = {
            "HIVE_DATA_DIR": str(tmp_path),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "HIVE_METRICS_PORT": "9",
        }
        settings = load_settings(told)
        with TestClient(console(settings, "http://127.0.0.1:9").app()) as client:
            assert client.get("/api/v1/console").status_code == 200
        app = approval(settings).app()
        with TestClient(app) as client, TestClient(app.state.operations) as operations:
            assert operations.get("/metrics").status_code == 200
            assert client.get("/api/v1/feedback/stats").status_code == 200
        sent = [(span.service, span.name) for span in collector.spans]
    assert sent == [("console", "GET /api/v1/console"), ("approval-service", "GET /api/v1/feedback/stats")]


@pytest.mark.parametrize("silent", [False, True], ids=["refused", "silent"])
def test_a_collector_that_is_away_costs_no_request_and_no_stop(tmp_path: Path, silent: bool) -> None:
    def check(address: str) -> None:
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with served(tmp_path, **told, OTEL_BSP_MAX_QUEUE_SIZE="64", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="16") as (
            url,
            process,
        ):
            wait_for(url, process, tmp_path)
            with httpx.Client(base_url=url, timeout=60) as client:
                # More than the queue holds: what cannot be sent is dropped.
                assert {client.get("/health").status_code for _ in range(300)} == {200}
            assert stopped(process) == 0
        assert "Traceback" not in (tmp_path / "service.log").read_text()

    if silent:
        with black_hole() as address:
            check(address)
    else:
        check(closed_port())


@pytest.mark.parametrize(
    ("first", "endpoint", "said"),
    [
        ("import sys; sys.modules['opentelemetry'] = None", "http://c:4318", "neural-hive-ml[otel]"),
        ("", "collector:4318", "is no HTTP address"),
    ],
)
def test_a_start_that_cannot_send_spans_says_what_to_do(
    tmp_path: Path, first: str, endpoint: str, said: str
) -> None:
    program = f"{first}\nfrom neural_hive_ml.cli.app import main; main()"
    environment = {
        "HIVE_DATA_DIR": str(tmp_path),
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [sys.executable, "-c", program, "serve", "guard-agents", "--port", "0"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
