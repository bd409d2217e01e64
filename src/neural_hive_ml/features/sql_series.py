"""The load series counted by ClickHouse: the same buckets as `series.completions` of the same tickets as of a moment."""

# ruff: noqa: S608 - a table name of ours and whole numbers enter the text

import numpy as np

from neural_hive_ml.features.series import GRAIN_MS, CountSeries
from neural_hive_ml.features.sql_base import Query, known_tickets


def sql_completions(
    query: Query,
    table: str,
    until_ms: int,
    since_ms: int | None = None,
    bucket_ms: int = GRAIN_MS,
    *,
    created_since_ms: int | None = None,
) -> CountSeries:
    """Count completed tickets by bucket of their completion, as known at `until_ms`; one row a bucket leaves the server.

    Equals ``completions(as_of(columns, until_ms), until_ms, since_ms, bucket_ms)`` over the tickets created since
    `created_since_ms` (None: all). Times are UTC epoch milliseconds.

    Raises
    ------
    StoreUnavailable
        When the server does not answer.

    Examples
    --------
    ``sql_completions(store.database.query, store.table, now_ms, bucket_ms=HOUR_MS)``
    """
    found = query(
        f"SELECT intDiv(ended, {bucket_ms:d}) AS bucket, count() AS n "
        f"FROM ({known_tickets(table, created_since_ms, until_ms)}) "
        f"WHERE state = 'COMPLETED' AND ended > 0 AND ended < {until_ms:d} GROUP BY bucket",
        {},
    )
    buckets = found["bucket"].to_numpy().astype(np.int64)
    counted = found["n"].to_numpy().astype(np.float64)
    start_ms = since_ms if since_ms is not None else int(buckets.min()) * bucket_ms if len(buckets) else until_ms
    first = -(-start_ms // bucket_ms)
    counts = np.zeros(max(until_ms // bucket_ms - first, 0))
    inside = (buckets >= first) & (buckets < first + len(counts))
    counts[buckets[inside] - first] = counted[inside]
    return CountSeries(first * bucket_ms, bucket_ms, counts)
