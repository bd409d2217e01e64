"""Composition root of platform events: the detector, where its threats go, the streams that events come from."""

from pathlib import Path
from typing import TYPE_CHECKING

from neural_hive_ml.bootstrap import open_state
from neural_hive_ml.bootstrap_streams import ConsumedStream, consumed_streams, watched_worker
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.errors import UsageError
from neural_hive_ml.redis_client import redis_client
from neural_hive_ml.settings import Settings
from neural_hive_ml.streams.in_hand import Hands
from neural_hive_ml.streams.port import Broker
from neural_hive_ml.streams.worker import StreamWorker

if TYPE_CHECKING:
    import redis

    from neural_hive_ml.observability.metrics import GuardAgentsMetrics
    from neural_hive_ml.serving.guard_agents.event_desk import EventDesk
    from neural_hive_ml.serving.guard_agents.records import VerdictLog
    from neural_hive_ml.serving.guard_agents.scoring import TicketScoring
    from neural_hive_ml.serving.service import Background


def event_desk(
    settings: Settings, scoring: "TicketScoring", metrics: "GuardAgentsMetrics", log: "VerdictLog | None"
) -> "EventDesk":
    """Wire the detector and its results. Raises `UsageError` for a rules file that cannot be read."""
    from neural_hive_ml.serving.guard_agents.event_desk import EventDesk
    from neural_hive_ml.serving.guard_agents.threat_results import ThreatResults
    from neural_hive_ml.serving.guard_agents.threat_rules import load_rules
    from neural_hive_ml.serving.guard_agents.threats import ThreatDetector
    from neural_hive_ml.serving.guard_agents.thresholds import Thresholds

    rules, thresholds, clock = load_rules(_rules_text(settings)), Thresholds(), SystemClock()
    detector = ThreatDetector(rules, thresholds, scoring, clock, log)
    client = _redis(settings)
    kept_days = settings.number("PREDICTION_LOG_DAYS")
    results = ThreatResults(lambda: open_state(settings), client, thresholds, rules, metrics, clock, kept_days)
    return EventDesk(detector, results, metrics)


def event_readers(settings: Settings, broker: Broker, desk: "EventDesk", hands: Hands) -> "tuple[Background, ...]":
    """Wire the readers of the platform's event streams."""
    from neural_hive_ml.serving.guard_agents.event_stream import EventStream

    group, metrics = settings.text("KAFKA_CONSUMER_GROUP"), desk.metrics

    def reader(stream: ConsumedStream) -> StreamWorker:
        handler = EventStream(desk.detector, desk.results, metrics, stream.event_type)
        return watched_worker(broker, stream.topic, group, handler, hands, metrics, stream.label)

    return tuple(reader(stream) for stream in consumed_streams(settings) if stream.event_type)


def _rules_text(settings: Settings) -> str:
    file = settings.text("THREAT_RULES_FILE")
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"THREAT_RULES_FILE={file} cannot be read: {error}", remedy="mount it, or unset the variable"
        ) from None


def _redis(settings: Settings) -> "redis.Redis | None":
    url = settings.text("REDIS_URL")
    if not url:
        return None
    client: redis.Redis = redis_client(url, settings.number("STORE_TIMEOUT_SECONDS"))
    return client
