"""Redis: its version and clock, whether we may write, and whether it keeps what it acknowledged."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final
from uuid import uuid4

from neural_hive_ml.bootstrap_streams import open_broker
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_UNREACHABLE
from neural_hive_ml.diagnosis.check import Check, judged
from neural_hive_ml.diagnosis.clocks import check_clock
from neural_hive_ml.redis_client import redis_client
from neural_hive_ml.settings import Settings
from neural_hive_ml.streams.redis import RedisBroker

# XAUTOCLAIM, by which readers take over what a dead one left.
OLDEST: Final = (6, 2)


def check_redis(settings: Settings) -> Iterator[Check]:
    """Yield the checks of the server of the feature cache and the streams."""
    url = settings.text("REDIS_URL")
    if not url:
        yield Check("redis", "not_configured", "optional: feature cache and streams")
        return
    import redis

    with closing(redis_client(url, settings.number("STORE_TIMEOUT_SECONDS"))) as client:
        try:
            yield from _checks(client, holds_streams=isinstance(open_broker(settings), RedisBroker))
        except redis.RedisError as error:
            yield Check(
                "redis",
                "failed",
                f"{error}",
                "start it or unset REDIS_URL: outage costs speed only",
                EXIT_UNREACHABLE,
            )


def _checks(client: Any, *, holds_streams: bool) -> Iterator[Check]:
    asked_ms = SystemClock().now_ms()
    seconds, micros = client.time()
    clock = check_clock("redis", asked_ms, seconds * 1000 + micros // 1000)
    told = client.info()
    version = str(told["redis_version"])
    new = tuple(int(part) for part in version.split(".")[:2]) >= OLDEST
    oldest = ".".join(map(str, OLDEST))
    yield judged("redis", f"version {version}", well=new, remedy=f"upgrade it to {oldest} or newer")
    yield clock
    yield _writes(client)
    if holds_streams:
        kept = bool(told.get("aof_enabled"))
        yield judged(
            "redis durability",
            "appendonly yes" if kept else "appendonly no: a restart loses events that it acknowledged",
            well=kept,
            remedy="redis-cli CONFIG SET appendonly yes, and in redis.conf",
        )
        policy = str(told.get("maxmemory_policy", "unknown"))
        yield judged(
            "redis eviction",
            f"maxmemory-policy {policy}"
            + ": throws streams away when memory is short" * policy.startswith("allkeys"),
            well=not policy.startswith("allkeys"),
            remedy="redis-cli CONFIG SET maxmemory-policy volatile-lru, and in redis.conf",
        )


def _writes(client: Any) -> Check:
    """Write a key of a few seconds and remove it; append to a stream that is not there, which makes none."""
    import redis

    key = f"hive:doctor:{uuid4().hex}"
    try:
        client.set(key, b"1", px=5_000)
        client.delete(key)
        client.xadd(key, {"probe": b"1"}, nomkstream=True)
    except (
        redis.exceptions.NoPermissionError,
        redis.exceptions.ReadOnlyError,
        redis.exceptions.OutOfMemoryError,
    ) as error:
        return Check(
            "redis writes",
            "failed",
            str(error),
            "redis-cli ACL SETUSER USER ~* +@write +@read; for a replica: name the primary in REDIS_URL",
            EXIT_FAILURE,
        )
    return Check("redis writes", "ok", "may write keys and streams")
