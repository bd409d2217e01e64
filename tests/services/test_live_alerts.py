"""The fast alert families, live: a real guard-agents with real faults, Prometheus, Alertmanager, and who is told when.

Windows and waits are sixty times shorter than in production (`--time-scale 60`): a minute of the rules is a second here.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from tests.support.ports import free_port
from tests.support.prometheus_server import running_prometheus
from tests.support.receiver import Receiver, running_alertmanager, running_receiver
from tests.support.trained import anomaly_candidate, generated_tickets

from neural_hive_ml.conventions import CHAMPION
from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.registry.port import ModelVersion
from neural_hive_ml.registry.promotion import promote
from neural_hive_ml.slo.rules import rule_files
from neural_hive_ml.slo.spec import load_objectives
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.tickets.encode import encode_ticket

SCALE = 60
PATIENCE_SECONDS = 120
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "slos" / "live-run.md"
pytestmark = [
    pytest.mark.services,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("prometheus"),
]


@dataclass(frozen=True)
class Seen:
    """One fault: what was done, the alert it set off, who was told, seconds to tell and to tell that it is over."""

    fault: str
    mended: str
    alert: str
    to: str
    told: float
    over: float


class Service:
    """`hive-ml serve guard-agents` as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment = {**kept, "HIVE_DATA_DIR": str(self.folder), "HIVE_MODEL_REFRESH_SECONDS": "0.5"}
        command = [sys.executable, "-m", "neural_hive_ml", "serve", "guard-agents", "--port", str(self.port)]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        give_up = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/health/liveness", timeout=1).close()
            except OSError:
                assert time.monotonic() < give_up, "guard-agents did not start"
                time.sleep(0.05)
            else:
                return

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(timeout=20)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("live")
    one = Service(folder / "data")
    (folder / "data").mkdir()
    rules = rule_files(load_objectives(), SCALE)
    one.start()
    try:
        with (
            running_alertmanager(folder / "alertmanager", receiver, SCALE) as alertmanager,
            running_prometheus(
                folder / "prometheus",
                rules,
                {"guard-agents": f"127.0.0.1:{one.port}"},
                alertmanager=alertmanager,
                scrape_interval="1s",
            ),
        ):
            yield one
    finally:
        one.stop()


@pytest.fixture(scope="module")
def table() -> Iterator[list[Seen]]:
    rows: list[Seen] = []
    yield rows
    lines = [f"| {r.fault} | {r.alert} | {r.to} | {r.told:.1f} s | {r.mended} | {r.over:.1f} s |" for r in rows]
    text = "\n".join([HEAD, *lines, TAIL])
    sys.stdout.write("\n" + text)
    if os.environ.get("HIVE_LIVE_RUN"):
        PAGE.write_text(text)


HEAD = """\
<!-- Written by HIVE_LIVE_RUN=1 pytest tests/services/test_live_alerts.py from what was seen in one run. -->
# Alerts seen live

One run of `tests/services/test_live_alerts.py`: a real guard-agents process with real faults, scraped every
second by Prometheus, alerts delivered by Alertmanager to a receiver that stands where Slack and PagerDuty would. Rules
and routes are those of production, every duration sixty times shorter (`hive-ml slo generate --time-scale 60`): a
second here is a minute there, plus what processes need in any case. "Told" is from the fault to the first message,
"over" from the mending to the message that it is over.

| fault | alert | message to | told | mended by | over |
| --- | --- | --- | --- | --- | --- |"""
TAIL = """\
Not seen live: errors of our own (`MLModelAvailabilityErrorBudgetFastBurn`), because no fault from outside makes the
service answer with one; and alerts whose windows are days. promtool shows those in virtual time:
[alert times](alert-times.md).
"""


def seen(
    receiver: Receiver,
    table: list[Seen],
    fault: tuple[str, Callable[[], None]],
    mending: tuple[str, Callable[[], None]],
    expected: list[tuple[str, str]],
) -> None:
    """Do something bad, wait until each receiver was told; mend it, wait until each was told that it is over."""
    began = time.monotonic()
    fault[1]()
    told = {one: until(receiver, *one, firing=True, after=began) for one in expected}
    mended = time.monotonic()
    mending[1]()
    over = {one: until(receiver, *one, firing=False, after=mended) for one in expected}
    table += [
        Seen(fault[0], mending[0], alert, to, told[alert, to] - began, over[alert, to] - mended)
        for alert, to in expected
    ]


def until(receiver: Receiver, alert: str, to: str, *, firing: bool, after: float) -> float:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        message = receiver.first(alert, to, firing=firing, after=after)
        if message is not None:
            return message.at
        heard = {(m.alert, m.to, m.firing) for m in receiver.messages}
        assert time.monotonic() < give_up, (
            f"nobody was told that {alert} {'fires' if firing else 'is over'}: {heard}"
        )
        time.sleep(0.05)


@contextmanager
def traffic(service: Service, clients: int = 4, pause_seconds: float = 0.01) -> Iterator[None]:
    """Score tickets without pause, one at a time a client; faults of the service are the point, not of the test."""
    documents = [encode_ticket(ticket) for ticket in generated_tickets()[:200]]
    ended = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=service.url, timeout=10) as client:
            place = 0
            while not ended.is_set():
                try:
                    client.post("/api/v1/tickets/score", content=documents[place % len(documents)])
                except httpx.HTTPError:
                    ended.wait(0.1)
                place += 1
                ended.wait(pause_seconds)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(timeout=20)


@pytest.fixture(scope="module")
def registry(service: Service) -> MemoryRegistry:
    return MemoryRegistry(service.folder)


def published(registry: MemoryRegistry, seed: int) -> ModelVersion:
    """Register and promote a detector; another seed makes another artifact of the same model."""
    made = anomaly_candidate()
    model = replace(made.model, lineage={**made.model.lineage, "seed": seed})
    version = registry.register(model, made.evaluation, Verdict(Outcome.PROMOTE, ("for a test",)), {})
    promote(registry, MemoryStateStore(), version, actor="test", reason="for a test", at_ms=seed)
    return version


def test_a_missing_model_pages_and_degraded_answers_are_told(
    service: Service, receiver: Receiver, table: list[Seen], registry: MemoryRegistry
):
    with traffic(service):
        seen(
            receiver,
            table,
            ("guard-agents without a champion, under load", lambda: None),
            ("promotion of a model", lambda: published(registry, 1)),
            [("MLModelNotLoaded", "pagerduty"), ("MLModelNotLoaded", "slack"), ("MLServingDegraded", "slack")],
        )


def test_a_dead_service_pages(service: Service, receiver: Receiver, table: list[Seen]):
    seen(
        receiver,
        table,
        ("SIGKILL to the only replica", lambda: service.send(signal.SIGKILL)),
        ("start of the process", service.start),
        [("MLServiceDown", "pagerduty"), ("MLServiceDown", "slack")],
    )


def test_slow_answers_burn_the_budget_fast_and_page(service: Service, receiver: Receiver, table: list[Seen]):
    ended = threading.Event()
    tickets = b",".join(encode_ticket(ticket) for ticket in generated_tickets()[:1000])
    batch = b'{"tickets": [' + tickets + b"]}"

    def flood() -> None:
        with httpx.Client(base_url=service.url, timeout=60) as client:
            while not ended.is_set():
                client.post("/api/v1/tickets/score/batch", content=batch)

    # Half a second an answer, five times the objective; with more callers the scrapes would come late too.
    threads = [threading.Thread(target=flood, daemon=True) for _ in range(3)]

    def begin() -> None:
        for thread in threads:
            thread.start()

    quick = traffic(service)

    def mend() -> None:
        ended.set()
        quick.__enter__()

    try:
        seen(
            receiver,
            table,
            ("three callers send batches of a thousand tickets without pause", begin),
            ("callers stopped, single tickets come instead", mend),
            [
                ("MLModelLatencySLOCritical", "pagerduty"),
                ("MLModelLatencyErrorBudgetFastBurn", "pagerduty"),
                ("MLModelLatencyErrorBudgetFastBurn", "slack"),
            ],
        )
    finally:
        ended.set()
        quick.__exit__(None, None, None)


def test_documents_that_are_no_tickets_are_told_but_do_not_page(
    service: Service, receiver: Receiver, table: list[Seen]
):
    ended = threading.Event()
    good = [json.loads(encode_ticket(ticket)) for ticket in generated_tickets()[:3]]

    def post() -> None:
        with httpx.Client(base_url=service.url, timeout=10) as client:
            while not ended.wait(0.1):
                client.post("/api/v1/tickets/events", json={"tickets": [*good, {"ticket_id": "no ticket"}]})

    thread = threading.Thread(target=post, daemon=True)
    seen(
        receiver,
        table,
        ("one document in four is no ticket", thread.start),
        ("sender stopped", ended.set),
        [("MLTicketsInvalid", "slack")],
    )
    assert not [m for m in receiver.messages if m.alert == "MLTicketsInvalid" and m.to == "pagerduty"]


def test_a_changed_artifact_is_refused_and_pages(
    service: Service, receiver: Receiver, table: list[Seen], registry: MemoryRegistry
):
    folder = service.folder / "published"
    name = anomaly_candidate().model.name
    good = registry.resolve(name, CHAMPION)
    assert good is not None

    def tamper() -> None:
        service.send(signal.SIGSTOP)  # so that it cannot look before the file is changed
        known = {path for path in folder.rglob("*") if path.is_file()}
        published(registry, 2)
        added = [path for path in folder.rglob("*") if path.is_file() and path not in known]
        largest = max(added, key=lambda path: path.stat().st_size)
        content = bytearray(largest.read_bytes())
        content[len(content) // 2] ^= 1
        largest.chmod(0o644)
        largest.write_bytes(content)
        service.send(signal.SIGCONT)

    def restore() -> None:
        promote(registry, MemoryStateStore(), good, actor="test", reason="the other was changed", at_ms=3)

    seen(
        receiver,
        table,
        ("one byte of the published artifact changed", tamper),
        ("the version before published again, and an hour without attempts", restore),
        [("MLModelArtifactRefused", "pagerduty")],
    )
    with httpx.Client(base_url=service.url, timeout=60) as client:
        assert client.get("/health").json()["ready"], "the old version went on serving"


def test_messages_say_what_to_do(receiver: Receiver):
    pages = [m for m in receiver.messages if m.to == "pagerduty" and m.firing]
    assert {m.body["payload"]["severity"] for m in pages} == {"critical"}
    assert all(m.body["payload"]["custom_details"]["first"] for m in pages)
    slack = [m for m in receiver.messages if m.to == "slack" and m.firing]
    for message in slack:
        attachment = message.body["attachments"][0]
        assert message.body["channel"] == "#alerts-ml-pipeline"
        assert "Runbook: https://docs.neural-hive.io/ml-operations/runbooks/" in attachment["text"]
        assert "First: " in attachment["text"]
        assert "<no value>" not in json.dumps(message.body)
