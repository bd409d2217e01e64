"""Every client reaches its server over TLS with a private CA, and refuses a certificate of a CA that it was not told of."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.clickhouse_server import ClickHouseAddress
from tests.support.tickets import ticket
from tests.support.tls_front import private_ca, tls_front

from neural_hive_ml.errors import HiveError, StoreUnavailable, UsageError
from neural_hive_ml.redis_client import redis_client
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.registry.mlflow_rest import MlflowRestSource
from neural_hive_ml.state.mongo import MongoStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.streams.kafka import KafkaAccess, KafkaBroker
from neural_hive_ml.streams.port import Outgoing
from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
from neural_hive_ml.tickets.clickhouse_client import ClickHouseTarget

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return private_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def ca(certificates: tuple[Path, Path]) -> str:
    return str(certificates[0])


@contextmanager
def fronted(certificates: tuple[Path, Path], address: str) -> Iterator[int]:
    parts = urlsplit(address if "//" in address else f"//{address}")
    assert parts.port is not None
    assert parts.hostname is not None
    with tls_front(certificates[1], parts.port, host=parts.hostname) as front:
        yield front


def login(address: str) -> str:
    """Return the user and password of a URI, as they stand in one."""
    user, at, _ = urlsplit(address).netloc.rpartition("@")
    return user + at


@pytest.mark.xdist_group("mongo")
def test_mongodb(mongo_uri: str, certificates: tuple[Path, Path], ca: str) -> None:
    with fronted(certificates, mongo_uri) as port:
        uri = f"mongodb://{login(mongo_uri)}127.0.0.1:{port}/?directConnection=true&tls=true"
        store = MongoStateStore(f"{uri}&tlsCAFile={ca}", "tls")
        store.put("notes", Record("a", 1, {"n": 1}))
        assert store.get("notes", "a") == Record("a", 1, {"n": 1})
        store.close()
        stranger = MongoStateStore(uri, "tls", 10.0)
        with pytest.raises(StoreUnavailable, match="tlsCAFile"):
            stranger.get("notes", "a")
        stranger.close()


@pytest.mark.xdist_group("clickhouse")
def test_clickhouse(
    clickhouse_address: ClickHouseAddress,
    certificates: tuple[Path, Path],
    ca: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = clickhouse_address

    def opened(port: int, ca_file: str) -> ClickHouseTicketStore:
        return ClickHouseTicketStore(
            ClickHouseTarget(
                "127.0.0.1", port, address.user, address.password, "tls", secure=True, ca_file=ca_file
            ),
            0,
        )

    with fronted(certificates, f"{address.host}:{address.port}") as port:
        store = opened(port, ca)
        store.upsert([ticket("a")])
        assert store.get("a") == ticket("a")
        store.close()
        with pytest.raises(StoreUnavailable, match="CLICKHOUSE_CA_FILE"):
            opened(port, "").get("a")
        with pytest.raises(UsageError, match="CLICKHOUSE_CA_FILE=/nowhere"):
            opened(port, "/nowhere").get("a")
        # As every other program of the machine is told.
        monkeypatch.setenv("SSL_CERT_FILE", ca)
        store = opened(port, "")
        assert store.get("a") == ticket("a")
        store.close()


@pytest.mark.xdist_group("redis")
def test_redis(redis_url: str, certificates: tuple[Path, Path], ca: str) -> None:
    import redis

    with fronted(certificates, redis_url) as port:
        url = f"rediss://{login(redis_url)}127.0.0.1:{port}/0"
        client = redis_client(f"{url}?ssl_ca_certs={ca}", 5)
        assert client.ping()
        client.close()

        async def ask(awaited: str = f"{url}?ssl_ca_certs={ca}") -> bool:
            client = redis_client(awaited, 5, awaited=True)
            try:
                return bool(await client.ping())
            finally:
                await client.aclose()

        assert asyncio.run(ask())
        stranger = redis_client(url, 5)
        with pytest.raises(redis.RedisError, match="CERTIFICATE_VERIFY_FAILED"):
            stranger.ping()
        stranger.close()


@pytest.mark.xdist_group("mlflow")
def test_mlflow(
    mlflow_server: str, certificates: tuple[Path, Path], ca: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Set by the client for MLflow itself: put back at the end.
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "")
    with fronted(certificates, mlflow_server) as port:
        uri = f"https://{login(mlflow_server)}127.0.0.1:{port}"
        asked: tuple[Callable[[str], object], ...] = (
            lambda ca_file: MlflowRegistry(uri, tmp_path, ca_file=ca_file).resolve("no-such-model", "champion"),
            lambda ca_file: MlflowRestSource(uri, ca_file=ca_file).current("no-such-model"),
        )
        for ask in asked:
            with pytest.raises(HiveError, match="MLFLOW_TRACKING_SERVER_CERT_PATH"):
                ask("")
        for ask in asked:
            assert ask(ca) is None


@pytest.mark.xdist_group("kafka")
def test_kafka(kafka_bootstrap: str, certificates: tuple[Path, Path], ca: str) -> None:
    plain = int(kafka_bootstrap.rpartition(":")[2])

    def told(front: int) -> Callable[[bytes], bytes]:
        """The broker says where it is itself: that must be the front too."""
        there, here = (b"127.0.0.1" + port.to_bytes(4, "big") for port in (plain, front))
        return lambda piece: piece.replace(there, here)

    async def say(port: int, ca_file: str) -> int:
        access = KafkaAccess(f"127.0.0.1:{port}", security_protocol="SSL", ca_file=ca_file)
        broker = KafkaBroker(access, 5.0)
        try:
            await broker.publish("tls", [Outgoing("a", b"{}")])
            return len(await broker.browse("tls", "group", 10))
        finally:
            await broker.close()

    with tls_front(certificates[1], plain, told) as port:
        assert asyncio.run(say(port, ca)) == 1
        with pytest.raises(StoreUnavailable):
            asyncio.run(say(port, ""))
