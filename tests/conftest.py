"""Servers that several kinds of tests share: started when first asked for, once a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.clickhouse_server import ClickHouseAddress, running_clickhouse
from tests.support.kafka_server import running_kafka
from tests.support.mlflow_server import laid_out, shared_mlflow
from tests.support.redis_server import running_redis
from tests.support.servers import running_mongo

# How long an example takes depends on who else is at work: benchmarks measure time, tests do not.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sqlite file with MLflow's tables and nothing in them, to be copied: laying them out takes 3 to 10 s."""
    return laid_out(tmp_path_factory.mktemp("mlflow-tables") / "mlflow.db")


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[str]:
    """The URI of a real MLflow server. Tests that use it are marked `services` and xdist_group("mlflow")."""
    with shared_mlflow(tmp_path_factory.mktemp("mlflow-server"), mlflow_database) as uri:
        yield uri


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of MongoDB or its stand-in. Tests that use it are marked `services` and xdist_group("mongo")."""
    with running_mongo(tmp_path_factory.mktemp("mongo")) as uri:
        yield uri


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Redis. Tests that use it are marked `services` and xdist_group("redis")."""
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def clickhouse_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseAddress]:
    """Where ClickHouse or its engine is. Tests that use it are marked `services` and xdist_group("clickhouse")."""
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as address:
        yield address


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Kafka or its stand-in is. Tests that use it are marked `services` and xdist_group("kafka")."""
    with running_kafka(tmp_path_factory.mktemp("kafka")) as bootstrap:
        yield bootstrap
