"""A Redis URL that is none is bad usage wherever Redis is used, and no address that is shown holds a secret."""

from collections.abc import Callable

import pytest

from neural_hive_ml.cache.redis import RedisFeatureCache
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.errors import UsageError
from neural_hive_ml.serving.statistics_shelf import RedisShelf
from neural_hive_ml.state.mongo_client import MongoDatabase
from neural_hive_ml.streams.redis import RedisBroker

USERS: dict[str, Callable[[str], object]] = {
    "cache": lambda url: RedisFeatureCache(url, SystemClock(), 1_000),
    "streams": RedisBroker,
    "statistics": lambda url: RedisShelf(url, "x"),
}


@pytest.mark.parametrize("user", USERS)
def test_a_url_that_is_none_is_bad_usage(user: str) -> None:
    with pytest.raises(UsageError, match="REDIS_URL is no Redis URL"):
        USERS[user]("http://cache:6379")


@pytest.mark.parametrize("url", ["redis://:hunter2@cache:6379/0", "redis://u:hunter2@cache:6379/0",
                                 "rediss://cache:6379/0?password=hunter2", "redis://u:hun%40ter2@cache/0"])  # fmt: skip
def test_an_address_that_is_shown_holds_no_secret(url: str) -> None:
    assert "hun" not in RedisBroker(url).describe()
    assert "cache" in RedisBroker(url).describe()


@pytest.mark.parametrize("url", ["redis://:hun/ter@cache", "redis://:hun?ter@cache", "redis://cache/0?db=hun"])
def test_a_url_that_is_none_is_not_quoted(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        RedisBroker(url)
    assert "hun" not in str(caught.value)


@pytest.mark.parametrize("password", ["hun/ter", "hun?ter", "hun:ter", "hun%ter"])
def test_nor_is_one_of_mongodb(password: str) -> None:
    with pytest.raises(UsageError) as caught:
        MongoDatabase(f"mongodb://user:{password}@mongodb:27017/db", "neural_hive", 1.0)
    assert "hun" not in str(caught.value)
    assert "ter" not in str(caught.value).replace("character", "")
