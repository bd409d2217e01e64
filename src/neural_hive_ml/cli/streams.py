"""The streams that are read, opened for a command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from neural_hive_ml.bootstrap_streams import consumed_streams, open_broker
from neural_hive_ml.settings import Settings
from neural_hive_ml.streams.port import Broker
from neural_hive_ml.upkeep.person import Person
from neural_hive_ml.upkeep.retention import plan
from neural_hive_ml.upkeep.streams import Trimmed, erase_messages, erase_threats, trim_streams

T = TypeVar("T")


def trimmed(settings: Settings, now_ms: int) -> Trimmed:
    """Delete what is done and old, and dead letters that are old."""
    topics = [stream.topic for stream in consumed_streams(settings)]
    days = {name: settings.number(f"{name}_RETENTION_DAYS") for name in ("STREAM", "DEAD_LETTER")}
    done, dead = (cut.before_ms for cut in plan(days, now_ms))
    found = _with_broker(
        settings, lambda broker: trim_streams(broker, topics, done_before_ms=done, dead_before_ms=dead)
    )
    return found or Trimmed(None, None)


def erased_from_streams(settings: Settings, person: Person) -> dict[str, int | None]:
    """Delete a person's messages, dead letters and threats in Redis; None where the broker cannot."""
    topics = [stream.topic for stream in consumed_streams(settings)]
    gone = _with_broker(settings, lambda broker: erase_messages(broker, topics, person)) or {}
    url = settings.text("REDIS_URL")
    if url:
        gone |= {"threats in Redis": erase_threats(url, settings.number("STORE_TIMEOUT_SECONDS"), person)}
    return gone


def _with_broker(settings: Settings, work: Callable[[Broker], Awaitable[T]]) -> T | None:
    broker = open_broker(settings)
    if broker is None:
        return None

    async def whole() -> T:
        try:
            return await work(broker)
        finally:
            await broker.close()

    return asyncio.run(whole())
