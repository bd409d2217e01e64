"""guard-agents reads tickets from a stream: each event once, as training saw it; what is no ticket goes aside."""

import asyncio
import json
import signal
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from tests.support.memory import assert_same_memory
from tests.support.served import publish, served
from tests.support.trained import anomaly_candidate, generated_tickets

from neural_hive_ml.bootstrap_guard_agents import guard_agents
from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.diagnosis import Check
from neural_hive_ml.diagnosis.streams import check_streams
from neural_hive_ml.errors import InvalidTicket, StoreUnavailable
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.serving.guard_agents.app import GuardAgents
from neural_hive_ml.serving.guard_agents.ticket_stream import Scored, TicketStream
from neural_hive_ml.settings import load_settings
from neural_hive_ml.streams.dead_letters import dead_letters_of
from neural_hive_ml.streams.port import Message, Outgoing
from neural_hive_ml.streams.redis import RedisBroker
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.lifecycle import LifecycleEvent, events_of, order_of
from neural_hive_ml.tickets.ticket import Ticket

TICKETS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which the detector of the generated tickets is published as the champion."""
    folder = tmp_path_factory.mktemp("served")
    publish(folder, [anomaly_candidate()])
    return folder


def later_tickets() -> list[Ticket]:
    """Tickets of the same tasks, all of whose events lie behind what the model's statistics know."""
    known_ms = Statistics.restore(anomaly_candidate().model.statistics).as_of_ms
    drawn = generated_tickets(1_600 + TICKETS)[1_600:]
    shift = known_ms + 1_000 - min(t.created_at for t in drawn)
    return [
        replace(
            t,
            created_at=t.created_at + shift,
            started_at=None if t.started_at is None else t.started_at + shift,
            completed_at=None if t.completed_at is None else t.completed_at + shift,
        )
        for t in drawn
    ]


def events(tickets: Sequence[Ticket]) -> list[LifecycleEvent]:
    return sorted((e for t in tickets for e in events_of(t)), key=order_of)


def as_known(event: LifecycleEvent) -> Ticket:
    """The document as it was sent when an event happened."""
    if event.kind == "ended":
        return event.ticket
    return replace(
        event.ticket,
        status="PENDING" if event.kind == "created" else "RUNNING",
        started_at=None if event.kind == "created" else event.ticket.started_at,
        completed_at=None,
        actual_duration_ms=None,
        retry_count=0,
        error_message=None,
    )


def service_with_model(folder: Path) -> GuardAgents:
    service = guard_agents(load_settings({"HIVE_DATA_DIR": str(folder)}))
    assert service.refresh()["outcome"] == "swapped"
    return service


def given_to(stream: TicketStream, documents: Sequence[bytes]) -> None:
    async def give() -> None:
        for place, document in enumerate(documents):
            await stream.handle(Message(str(place), "", document))
        await stream.settle(last=True)

    asyncio.run(give())


def test_the_stream_judges_the_rows_that_training_made(folder: Path) -> None:
    tickets = later_tickets()
    service = service_with_model(folder)
    scored: list[Scored] = []
    stream = TicketStream(service.scoring, service.metrics, scored.extend)
    documents = [encode_ticket(as_known(e)) for e in events(tickets)]
    given_to(stream, documents)
    loaded = service.scoring.slot.current
    assert loaded is not None
    scorer = loaded.artifact.scorer
    assert isinstance(scorer, AnomalyScorer)
    snapshot = Statistics.restore(loaded.artifact.model.statistics)
    columns = columns_of(tickets)
    frame, memory = build_frame(columns, scorer.binding, ("created", "ended"), snapshot)
    for stage in ("created", "ended"):
        rows = frame.of_stage(stage)
        expected = {
            tickets[i].ticket_id: scorer.decide(row).score for i, row in zip(rows.ticket, rows.rows, strict=True)
        }
        answered = {t.ticket_id: a.anomaly_score for t, a in scored if a.stage == stage}
        assert answered == expected
    assert_same_memory(service.scoring.statistics.current, memory)


def test_duplicates_change_nothing(folder: Path) -> None:
    service = service_with_model(folder)
    scored: list[Scored] = []
    stream = TicketStream(service.scoring, service.metrics, scored.extend)
    documents = [encode_ticket(as_known(e)) for e in events(later_tickets()[:50])]
    given_to(stream, documents)
    before = service.scoring.statistics.current.copy()
    answers = len(scored)
    given_to(stream, documents * 2)
    after = service.scoring.statistics.current
    assert len(scored) == answers == len(documents)
    assert after.sequence == before.sequence
    np.testing.assert_array_equal(after.tables.full, before.tables.full)
    text = service.metrics.exposition().decode()
    assert f'neural_hive_ml_tickets_received_total{{result="duplicate"}} {2.0 * len(documents)}' in text


def test_answers_are_kept_until_the_sink_took_them(folder: Path) -> None:
    service = service_with_model(folder)
    taken: list[Scored] = []
    faults = [StoreUnavailable("down"), StoreUnavailable("down")]

    def sink(answers: Sequence[Scored]) -> None:
        if faults:
            raise faults.pop()
        taken.extend(answers)

    stream = TicketStream(service.scoring, service.metrics, sink)

    async def scenario() -> None:
        for ticket in later_tickets()[:5]:
            await stream.handle(Message("0", "", encode_ticket(ticket)))
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await stream.settle(last=True)
        await stream.settle(last=True)
        await stream.settle(last=True)

    asyncio.run(scenario())
    assert [a.ticket_id for _, a in taken] == [t.ticket_id for t in later_tickets()[:5]]


def test_without_a_model_the_stream_waits_and_nonsense_is_refused(folder: Path, tmp_path: Path) -> None:
    bare = guard_agents(load_settings({"HIVE_DATA_DIR": str(tmp_path)}))
    with pytest.raises(StoreUnavailable, match="no model yet"):
        given_to(TicketStream(bare.scoring, bare.metrics), [encode_ticket(later_tickets()[0])])
    service = service_with_model(folder)
    with pytest.raises(InvalidTicket):
        given_to(TicketStream(service.scoring, service.metrics), [b'{"ticket_id": 7}'])
    text = service.metrics.exposition().decode()
    assert 'neural_hive_ml_tickets_received_total{result="invalid"} 1.0' in text


def metric(address: str, name: str) -> float:
    try:
        with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return -1.0
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), -1.0)


def wait_for(address: str, name: str, value: float) -> None:
    give_up = time.monotonic() + 60
    while metric(address, name) != value:
        assert time.monotonic() < give_up, f"{name} is {metric(address, name)}, not {value}"
        time.sleep(0.1)


@pytest.mark.services
@pytest.mark.xdist_group("redis")
def test_a_served_process_reads_shows_lag_puts_aside_and_stops_cleanly(
    folder: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = f"test.{uuid4().hex[:8]}"
    documents = [encode_ticket(as_known(e)) for e in events(later_tickets())]
    nonsense = [b"no json", b'{"ticket_id": "half"}']

    async def publish(values: Sequence[bytes]) -> None:
        broker = RedisBroker(redis_url)
        await broker.publish(stream, [Outgoing("", value) for value in values])
        await broker.close()

    asyncio.run(publish([*documents[:100], *nonsense, *documents[100:], *documents[:10]]))
    accepted = 'neural_hive_ml_tickets_received_total{result="accepted"}'
    with served(folder, REDIS_URL=redis_url, KAFKA_TICKETS_TOPIC=stream) as (address, process):
        wait_for(address, accepted, len(documents))
        wait_for(address, 'neural_hive_ml_tickets_received_total{result="duplicate"}', 10)
        wait_for(address, 'neural_hive_ml_dead_letters_total{stream="tickets"}', 2)
        wait_for(address, 'neural_hive_ml_stream_lag_messages{stream="tickets"}', 0)
        asked = metric(
            address, 'neural_hive_ml_prediction_requests_total{outcome="client_error",route="ticket_stream"}'
        )
        assert asked == 2
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        # uvicorn ends by the signal itself, once all is closed.
        assert process.wait(15) in {0, -signal.SIGTERM}
        assert "Application shutdown complete" in (folder / "service.log").read_text()
        assert time.monotonic() - began < 10
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    assert run(hive_ml, ["deadletters", "list", "--stream", stream, "--json"]) == 0
    letters = json.loads(capsys.readouterr().out)
    assert [letter["message"]["value"] for letter in letters] == [text.decode() for text in nonsense]
    assert "not JSON" in letters[0]["reason"]
    assert run(hive_ml, ["deadletters", "list", "--stream", stream]) == 0
    assert "half" in capsys.readouterr().out
    assert run(hive_ml, ["deadletters", "replay", "--stream", stream, "--limit", "1"]) == 0
    assert "1 messages put back" in capsys.readouterr().out
    with served(folder, REDIS_URL=redis_url, KAFKA_TICKETS_TOPIC=stream) as (address, _):
        wait_for(address, 'neural_hive_ml_dead_letters_total{stream="tickets"}', 1)
    assert run(hive_ml, ["deadletters", "list", "--stream", stream, "--json"]) == 0
    letters = json.loads(capsys.readouterr().out)
    assert [(letter["message"]["value"], letter["replays"]) for letter in letters] == [
        (nonsense[1].decode(), 0),
        ("no json", 1),
    ]


@pytest.mark.services
@pytest.mark.xdist_group("redis")
def test_the_doctor_counts_what_waits_and_what_was_given_up(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = f"test.{uuid4().hex[:8]}"
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("KAFKA_TICKETS_TOPIC", stream)
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "HIVE_PROFILE", "MONGODB_URI", "CLICKHOUSE_HOST"):
        monkeypatch.delenv(name, raising=False)

    def checks() -> dict[str, Check]:
        return {check.name.removesuffix(stream): check for check in check_streams(load_settings())}

    async def publish(name: str) -> None:
        broker = RedisBroker(redis_url)
        await broker.publish(name, [Outgoing("", b"x"), Outgoing("", b"y")])
        await broker.close()

    for topic in ("KAFKA_INCIDENTS_TOPIC", "KAFKA_ORCHESTRATION_INCIDENTS_TOPIC"):
        monkeypatch.setenv(topic, f"{stream}-{topic}")
    assert [check.status for check in checks().values()] == ["ok"] * 3
    asyncio.run(publish(stream))
    assert checks()["stream "].detail.endswith(": 2 messages not done by guard-agents")
    monkeypatch.setenv("HIVE_STATISTICS", "shared")
    assert checks()["stream "].detail.endswith(", 2 messages not done by guard-agents-statistics")
    events = f"{stream}-KAFKA_INCIDENTS_TOPIC"
    asyncio.run(publish(events))
    assert "2 messages not done" in checks()[f"stream {events}"].detail
    asyncio.run(publish(dead_letters_of(events)))
    assert checks()["dead letters"].remedy == f"hive-ml deadletters list --stream {events}"
    monkeypatch.setenv("HIVE_STREAMS", "off")
    assert checks()["streams"].status == "not_configured"


def test_without_a_stream_the_command_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS", "HIVE_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    assert run(hive_ml, ["deadletters", "list"]) == 2
    assert "set REDIS_URL or KAFKA_BOOTSTRAP_SERVERS" in capsys.readouterr().err
