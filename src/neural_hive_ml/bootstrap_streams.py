"""Composition root of the streams: which broker, which readers."""

import os
import socket
from typing import TYPE_CHECKING

from neural_hive_ml.clock import SystemClock
from neural_hive_ml.errors import UsageError
from neural_hive_ml.settings import Settings
from neural_hive_ml.streams.port import Broker
from neural_hive_ml.streams.worker import StreamWorker

if TYPE_CHECKING:
    from neural_hive_ml.observability.metrics import GuardAgentsMetrics
    from neural_hive_ml.serving.guard_agents.scoring import TicketScoring


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
    if kind not in {"auto", "redis", "kafka", "off"}:
        raise UsageError(f"HIVE_STREAMS={kind!r} is unknown", remedy="use auto, redis, kafka or off")
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


def ticket_reader(
    settings: Settings, broker: Broker, scoring: "TicketScoring", metrics: "GuardAgentsMetrics"
) -> StreamWorker:
    """Wire the reader of the ticket stream."""
    from neural_hive_ml.serving.guard_agents.ticket_stream import TicketStream

    def count(outcome: str) -> None:
        if outcome == "dead":
            metrics.dead_letters.inc("tickets")

    def show_lag(lag: int | None) -> None:
        if lag is None:
            metrics.stream_lag.clear("tickets")
        else:
            metrics.stream_lag.set(lag, "tickets")

    return StreamWorker(
        broker,
        settings.text("KAFKA_TICKETS_TOPIC"),
        settings.text("KAFKA_CONSUMER_GROUP"),
        f"{socket.gethostname()}-{os.getpid()}",
        TicketStream(scoring, metrics),
        SystemClock(),
        observe=count,
        show_lag=show_lag,
    )
