"""One writer of the statistics among replicas that are killed: every event counts once, all replicas answer alike."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from tests.services.test_ticket_stream import as_known, events, folder, later_tickets, metric, wait_for
from tests.support.memory import assert_same_memory
from tests.support.served import served
from tests.support.trained import anomaly_candidate

from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.spec import FEATURE_SET_VERSION
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.serving.statistics_shelf import RedisShelf
from neural_hive_ml.serving.statistics_source import LiveStatistics
from neural_hive_ml.streams.dead_letters import listed
from neural_hive_ml.streams.port import Outgoing
from neural_hive_ml.streams.redis import RedisBroker
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.ticket import Ticket

__all__ = ["folder"]
KILLS = 8


def replayed(tickets: Sequence[Ticket]) -> Statistics:
    model = anomaly_candidate().model
    snapshot = Statistics.restore(model.statistics)
    from neural_hive_ml.scoring.load_scorer import load_scorer

    scorer = load_scorer(model)
    assert isinstance(scorer, AnomalyScorer)
    return build_frame(columns_of(tickets), scorer.binding, (), snapshot)[1]


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    known = Statistics.restore(anomaly_candidate().model.statistics)
    happened = events(later_tickets()[:80])
    whole, first = (
        LiveStatistics(known.copy(), began_ms=known.as_of_ms),
        LiveStatistics(known.copy(), began_ms=known.as_of_ms),
    )
    for event in happened:
        whole.learn(event)
    for event in happened[:100]:
        first.learn(event)
    second = LiveStatistics()
    second.resume(first.snapshot())
    # All of it comes again, as after a crash before the commit.
    assert [second.learn(event) for event in happened].count("duplicate") == 100
    assert_same_memory(second.current, whole.current)


@pytest.mark.services
@pytest.mark.xdist_group("redis")
def test_what_is_no_ticket_is_kept_aside_once_and_the_writer_shows_its_lag(folder: Path, redis_url: str) -> None:
    stream = f"test.{uuid4().hex[:8]}"
    documents = [encode_ticket(as_known(e)) for e in events(later_tickets()[:20])]

    async def publish() -> None:
        broker = RedisBroker(redis_url)
        await broker.publish(stream, [Outgoing("", value) for value in (*documents, b"no json")])
        await broker.close()

    async def given_up() -> int:
        broker = RedisBroker(redis_url)
        letters = await listed(broker, stream, 10)
        await broker.close()
        return len(letters)

    asyncio.run(publish())
    environment = {"REDIS_URL": redis_url, "KAFKA_TICKETS_TOPIC": stream, "HIVE_STATISTICS": "shared"}
    with served(folder, KAFKA_CONSUMER_GROUP=f"g-{stream}", **environment) as (address, _):
        for label in ("tickets", "tickets_statistics"):
            wait_for(address, f'neural_hive_ml_stream_lag_messages{{stream="{label}"}}', 0)
        assert metric(address, 'neural_hive_ml_dead_letters_total{stream="tickets"}') == 1
    assert asyncio.run(given_up()) == 1


@pytest.mark.services
@pytest.mark.slow
@pytest.mark.xdist_group("redis")
def test_replicas_killed_in_turn_count_every_event_once(folder: Path, redis_url: str) -> None:
    stream, group, chance = f"test.{uuid4().hex[:8]}", f"g-{uuid4().hex[:8]}", random.Random(3)
    tickets = later_tickets()
    documents = [encode_ticket(as_known(e)) for e in events(tickets)]
    environment = {
        "REDIS_URL": redis_url,
        "KAFKA_TICKETS_TOPIC": stream,
        "KAFKA_CONSUMER_GROUP": group,
        "HIVE_STATISTICS": "shared",
        "HIVE_MODEL_REFRESH_SECONDS": "1",
    }

    async def publish(values: Sequence[bytes]) -> None:
        broker = RedisBroker(redis_url)
        await broker.publish(stream, [Outgoing("", value) for value in values])
        await broker.close()

    shelf = RedisShelf(redis_url, f"{group}:{FEATURE_SET_VERSION}")
    step = len(documents) // (KILLS + 1) + 1
    for start in range(0, KILLS * step, step):
        before = shelf.newest()
        number = before.number if before else 0
        asyncio.run(publish(documents[start : start + step]))
        with served(folder, **environment) as (_, process):
            give_up = time.monotonic() + 40
            while shelf.newest(number) is None:
                assert process.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.01)
            # Between publishing and committing, or later.
            time.sleep(chance.random() * 0.05)
            os.kill(process.pid, signal.SIGKILL)
    asyncio.run(publish([*documents[KILLS * step :], *documents[-50:]]))
    expected = replayed(tickets)
    with served(folder, **environment) as (one, first), served(folder, **environment) as (two, _):
        for address in (one, two):
            wait_for(address, "neural_hive_ml_statistics_sequence", expected.sequence)
        newest = shelf.newest()
        assert newest is not None
        live = LiveStatistics()
        live.resume(newest.arrays)
        assert_same_memory(live.current, expected)
        assert metric(one, "neural_hive_ml_statistics_timestamp_seconds") == expected.as_of_ms / 1000
        first.send_signal(signal.SIGTERM)
        first.wait(15)
        # The other takes over at once: the lease was given back.
        asyncio.run(publish([encode_ticket(as_known(e)) for e in events(shifted(tickets[:3], expected.as_of_ms))]))
        give_up = time.monotonic() + 20
        while metric(two, "neural_hive_ml_statistics_sequence") <= expected.sequence:
            assert time.monotonic() < give_up
            time.sleep(0.1)


def shifted(tickets: Sequence[Ticket], behind_ms: int) -> list[Ticket]:
    from dataclasses import replace

    by = behind_ms + 1_000 - min(t.created_at for t in tickets)
    return [
        replace(
            t,
            ticket_id=f"{t.ticket_id}-again",
            created_at=t.created_at + by,
            started_at=None if t.started_at is None else t.started_at + by,
            completed_at=None if t.completed_at is None else t.completed_at + by,
        )
        for t in tickets
    ]
