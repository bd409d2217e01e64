"""Composition root of the streams: which broker, which readers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from neural_hive_ml.clock import SystemClock
from neural_hive_ml.errors import UsageError
from neural_hive_ml.features.spec import FEATURE_SET_VERSION
from neural_hive_ml.settings import Settings
from neural_hive_ml.streams.in_hand import Hands
from neural_hive_ml.streams.port import Broker
from neural_hive_ml.streams.reader_name import reader_name
from neural_hive_ml.streams.worker import Handler, StreamWorker

_log = structlog.get_logger("streams")

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from neural_hive_ml.observability.metrics import GuardAgentsMetrics
    from neural_hive_ml.serving.guard_agents.scoring import TicketScoring
    from neural_hive_ml.serving.guard_agents.ticket_stream import Scored
    from neural_hive_ml.serving.service import Background
    from neural_hive_ml.state.port import StateStore


@dataclass(frozen=True, slots=True)
class ConsumedStream:
    """A stream or topic that guard-agents reads: `label` is its name in metrics, `groups` are those that read it.

    `event_type` is the type of its events that name none; empty where tickets come.
    """

    topic: str
    label: str
    groups: tuple[str, ...]
    event_type: str = ""


def consumed_streams(settings: Settings) -> tuple[ConsumedStream, ...]:
    """Return every stream that guard-agents reads: what is read, trimmed, searched and looked at is this list."""
    group = settings.text("KAFKA_CONSUMER_GROUP")
    shared = settings.text("HIVE_STATISTICS") == "shared"
    of_tickets = (group, statistics_group(group)) if shared else (group,)
    incidents = settings.text("KAFKA_INCIDENTS_TOPIC")
    resources = settings.text("KAFKA_ORCHESTRATION_INCIDENTS_TOPIC")
    return (
        ConsumedStream(settings.text("KAFKA_TICKETS_TOPIC"), "tickets", of_tickets),
        ConsumedStream(incidents, "events", (group,), "security_incident"),
        ConsumedStream(resources, "resource_events", (group,), "resource_metrics"),
    )


def statistics_group(group: str) -> str:
    """Return the group in which the one writer of the statistics reads the tickets."""
    return f"{group}-statistics"


def open_broker(settings: Settings) -> Broker | None:
    """Open where the platform's streams are, None where HIVE_STREAMS is off or nothing is configured.

    ``auto`` is Kafka when KAFKA_BOOTSTRAP_SERVERS is set, else Redis Streams when REDIS_URL is.

    Raises
    ------
    UsageError
        When what HIVE_STREAMS names is not configured.
    """
    kind, redis_url = settings.text("HIVE_STREAMS"), settings.text("REDIS_URL")
    servers = settings.text("KAFKA_BOOTSTRAP_SERVERS")
    if (kind == "kafka" and not servers) or (kind == "redis" and not redis_url):
        missing = "KAFKA_BOOTSTRAP_SERVERS" if kind == "kafka" else "REDIS_URL"
        raise UsageError(f"HIVE_STREAMS={kind}, but {missing} is not set", remedy=f"set {missing}")
    timeout = settings.number("STORE_TIMEOUT_SECONDS")
    if kind == "kafka" or (kind == "auto" and servers):
        from neural_hive_ml.streams.kafka import KafkaAccess, KafkaBroker

        access = KafkaAccess(
            servers,
            settings.text("KAFKA_SECURITY_PROTOCOL"),
            settings.text("KAFKA_SASL_MECHANISM"),
            settings.text("KAFKA_SASL_USERNAME"),
            settings.text("KAFKA_SASL_PASSWORD"),
            settings.text("KAFKA_CA_FILE"),
        )
        return KafkaBroker(access, timeout)
    if kind == "redis" or (kind == "auto" and redis_url):
        from neural_hive_ml.streams.redis import RedisBroker

        return RedisBroker(redis_url, timeout)
    return None


def open_hands(settings: Settings) -> Hands:
    """Name this process among readers, and say where its readers mark what they have in hand."""
    return Hands(settings.data_dir, reader_name(settings.data_dir))


def watched_worker(
    broker: Broker,
    topic: str,
    group: str,
    handler: Handler,
    hands: Hands,
    metrics: "GuardAgentsMetrics",
    label: str,
) -> StreamWorker:
    """Wire a reader of a stream whose lag and dead letters are exported under a label."""

    def count(outcome: str) -> None:
        if outcome == "dead":
            metrics.dead_letters.inc(label)

    def show_lag(lag: int | None) -> None:
        if lag is None:
            metrics.stream_lag.clear(label)
        else:
            metrics.stream_lag.set(lag, label)

    return StreamWorker(
        broker,
        topic,
        group,
        hands.name,
        handler,
        SystemClock(),
        in_hand=hands.of(topic, group),
        observe=count,
        show_lag=show_lag,
    )


def ticket_readers(
    settings: Settings,
    broker: Broker,
    scoring: "TicketScoring",
    metrics: "GuardAgentsMetrics",
    state: "Callable[[], StateStore]",
    sink: "Callable[[Sequence[Scored]], None]",
    hands: Hands,
) -> "tuple[Background, ...]":
    """Wire the reader of the ticket stream and what keeps the statistics that it judges against.

    HIVE_STATISTICS ``live``: this process learns what it reads, and keeps it in its data folder; right for one replica.
    ``shared``: one replica at a time learns all of the stream and publishes snapshots, all of them judge against these.
    """
    from neural_hive_ml.serving.guard_agents.ticket_stream import TicketStream
    from neural_hive_ml.serving.statistics_shelf import FolderShelf, RedisShelf
    from neural_hive_ml.serving.statistics_source import LiveStatistics
    from neural_hive_ml.serving.statistics_writer import Publisher, SharedStatistics, StatisticsWriter

    mode, seconds = settings.text("HIVE_STATISTICS"), settings.number("HIVE_STATISTICS_SECONDS")
    clock, folder = SystemClock(), FolderShelf(settings.data_dir / "statistics")
    topic, group = settings.text("KAFKA_TICKETS_TOPIC"), settings.text("KAFKA_CONSUMER_GROUP")
    name = hands.name

    def reader(handler: TicketStream) -> StreamWorker:
        return watched_worker(broker, topic, group, handler, hands, metrics, "tickets")

    if mode == "live":
        publisher = Publisher(scoring.statistics, folder, seconds)
        alone = reader(TicketStream(scoring, metrics, sink, publisher=publisher))
        alone.meet = lambda: _log.warning(
            "streams.live_statistics_of_a_part", stream=topic, group=group, remedy="set HIVE_STATISTICS=shared"
        )
        return (alone,)
    scoring.statistics.shared = True
    url = settings.text("REDIS_URL")
    shelf = (
        RedisShelf(url, f"{group}:{FEATURE_SET_VERSION}", settings.number("STORE_TIMEOUT_SECONDS"))
        if url
        else folder
    )

    def writer() -> StreamWorker:
        handler = StatisticsWriter(Publisher(LiveStatistics(), shelf, seconds), scoring.slot)
        return watched_worker(
            broker, topic, statistics_group(group), handler, hands, metrics, "tickets_statistics"
        )

    shared = SharedStatistics(scoring.statistics, shelf, state(), clock, name, writer, seconds / 2)
    return shared, reader(TicketStream(scoring, metrics, sink, learns=False))
