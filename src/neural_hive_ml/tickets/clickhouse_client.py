"""One way to reach ClickHouse over HTTP: time-outs everywhere, errors in our words, a connection made when needed."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import httpx

from neural_hive_ml.errors import StoreUnavailable, UsageError
from neural_hive_ml.tls import trusted_file, untrusted_remedy, verifying

if TYPE_CHECKING:
    import pyarrow as pa

Parameters = Mapping[str, object]
# A block of tickets takes longer than one answer, an aggregation over all of them much longer.
READ_PATIENCE: Final = 6
HEAVY_PATIENCE: Final = 120
_NATIVE_PORTS: Final = (9000, 9440)
_CODE: Final = re.compile(r"\bcode:\s*(\d+)", re.IGNORECASE)
NO_TABLE, NO_DATABASE = 60, 81
_CREDENTIALS: Final = "check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD"
_GRANT: Final = "grant the user SELECT, INSERT, CREATE and ALTER on {database}.*"
_CREATE: Final = "hive-ml tickets sync creates the tables"
# By the server's error codes.
_REMEDIES: Final = {
    **dict.fromkeys((192, 193, 194, 516), _CREDENTIALS),
    **dict.fromkeys((164, 497), _GRANT),
    **dict.fromkeys((NO_TABLE, NO_DATABASE), _CREATE),
    159: "raise STORE_TIMEOUT_SECONDS, or ask for a shorter window",
    241: "give the query more memory on the server, or ask for a shorter window",
}


@dataclass(frozen=True, slots=True)
class ClickHouseTarget:
    """Where ClickHouse is. `timeout_seconds` bounds connecting and a first answer; queries get multiples of it."""

    host: str
    port: int = 8123
    user: str = "default"
    password: str = ""
    database: str = "neural_hive"
    timeout_seconds: float = 5.0
    secure: bool = False
    ca_file: str = ""

    @property
    def name(self) -> str:
        """The address without the password."""
        return f"clickhouse://{self.host}:{self.port}/{self.database}"


class ClickHouseDatabase:
    """A server and database that are connected to at their first use; safe for threads."""

    def __init__(self, target: ClickHouseTarget) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", target.database):
            raise UsageError(
                f"CLICKHOUSE_DATABASE={target.database!r} is no plain name",
                remedy="letters, digits and underscores",
            )
        self.target = target
        self.name = target.name
        self._clients: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._closed = False

    def table(self, name: str) -> str:
        """Return a table's name as SQL spells it."""
        return f"`{self.target.database}`.`{name}`"

    def command(self, sql: str, parameters: Parameters | None = None, *, patience: int = READ_PATIENCE) -> Any:
        """Run a statement and return its one value, if any; parameters and errors as of `query`."""
        with self._answering():
            return self._client(patience).command(sql, parameters=parameters, settings=self._limits(patience))

    def query(
        self, sql: str, parameters: Parameters | None = None, *, patience: int = READ_PATIENCE
    ) -> "pa.Table":
        """Run a query and return its answer as Arrow; `parameters` are bound as literals to `%(name)s`.

        Raises
        ------
        StoreUnavailable
            When it does not answer within `patience` times the time-out, or refuses.
        """
        with self._answering():
            return self._client(patience).query_arrow(
                sql,
                parameters=parameters,
                settings={
                    **self._limits(patience),
                    "output_format_arrow_string_as_string": 1,
                    "output_format_arrow_low_cardinality_as_dictionary": 1,
                },
            )

    def _limits(self, patience: int) -> dict[str, int]:
        # The server gives up when we do. What a readonly profile may not set is dropped, not an error.
        return {
            "max_query_size": 16 * 2**20,
            "max_execution_time": round(patience * self.target.timeout_seconds) + 1,
        }

    def insert(self, table: str, rows: "pa.Table") -> None:
        """Insert rows; when this returns the server has them."""
        with self._answering():
            # A batch of an old log may span more months than the server takes at once by default.
            settings = {"max_partitions_per_insert_block": 0}
            self._client(READ_PATIENCE).insert_arrow(table, rows, database=self.target.database, settings=settings)

    def _client(self, patience: int) -> Any:
        with self._lock:
            if self._closed:
                raise StoreUnavailable(f"{self.name}: the connection is closed", remedy="open the store again")
            client = self._clients.get(patience)
            if client is None:
                client = self._clients[patience] = self._connected(patience)
            return client

    def _connected(self, patience: int) -> Any:
        try:
            import clickhouse_connect
            from clickhouse_connect import common
        except ImportError:
            raise UsageError(
                "CLICKHOUSE_HOST is set, but clickhouse-connect is not installed",
                remedy="pip install 'neural-hive-ml[clickhouse]'",
            ) from None
        target = self.target
        # The driver gives its first query the whole patience: know within one time-out whether anybody is there.
        address = f"{'https' if target.secure else 'http'}://{target.host}:{target.port}/ping"
        verify = verifying(target.ca_file, "CLICKHOUSE_CA_FILE") if target.secure else True
        httpx.get(address, timeout=target.timeout_seconds, trust_env=False, verify=verify).raise_for_status()
        common.set_setting("invalid_setting_action", "drop")
        return clickhouse_connect.get_client(
            host=target.host,
            port=target.port,
            username=target.user,
            password=target.password,
            secure=target.secure,
            ca_cert=(trusted_file(target.ca_file) or None) if target.secure else None,
            # The driver counts in whole seconds.
            connect_timeout=ceil(target.timeout_seconds),
            send_receive_timeout=ceil(patience * target.timeout_seconds),
            query_retries=1,
            autogenerate_session_id=False,
            client_name="neural-hive-ml",
        )

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn the driver's errors into `StoreUnavailable`, naming the server, and forget a lost connection."""
        try:
            yield
        except (StoreUnavailable, UsageError):
            raise
        except Exception as error:
            known = (OSError, httpx.HTTPError)
            if not isinstance(error, known) and not type(error).__module__.startswith(
                ("clickhouse_connect", "urllib3")
            ):
                raise
            raise StoreUnavailable(f"{self.name}: {_short(error)}", remedy=self._remedy(error)) from error

    def _remedy(self, error: Exception) -> str:
        code = error_code(error)
        if code in _REMEDIES:
            return _REMEDIES[code].format(database=self.target.database)
        if untrusted := untrusted_remedy(error, "set CLICKHOUSE_CA_FILE"):
            return untrusted
        if self.target.port in _NATIVE_PORTS:
            return f"CLICKHOUSE_PORT is the HTTP port, 8123 or 8443; {self.target.port} is the native protocol's"
        return "check that ClickHouse runs and CLICKHOUSE_HOST, CLICKHOUSE_PORT (HTTP) are right: hive-ml doctor"

    def close(self) -> None:
        """Close the connections; further use is an error."""
        with self._lock:
            self._closed = True
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def error_code(error: BaseException) -> int | None:
    """Return the server's error code of an error or of what caused it, None for one that is not the server's."""
    found = _CODE.search(str(error))
    if found:
        return int(found.group(1))
    return error_code(error.__cause__) if error.__cause__ is not None else None


def _short(error: Exception) -> str:
    text = str(error).rpartition("server response: ")[2] or type(error).__name__
    return text.partition("(for url")[0].partition(" (version")[0].strip()[:400]
