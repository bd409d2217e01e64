"""The tables of ClickHouse, with versions: each step runs once, none is ever changed.

`execution_tickets` holds documents as they are in MongoDB: enums and repeating texts as dictionaries, lists and maps as
JSON text (`JSONExtractString(parameters, 'service')`). A row is replaced by one of a higher `version` of the same
(created_at, ticket_id); a row with `deleted` says that the ticket is not at this place any more.
"""

# ruff: noqa: S608 - only our own names and whole numbers enter the text; values are bound

from typing import Final

from neural_hive_ml.conventions import TICKETS
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.tickets.clickhouse_client import NO_DATABASE, NO_TABLE, ClickHouseDatabase, error_code

VERSIONS: Final = "hive_schema_versions"
SYNCS: Final = "hive_ticket_syncs"
# The first release with tombstones (is_deleted) in ReplacingMergeTree that we rely on.
OLDEST_SERVER: Final = (23, 8)
RETENTION_DAYS: Final = 540

_STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        f"""
        CREATE TABLE IF NOT EXISTS {{database}}.{TICKETS} (
            ticket_id String, plan_id String, intent_id String, decision_id String,
            task_id LowCardinality(String), description String,
            correlation_id Nullable(String), trace_id Nullable(String), span_id Nullable(String),
            error_message Nullable(String), compensation_ticket_id Nullable(String),
            task_type LowCardinality(String), status LowCardinality(String), priority LowCardinality(String),
            risk_band LowCardinality(String), security_level LowCardinality(String),
            delivery_mode LowCardinality(String), consistency LowCardinality(String),
            durability LowCardinality(String),
            created_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD), started_at Nullable(DateTime64(3, 'UTC')),
            completed_at Nullable(DateTime64(3, 'UTC')),
            estimated_duration_ms Nullable(Int64), actual_duration_ms Nullable(Int64), retry_count Int64,
            schema_version Int64, deadline Int64, timeout_ms Int64, max_retries Int64,
            dependencies String, required_capabilities LowCardinality(String), parameters String, metadata String,
            owner LowCardinality(String) MATERIALIZED JSONExtractString(metadata, 'owner'),
            digest UInt64, version UInt64 CODEC(Delta, ZSTD), deleted UInt8,
            INDEX by_ticket_id ticket_id TYPE bloom_filter(0.01) GRANULARITY 1,
            INDEX by_completion completed_at TYPE minmax GRANULARITY 4
        )
        ENGINE = ReplacingMergeTree(version, deleted)
        PARTITION BY toYYYYMM(created_at)
        ORDER BY (created_at, ticket_id)
        """,
        f"""
        CREATE TABLE IF NOT EXISTS {{database}}.{SYNCS} (
            source String, run UInt64, state LowCardinality(String), noted_at DateTime64(3, 'UTC'),
            watermark_ms Int64, copied_until_ms Int64, tickets UInt64
        )
        ENGINE = MergeTree ORDER BY (source, run, noted_at)
        """,
    ),
)
NEWEST: Final = len(_STEPS)


def schema_version(database: ClickHouseDatabase) -> int:
    """Return the number of the last step that was taken, 0 where nothing is there yet."""
    try:
        return int(database.command(f"SELECT max(version) FROM {database.table(VERSIONS)}"))
    except StoreUnavailable as error:
        if error_code(error) in {NO_TABLE, NO_DATABASE}:
            return 0
        raise


def create_schema(database: ClickHouseDatabase, retention_days: int = RETENTION_DAYS) -> int:
    """Take the steps that are missing and set how long tickets are kept (0: for ever); return how many steps.

    Safe to run by several at once and again.

    Raises
    ------
    StoreUnavailable
        When the server is too old, does not answer, denies it, or has the schema of a newer release.
    """
    held = schema_version(database)
    if held > NEWEST:
        raise StoreUnavailable(
            f"{database.name} has schema {held}, this release knows {NEWEST}", remedy="use the newer release"
        )
    if held < NEWEST:
        check_server(database)
        if held == 0:
            _create_versions(database)
        for number in range(held + 1, NEWEST + 1):
            for statement in _STEPS[number - 1]:
                database.command(statement.format(database=f"`{database.target.database}`"))
            database.command(f"INSERT INTO {database.table(VERSIONS)} (version) VALUES ({number})")
    _keep_for(database, retention_days)
    return NEWEST - held


def check_server(database: ClickHouseDatabase) -> str:
    """Return the server's version. Raises `StoreUnavailable` for one that lacks what the tables need."""
    text = str(database.command("SELECT version()"))
    if tuple(int(part) for part in text.split(".")[:2]) < OLDEST_SERVER:
        least = ".".join(map(str, OLDEST_SERVER))
        raise StoreUnavailable(f"{database.name} is ClickHouse {text}", remedy=f"use {least} or newer")
    return text


def _create_versions(database: ClickHouseDatabase) -> None:
    # A user who may not create databases can be given one: then it is there.
    if not int(database.command(f"EXISTS DATABASE `{database.target.database}`")):
        database.command(f"CREATE DATABASE IF NOT EXISTS `{database.target.database}`")
    database.command(
        f"CREATE TABLE IF NOT EXISTS {database.table(VERSIONS)} "
        "(version UInt32, taken_at DateTime64(3, 'UTC') DEFAULT now64(3)) "
        "ENGINE = ReplacingMergeTree ORDER BY version"
    )


def _keep_for(database: ClickHouseDatabase, days: int) -> None:
    """Make the table forget tickets created more than `days` ago; only when it does not do so already."""
    table = database.table(TICKETS)
    made = str(database.command(f"SHOW CREATE TABLE {table}"))
    held = f"toIntervalDay({days})" in made if days else "\\nTTL " not in made and "\nTTL " not in made
    if held:
        return
    # A DateTime ends in 2106: what claims to be younger than that is kept, not wrapped around to 1970.
    created = "toDateTime(least(created_at, toDateTime64('2100-01-01', 3, 'UTC')))"
    change = f"MODIFY TTL {created} + toIntervalDay({days})" if days else "REMOVE TTL"
    database.command(f"ALTER TABLE {table} {change}")
