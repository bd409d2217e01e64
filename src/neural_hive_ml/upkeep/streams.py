"""Retention and erasure in streams: those that are consumed, what was given up of each, and threats told through Redis."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from neural_hive_ml.addresses import mask
from neural_hive_ml.conventions import THREAT_KEY
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.redis_client import redis_client
from neural_hive_ml.streams.dead_letters import dead_letters_of
from neural_hive_ml.streams.port import Broker
from neural_hive_ml.upkeep.person import Person

_THREATS: Final = THREAT_KEY.format(threat_type="*", epoch="*")
_SCANNED_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Trimmed:
    """How many went; None where all are kept, or the broker has a retention of its own."""

    messages: int | None
    dead_letters: int | None


async def trim_streams(
    broker: Broker, topics: Sequence[str], *, done_before_ms: int | None, dead_before_ms: int | None
) -> Trimmed:
    """Delete messages that every group has done and dead letters, replayed or not, that came before; None keeps all.

    What nobody has read stays: a stream without groups loses nothing, and dead letters go by their own days only.
    Raises `StoreUnavailable`.
    """
    messages = [] if done_before_ms is None else [await broker.trim(topic, done_before_ms) for topic in topics]
    dead = []
    if dead_before_ms is not None:
        dead = [await broker.trim(dead_letters_of(topic), dead_before_ms, unread=True) for topic in topics]
    return Trimmed(_total(messages), _total(dead))


async def erase_messages(broker: Broker, topics: Sequence[str], person: Person) -> dict[str, int | None]:
    """Delete a person's messages and dead letters; return how many went of each stream, None where the broker cannot.

    Raises `StoreUnavailable`.
    """
    names = [name for topic in topics for name in (topic, dead_letters_of(topic))]
    return {name: await broker.erase(name, lambda m: person.in_message(m.key, m.value)) for name in names}


def erase_threats(url: str, timeout_seconds: float, person: Person) -> int:
    """Delete the threats under the platform's keys in Redis whose event names a person; return how many went.

    They would expire within the hour. Raises `StoreUnavailable`.
    """
    import redis

    gone, client = 0, redis_client(url, timeout_seconds)
    try:
        with closing(client):
            for key in client.scan_iter(match=_THREATS, count=_SCANNED_AT_ONCE):
                told = client.get(key)
                if told is not None and person.in_message("", told):
                    gone += int(client.delete(key))
    except (redis.RedisError, OSError) as error:
        raise StoreUnavailable(
            f"{mask(url)}: {error}", remedy="check that Redis runs and that REDIS_URL is right"
        ) from error
    return gone


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
