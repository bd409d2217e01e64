"""Point-in-time statistics computed by ClickHouse: what a replay of all tickets would remember, one row a key.

The definition (`definition.py`) is a recurrence over events in order. Here each number has a closed form over what the
server can group: counts, sums that decay with time, and the newest observations of a key. Both agree within 1e-9.
"""

# ruff: noqa: S608 - a table name of ours, our own formulas and whole numbers enter the text

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from neural_hive_ml.features import layout as at
from neural_hive_ml.features.definition import DAY_MS, FAST_WEIGHT, HOUR_MS, SLOW_WEIGHT
from neural_hive_ml.features.sql_base import (
    Query,
    capability_text,
    known_tickets,
    parameter_size,
    parameter_text,
    running_mean,
    running_variance,
)
from neural_hive_ml.features.statistics import Floats, Statistics, Tables, personal_key
from neural_hive_ml.tickets.ticket import RISK_BANDS, TASK_TYPES

# Observations of a key that leave the newest of it: 0.95 ** 1000 is 5e-23.
NEWEST: Final = 1_000
_SEPARATOR: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class _Scope:
    """A scope of `layout`: the columns of its key, when a ticket has one, and the key's text."""

    columns: tuple[str, ...]
    condition: str
    key: Callable[..., str]


def _same(task: str, parameters: str) -> str:
    digest = blake2b(parameters.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{task}{_SEPARATOR}{digest}"


_TASK, _OWNER = "task_id != ''", "owner != ''"
_RECORDS: Final[dict[str, _Scope]] = {
    "task": _Scope(("task_id",), _TASK, str),
    "owner": _Scope(("owner",), _OWNER, str),
    "owner_task": _Scope(("owner", "task_id"), f"{_TASK} AND {_OWNER}", lambda o, t: f"{o}{_SEPARATOR}{t}"),
    "same": _Scope(("task_id", parameter_text()), _TASK, _same),
    "type": _Scope(("task_type",), "1", lambda word: f"type {TASK_TYPES.index(word)}"),
    "risk": _Scope(("risk_band",), "1", lambda word: f"risk {RISK_BANDS.index(word)}"),
    "capabilities": _Scope((capability_text(),), "1", lambda have: f"needs {have}"),
    "everything": _Scope(("materialize('everything')",), "1", str),
}
_COUNTS: Final[dict[str, _Scope]] = {
    "task_capabilities": _Scope(("task_id", capability_text()), _TASK, lambda t, c: f"{t}{_SEPARATOR}{c}"),
    "task_risk": _Scope(
        ("task_id", "risk_band"), _TASK, lambda t, word: f"{t}{_SEPARATOR}{RISK_BANDS.index(word)}"
    ),
}
_HOURS: Final[dict[str, _Scope]] = {
    "task_hours": _Scope(("task_id",), _TASK, str),
    "owner_hours": _Scope(("owner",), _OWNER, str),
}


def sql_statistics(
    query: Query, table: str, at_ms: int, *, created_since_ms: int | None = None, timezone: str = "UTC"
) -> Statistics:
    """Return the statistics as of a moment (UTC epoch ms) over the tickets created since another (None: all).

    Equal, key by key and within 1e-9, to those that ``build_frame(as_of(columns, at_ms), ...)`` ends with; `timezone` is
    the binding's. What leaves the server is one row a key.

    Raises
    ------
    StoreUnavailable
        When the server does not answer in time.

    Examples
    --------
    ``sql_statistics(partial(store.database.query, patience=HEAVY_PATIENCE), store.table, now_ms)``
    """
    base = known_tickets(table, created_since_ms, at_ms)
    records = {name: _records(query, base, scope, ring=name in at.FULL_SCOPES) for name, scope in _RECORDS.items()}
    counts = {name: _counts(query, base, scope) for name, scope in _COUNTS.items()}
    hours = {name: _hours(query, base, scope, timezone) for name, scope in _HOURS.items()}
    [extent] = query(
        f"SELECT max(greatest(created, started, if(finished, ended, 0))) AS newest, "
        f"count() + countIf(started > 0) + countIf(finished) AS events FROM ({base})",
        {},
    ).to_pylist()
    return _assembled(records, counts, hours, int(extent["newest"] or 0), int(extent["events"]))


Table = dict[str, Floats]


def _assembled(
    records: Mapping[str, Table],
    counts: Mapping[str, Table],
    hours: Mapping[str, Table],
    as_of_ms: int,
    events: int,
) -> Statistics:
    """Lay the keys of all scopes out as `Statistics` does: row 0 of each table is nobody's."""
    full, full_slots = _stacked([records[name] for name in at.FULL_SCOPES], at.FULL_WIDTH)
    slim, slim_slots = _stacked([records[name] for name in at.SLIM_SCOPES], at.SLIM_WIDTH)
    pairs, pair_slots = _stacked([counts[name] for name in at.PAIR_SCOPES], 1)
    clock, hour_slots = _stacked([hours[name] for name in at.HOUR_SCOPES], at.HOURS)
    used = {"full": len(full), "slim": len(slim), "pairs": len(pairs), "hours": len(clock)}
    given = (*full_slots, *slim_slots, *pair_slots, *hour_slots)
    slots = tuple(
        {personal_key(key): slot for key, slot in own.items()} if scope in at.PERSONAL_SCOPES else own
        for scope, own in zip(at.SCOPES, given, strict=True)
    )
    return Statistics(Tables(full, slim, pairs, clock), as_of_ms, events, slots, used)


def _stacked(tables: Sequence[Table], width: int) -> tuple[Floats, list[dict[str, int]]]:
    rows: list[Floats] = [np.zeros(width)]
    slots: list[dict[str, int]] = []
    for table in tables:
        slots.append({key: len(rows) + place for place, key in enumerate(table)})
        rows.extend(table.values())
    return np.stack(rows), slots


def _counts(query: Query, base: str, scope: _Scope) -> Table:
    found = query(
        f"SELECT {_keys(scope)}, count() AS n FROM ({base}) WHERE {scope.condition} GROUP BY {_names(scope)}", {}
    )
    return {key: np.array([float(row["n"])]) for key, row in _rows(found, scope)}


def _hours(query: Query, base: str, scope: _Scope, timezone: str) -> Table:
    found = query(
        f"SELECT {_keys(scope)}, toHour(created_at, %(timezone)s) AS hour, count() AS n FROM ({base}) "
        f"WHERE {scope.condition} GROUP BY {_names(scope)}, hour",
        {"timezone": timezone},
    )
    hours: Table = {}
    for key, row in _rows(found, scope):
        hours.setdefault(key, np.zeros(at.HOURS))[row["hour"]] = row["n"]
    return hours


def _records(query: Query, base: str, scope: _Scope, *, ring: bool) -> Table:
    """Return the record of each key of a scope, [FULL_WIDTH] with a ring, else [SLIM_WIDTH]."""
    found = query(_records_sql(base, scope, ring=ring), {})
    return {key: _record(row, ring=ring) for key, row in _rows(found, scope)}


def _record(row: Mapping[str, Any], *, ring: bool) -> Floats:
    record = np.zeros(at.FULL_WIDTH if ring else at.SLIM_WIDTH)
    for place, name in _PLACES.items():
        record[place] = row[name]
    if ring:
        # The i-th success, from 0, lies at i % RING; `ring` is newest first.
        successes = int(row["n_success"])
        for back, value in enumerate(row["ring"]):
            record[at.SLIM_WIDTH + (successes - 1 - back) % at.RING] = value
        record[at.RING_AT] = successes % at.RING
    return record


_PLACES: Final = {
    at.N_CREATED: "n_created",
    at.N_SUCCESS: "n_success",
    at.N_ENDED: "n_ended",
    at.FAST: "fast",
    at.SLOW: "slow",
    at.VARIANCE: "variance",
    at.LAST: "last",
    at.LAST_TWO: "last_two",
    at.FAILURES: "failures",
    at.RETRIES: "retries",
    at.WAIT: "wait",
    at.CREATED_AT: "last_created",
    at.GAP: "gap",
    at.RATE_1H: "rate_1h",
    at.RATE_24H: "rate_24h",
    at.RUNNING: "running",
    at.QUEUED: "queued",
    at.N_GAPS: "n_gaps",
    at.N_WAITS: "n_waits",
    at.SIZE: "size",
    at.SIZE_VARIANCE: "size_variance",
}


def _records_sql(base: str, scope: _Scope, *, ring: bool) -> str:
    keys, names = _keys(scope), _names(scope)
    of = f"FROM ({base}) WHERE {scope.condition}"

    def newest(name: str, moment: str, condition: str, value: str) -> str:
        """The newest observations of each key, newest first, in the order in which a replay meets them."""
        return f"""(
            SELECT {names}, arrayMap(e -> e.4, arrayReverseSort(groupArray((moment, late, ticket_id, value)))) AS {name}
            FROM (SELECT {keys}, {moment} AS moment, {moment} = created AS late, ticket_id, {value} AS value
                {of} AND {condition} ORDER BY moment DESC, late DESC, ticket_id DESC LIMIT {NEWEST} BY {names})
            GROUP BY {names})"""

    succeeded = "finished AND NOT failed AND isNotNull(duration)"
    milliseconds = "toFloat64(assumeNotNull(duration))"
    decayed = "exponentialMovingAverage({ms})(1., toFloat64(created)) / (1 - exp2(-1 / {ms}))"
    sizes, times = "arrayMap(c -> c.2, made)", "arrayMap(c -> c.1, made)"
    gaps = (
        f"arrayMap((later, earlier) -> log1p((later - earlier) / 1000.), "
        f"arrayPopBack({times}), arrayPopFront({times}))"
    )
    logs = "arrayMap(d -> log1p(d), took)"
    slow, fast = running_mean("logs", "n_success", SLOW_WEIGHT), running_mean("logs", "n_success", FAST_WEIGHT)
    last_two = "if(n_success > 1, log1p(0.5 * (took[2] + took[1])), logs[1])"
    return f"""
        SELECT {names}, n_created, n_success, n_ended, n_waits, last_created, rate_1h, rate_24h, running, queued,
            n_created - 1 AS n_gaps,
            {sizes} AS sizes, {gaps} AS gaps, {logs} AS logs,
            {running_mean("sizes", "n_created", SLOW_WEIGHT)} AS size,
            {running_variance("sizes", "size", "n_created", SLOW_WEIGHT)} AS size_variance,
            {running_mean("gaps", "n_gaps", SLOW_WEIGHT)} AS gap,
            {running_mean("waits", "n_waits", SLOW_WEIGHT)} AS wait,
            {running_mean("arrayMap(e -> e.1, ends)", "n_ended", SLOW_WEIGHT)} AS failures,
            {running_mean("arrayMap(e -> e.2, ends)", "n_ended", SLOW_WEIGHT)} AS retries,
            {fast} AS fast, {slow} AS slow, {running_variance("logs", "slow", "n_success", SLOW_WEIGHT)} AS variance,
            logs[1] AS last, {last_two} AS last_two, arraySlice(logs, 1, {at.RING if ring else 0}) AS ring
        FROM (
            SELECT {keys}, toFloat64(count()) AS n_created, toFloat64(max(created)) AS last_created,
                toFloat64(countIf(started > 0)) AS n_waits, toFloat64(countIf(finished)) AS n_ended,
                toFloat64(countIf({succeeded})) AS n_success,
                {decayed.format(ms=HOUR_MS)} AS rate_1h, {decayed.format(ms=DAY_MS)} AS rate_24h,
                n_waits - countIf(finished AND started > 0) AS running,
                n_created - n_waits - countIf(finished AND started = 0) AS queued
            {of} GROUP BY {names}
        ) AS c
        LEFT JOIN {newest("made", "created", "1", f"(toFloat64(created), {parameter_size()})")} AS m USING ({names})
        LEFT JOIN {newest("waits", "started", "started > 0", "log1p(toFloat64(started - created))")} AS w
            USING ({names})
        LEFT JOIN {newest("ends", "ended", "finished", "(toFloat64(failed), toFloat64(retries))")} AS e USING ({names})
        LEFT JOIN {newest("took", "ended", succeeded, milliseconds)} AS d USING ({names})
    """


def _keys(scope: _Scope) -> str:
    return ", ".join(f"{column} AS k{place}" for place, column in enumerate(scope.columns))


def _names(scope: _Scope) -> str:
    return ", ".join(f"k{place}" for place in range(len(scope.columns)))


def _rows(found: Any, scope: _Scope) -> "list[tuple[str, dict[str, Any]]]":
    rows: list[dict[str, Any]] = found.to_pylist()
    return [(scope.key(*(row.pop(f"k{i}") for i in range(len(scope.columns)))), row) for row in rows]
