"""What every feature cache does, run over each of them."""

import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.support.clocks import HandClock

from neural_hive_ml.cache.memory import MemoryFeatureCache
from neural_hive_ml.cache.port import CachedRow, FeatureCache
from neural_hive_ml.cache.redis import RedisFeatureCache
from neural_hive_ml.clock import Clock, SystemClock

ADAPTERS = ("memory", pytest.param("redis", marks=[pytest.mark.services, pytest.mark.xdist_group("redis")]))
TTL_MS = 10_000
Open = Callable[..., FeatureCache]


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture(params=ADAPTERS)
def open_cache(request: pytest.FixtureRequest, seen: list[str]) -> Iterator[Open]:
    opened: list[FeatureCache] = []
    prefix = f"test:{uuid4().hex}:"

    def opener(clock: Clock | None = None, ttl_ms: int = TTL_MS) -> FeatureCache:
        clock = clock or SystemClock()
        if request.param == "memory":
            cache: FeatureCache = MemoryFeatureCache(clock, ttl_ms, seen.append)
        else:
            url = request.getfixturevalue("redis_url")
            cache = RedisFeatureCache(url, clock, ttl_ms, timeout_ms=2_000, observe=seen.append, prefix=prefix)
        opened.append(cache)
        return cache

    yield opener
    for cache in opened:
        cache.close()


def row(*values: float, sequence: int = 7) -> CachedRow:
    return CachedRow(np.array(values), sequence)


def test_what_is_kept_is_found_in_the_order_asked(open_cache: Open, seen: list[str]) -> None:
    cache = open_cache()
    assert cache.find(["a"]) == [None]
    assert cache.keep({"a": row(1.0, 2.0), "b": row(3.0, sequence=9)})
    b, absent, a = cache.find(["b", "absent", "a"])
    assert absent is None
    assert a is not None
    assert b is not None
    assert (a.values.tolist(), a.sequence) == ([1.0, 2.0], 7)
    assert (b.values.tolist(), b.sequence) == ([3.0], 9)
    assert seen == ["miss", "hit", "miss", "hit"]


def test_nothing_asked_is_nothing_done(open_cache: Open, seen: list[str]) -> None:
    cache = open_cache()
    assert cache.find([]) == []
    assert cache.keep({})
    assert seen == []


def test_the_last_row_of_a_key_wins(open_cache: Open) -> None:
    cache = open_cache()
    cache.keep({"a": row(1.0)})
    cache.keep({"a": row(2.0, sequence=8)})
    [found] = cache.find(["a"])
    assert found is not None
    assert (found.values.tolist(), found.sequence) == ([2.0], 8)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrays(np.float64, st.integers(0, 200)),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=20).filter(lambda t: t.isprintable()),
)
def test_a_row_comes_back_to_the_last_bit(
    open_cache: Open, values: np.ndarray[tuple[int], np.dtype[np.float64]], sequence: int, key: str
) -> None:
    cache = open_cache()
    assert cache.keep({key: CachedRow(values, sequence)})
    [found] = cache.find([key])
    assert found is not None
    assert found.values.tobytes() == values.tobytes()
    assert found.values.dtype == np.float64
    assert found.sequence == sequence


def test_a_row_cannot_be_changed_through_what_was_found(open_cache: Open) -> None:
    cache = open_cache()
    mine = np.array([1.0])
    cache.keep({"a": CachedRow(mine, 1)})
    mine[0] = 9.0
    [found] = cache.find(["a"])
    assert found is not None
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 5.0
    assert found.values.tolist() == [1.0]


def test_an_old_row_is_stale_and_missing(open_cache: Open, seen: list[str]) -> None:
    clock = HandClock(1_000_000)
    cache = open_cache(clock)
    cache.keep({"a": row(1.0)})
    clock.at_ms += TTL_MS - 1
    assert cache.find(["a"])[0] is not None
    clock.at_ms += 1
    assert cache.find(["a"]) == [None]
    assert seen == ["hit", "stale"]


def test_a_row_is_gone_after_its_time_to_live(open_cache: Open, seen: list[str]) -> None:
    cache = open_cache(ttl_ms=60)
    cache.keep({"a": row(1.0)})
    time.sleep(0.1)
    assert cache.find(["a"]) == [None]
    assert seen[-1] in {"miss", "stale"}


def test_a_closed_cache_only_costs_the_rows(open_cache: Open, seen: list[str]) -> None:
    cache = open_cache()
    cache.keep({"a": row(1.0)})
    cache.close()
    assert cache.find(["a"]) == [None]
    assert not cache.keep({"a": row(1.0)})
    assert seen == ["error"]


def test_describe_says_where(open_cache: Open) -> None:
    assert open_cache().describe().startswith("features cached in ")
