"""What the sync asks ClickHouse: which tickets are open, what each day adds up to, whom a day holds."""

# ruff: noqa: S608 - only our own names and whole numbers enter the text

from collections.abc import Mapping, Sequence

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.tickets.changes import DayFigures
from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore, moment
from neural_hive_ml.tickets.clickhouse_client import HEAVY_PATIENCE
from neural_hive_ml.tickets.ticket import ENDED_STATUSES


def open_ids(store: ClickHouseTicketStore, created_before_ms: int) -> Sequence[str]:
    """Return the ids of tickets created before a moment that have not ended as far as ClickHouse knows."""
    ended = ", ".join(f"'{status}'" for status in sorted(ENDED_STATUSES))
    found = store.database.query(
        f"SELECT ticket_id FROM {store.table} FINAL "
        f"WHERE status NOT IN ({ended}) AND created_at < {moment(created_before_ms)}",
        patience=HEAVY_PATIENCE,
    )
    ids: list[str] = found["ticket_id"].to_pylist()
    return ids


def day_figures(store: ClickHouseTicketStore) -> Mapping[int, DayFigures]:
    """Return the figures of each UTC day on which a ticket was created."""
    found = store.database.query(
        f"SELECT intDiv(toUnixTimestamp64Milli(created_at), {DAY_MS}) AS day, count() AS tickets, "
        "countIf(status = 'COMPLETED') AS completed, sum(retry_count) AS retries, "
        "sum(ifNull(actual_duration_ms, 0)) AS durations_ms, "
        "sum(ifNull(toUnixTimestamp64Milli(completed_at) - toUnixTimestamp64Milli(created_at), 0)) AS spans_ms "
        f"FROM {store.table} FINAL GROUP BY day",
        patience=HEAVY_PATIENCE,
    )
    return {row.pop("day"): DayFigures(**row) for row in found.to_pylist()}


def ids_of_day(store: ClickHouseTicketStore, day: int) -> Sequence[str]:
    """Return the ids of the tickets created on a UTC day (days since 1970)."""
    found = store.database.query(
        f"SELECT ticket_id FROM {store.table} FINAL "
        f"WHERE created_at >= {moment(day * DAY_MS)} AND created_at < {moment((day + 1) * DAY_MS)}"
    )
    ids: list[str] = found["ticket_id"].to_pylist()
    return ids
