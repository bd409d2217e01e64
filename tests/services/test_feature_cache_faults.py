"""Redis stopped, paused and slow under the feature cache: rows go missing, answers do not, and waits are short."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from math import inf
from pathlib import Path

import numpy as np
import pytest
from tests.support.ports import black_hole, closed_port, free_port
from tests.support.redis_server import running_redis_process

from neural_hive_ml.cache.breaker import Breaker
from neural_hive_ml.cache.port import CachedRow
from neural_hive_ml.cache.redis import RedisFeatureCache
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.errors import UsageError
from neural_hive_ml.observability.metrics import guard_agents_metrics

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("redis")]
TIMEOUT_MS = 50
ROW = {"a": CachedRow(np.array([1.0]), 1)}


def cache_at(url: str, seen: list[str], open_seconds: float = 0.2) -> RedisFeatureCache:
    return RedisFeatureCache(
        url, SystemClock(), 60_000, TIMEOUT_MS, seen.append, Breaker(failures=2, open_seconds=open_seconds)
    )


def look(cache: RedisFeatureCache, times: int) -> tuple[list[bool], int, float]:
    """Look up a row so often; return whether it was there, how often Redis was asked beyond the promised, and seconds.

    Promised are two time-outs until the breaker opens, then one look a period; never one a look-up.
    """
    ask, asked = cache._redis.mget, []

    def counted(keys: list[str]) -> object:
        asked.append(keys)
        return ask(keys)

    began = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache._redis, "mget", counted)
        found = [cache.find(["a"])[0] is not None for _ in range(times)]
    seconds = time.monotonic() - began
    periods = int(seconds / cache._breaker.open_seconds)
    return found, max(0, len(asked) - cache._breaker.failures - periods), seconds


def unseen(cache: Callable[[], RedisFeatureCache], times: int, most_seconds: float) -> None:
    """Look up so often in a Redis that is gone: nothing is there, nobody waits; of three tries the quickest counts."""
    quickest = inf
    for _ in range(3):
        found, too_often, seconds = look(cache(), times)
        assert (any(found), too_often) == (False, 0)
        quickest = min(quickest, seconds)
        if quickest < most_seconds:
            break
    assert quickest < most_seconds


def until(happens: Callable[[], bool]) -> None:
    """Try for a while: on a busy machine one answer of a Redis that is well may be later than the time-out."""
    give_up = time.monotonic() + 30
    while not happens():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_a_paused_redis_costs_two_time_outs_then_nothing(tmp_path: Path) -> None:
    with running_redis_process(tmp_path) as server:
        seen: list[str] = []
        cache = cache_at(server.url, seen)
        until(lambda: cache.keep(ROW))
        until(lambda: look(cache, 3)[0] == [True] * 3)
        before = len(seen)
        os.killpg(server.process.pid, signal.SIGSTOP)
        # Two time-outs until the breaker opens, then one each 0.2 s; never one a look-up.
        unseen(lambda: cache, 1_000, 1.0)
        assert set(seen[before:]) == {"error"}
        os.killpg(server.process.pid, signal.SIGCONT)
        until(lambda: look(cache, 1)[0][0])
        cache.close()


def test_a_killed_redis_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    seen: list[str] = []
    with running_redis_process(tmp_path / "first", port) as server:
        cache = cache_at(server.url, seen)
        until(lambda: cache.keep(ROW))
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(5)
        unseen(lambda: cache, 100, 1.0)
        assert not cache.keep(ROW)
    with running_redis_process(tmp_path / "second", port):
        until(lambda: cache.keep(ROW))
        until(lambda: look(cache, 1)[0] == [True])
    cache.close()


def test_a_black_hole_and_a_wrong_port_only_cost_time() -> None:
    with black_hole() as silent:
        for address in (silent, closed_port()):
            seen: list[str] = []
            gone = address.replace("http", "redis")
            with ExitStack() as opened:

                def fresh(
                    url: str = gone, told: list[str] = seen, opened: ExitStack = opened
                ) -> RedisFeatureCache:
                    told.clear()
                    return opened.enter_context(closing(cache_at(url, told, open_seconds=60)))

                unseen(fresh, 100, 2 * TIMEOUT_MS / 1000 + 0.5)
            assert seen == ["error"] * 100


def test_what_another_release_wrote_is_stale(redis_url: str) -> None:
    import redis

    seen: list[str] = []
    cache = RedisFeatureCache(redis_url, SystemClock(), 60_000, 10_000, seen.append)
    with redis.Redis.from_url(redis_url) as client:
        for junk in (b"", b"\x02" + b"x" * 24, b"\x01" + b"x" * 17):
            client.set("hive:features:a", junk, px=60_000)
            assert cache.find(["a"]) == [None]
        client.delete("hive:features:a")
    assert seen == ["stale"] * 3
    cache.close()


def test_the_hit_rate_is_exported(redis_url: str) -> None:
    metrics = guard_agents_metrics()
    cache = RedisFeatureCache(
        redis_url, SystemClock(), 60_000, 10_000, observe=lambda result: metrics.cache.inc("features", result)
    )
    cache.keep(ROW)
    cache.find(["a", "a", "absent"])
    cache.close()
    text = metrics.exposition().decode()
    assert 'neural_hive_ml_cache_requests_total{cache="features",result="hit"} 2.0' in text
    assert 'neural_hive_ml_cache_requests_total{cache="features",result="miss"} 1.0' in text


def test_a_url_that_is_none_is_said_at_once_without_its_password() -> None:
    with pytest.raises(UsageError) as refused:
        cache_at("http://user:secret@host", [])
    assert "secret" not in str(refused.value)
    assert "secret" not in cache_at("redis://user:secret@host:1/0", []).describe()
