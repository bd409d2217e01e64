"""The feature cache in Redis, shared by replicas: short time-outs, and a breaker that makes an outage cheap.

While Redis is gone a look-up costs one check of a flag; every few seconds one look-up waits for the time-out to see
whether it is back.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from neural_hive_ml.addresses import mask
from neural_hive_ml.cache.breaker import Breaker
from neural_hive_ml.cache.encoding import decode_row, encode_row
from neural_hive_ml.cache.port import CachedRow, Observe, unobserved
from neural_hive_ml.clock import Clock
from neural_hive_ml.redis_client import redis_client

PREFIX: Final = "hive:features:"
_log = structlog.get_logger("cache")


class RedisFeatureCache:
    """See `cache.port.FeatureCache`.

    `timeout_ms` bounds each wait for Redis (connecting, writing, reading). A reader honours its own `ttl_ms`, also
    where the writer's was longer.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        ttl_ms: int,
        timeout_ms: int = 20,
        observe: Observe = unobserved,
        breaker: Breaker | None = None,
        prefix: str = PREFIX,
    ) -> None:
        import redis

        self._clock = clock
        self._ttl_ms = ttl_ms
        self._observe = observe
        self._breaker = breaker or Breaker()
        self._prefix = prefix
        self._closed = False
        self._errors: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self._redis: redis.Redis = redis_client(url, timeout_ms / 1000)
        self._name = mask(url)

    def describe(self) -> str:
        return f"features cached in {self._name}"

    def find(self, keys: Sequence[str]) -> list[CachedRow | None]:
        if not keys:
            return []
        if not self._may_ask():
            return self._without(keys)
        try:
            answers: Sequence[Any] = self._redis.mget([self._prefix + key for key in keys])
        except self._errors as error:
            self._failed(error)
            return self._without(keys)
        self._answered()
        now_ms = self._clock.now_ms()
        return [self._fresh(answer, now_ms) for answer in answers]

    def _fresh(self, answer: bytes | None, now_ms: int) -> CachedRow | None:
        if answer is None:
            self._observe("miss")
            return None
        decoded = decode_row(answer)
        if decoded is None or now_ms - decoded[1] >= self._ttl_ms:
            self._observe("stale")
            return None
        self._observe("hit")
        return decoded[0]

    def _without(self, keys: Sequence[str]) -> list[CachedRow | None]:
        for _ in keys:
            self._observe("error")
        return [None] * len(keys)

    def keep(self, rows: Mapping[str, CachedRow]) -> bool:
        if not rows:
            return True
        if not self._may_ask():
            return False
        now_ms = self._clock.now_ms()
        try:
            with self._redis.pipeline(transaction=False) as batch:
                for key, row in rows.items():
                    batch.set(self._prefix + key, encode_row(row, now_ms), px=self._ttl_ms)
                batch.execute()
        except self._errors as error:
            self._failed(error)
            return False
        self._answered()
        return True

    def close(self) -> None:
        self._closed = True
        self._redis.close()

    def _may_ask(self) -> bool:
        return not self._closed and self._breaker.allows()

    def _failed(self, error: Exception) -> None:
        if self._breaker.failed():
            _log.warning(
                "cache.unavailable",
                cache=self._name,
                reason=str(error),
                message="features are computed without the cache until it answers again",
            )

    def _answered(self) -> None:
        if self._breaker.succeeded():
            _log.info("cache.available_again", cache=self._name)
