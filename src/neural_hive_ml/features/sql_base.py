"""What SQL over ClickHouse's tickets shares: the tickets as known at a moment, and small formulas of the definition.

Text only: a function that runs it is an argument (`Query`), so that nothing here talks to a server.
"""

# ruff: noqa: S608 - table names of ours and whole numbers enter the text

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from neural_hive_ml.tickets.ticket import ENDED_STATUSES, FAILED_STATUSES

if TYPE_CHECKING:
    import pyarrow as pa

Query = Callable[[str, Mapping[str, object]], "pa.Table"]
SEPARATOR: Final = "\\x1f"


def _listed(words: frozenset[str]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(words))


def known_tickets(table: str, since_ms: int | None, at_ms: int) -> str:
    """Return a subquery of the tickets created in [since_ms, at_ms) as `tickets.as_of` shows them.

    Times are whole milliseconds, 0 where unknown. `ended` is the completion, `finished` whether its state is final
    and the completion known (an end that statistics learn), `duration` NULL where there is none.
    """
    lower = "" if since_ms is None else f"created_at >= fromUnixTimestamp64Milli({since_ms:d}, 'UTC') AND "
    return f"""
        SELECT ticket_id, task_id, owner, task_type, risk_band, required_capabilities, parameters, created_at,
            toUnixTimestamp64Milli(created_at) AS created,
            ifNull(toUnixTimestamp64Milli(started_at), 0) AS any_start,
            ifNull(toUnixTimestamp64Milli(completed_at), 0) AS any_end,
            any_start > {at_ms:d} OR any_end > {at_ms:d} AS open_still,
            if(any_start > {at_ms:d}, 0, any_start) AS started,
            if(open_still, 0, any_end) AS ended,
            if(open_still, 'RUNNING', toString(status)) AS state,
            state IN ({_listed(ENDED_STATUSES)}) AND ended > 0 AS finished,
            state IN ({_listed(FAILED_STATUSES)}) AS failed,
            if(open_still, 0, retry_count) AS retries,
            if(open_still, NULL, ifNull(actual_duration_ms,
                if(started > 0 AND ended > 0, ended - started, NULL))) AS duration
        FROM {table} FINAL
        WHERE {lower}created_at < fromUnixTimestamp64Milli({at_ms:d}, 'UTC')"""


def parameter_size(parameters: str = "parameters") -> str:
    """Return the magnitude of a parameters map: the sum of log1p of the numbers in it, as `raw.fill_parameters` sums it.

    Text counts as a number where Python's `float` reads it as a finite one below 1e18.
    """
    digits = r"[0-9]+(_[0-9]+)*"
    number = rf"^[+-]?({digits}\\.?({digits})?|\\.{digits})([eE][+-]?{digits})?$"
    texts = (
        f"arrayMap(p -> replaceRegexpAll(p.2, '^\\\\s+|\\\\s+$', ''), "
        f"JSONExtractKeysAndValues({parameters}, 'String'))"
    )
    values = (
        f"arrayMap(t -> ifNull(toFloat64OrNull(replaceAll(t, '_', '')), 0), "
        f"arrayFilter(t -> match(t, '{number}'), {texts}))"
    )
    return f"arraySum(v -> if(abs(v) < 1e18, log1p(abs(v)), 0), {values})"


def parameter_text(parameters: str = "parameters") -> str:
    """Return the parameters as the text whose digest is the key of the very same work."""
    pairs = f"arraySort(p -> p.1, JSONExtractKeysAndValues({parameters}, 'String'))"
    return f"arrayStringConcat(arrayMap(p -> concat(p.1, '=', p.2), {pairs}), '{SEPARATOR}')"


def capability_text(capabilities: str = "required_capabilities") -> str:
    """Return the capabilities in order, as one text."""
    return f"arrayStringConcat(arraySort(JSONExtract({capabilities}, 'Array(String)')), '{SEPARATOR}')"


def weighted(values: str, count: str, weight: float) -> str:
    """Return the weights of a running mean whose newest observation weighs max(1/n, weight), newest first.

    The first 1/weight observations make a plain mean, which later ones push out by (1 - weight) each; what lies
    beyond `values` (an array of the newest) would weigh nothing in a double.
    """
    plain = int(1.0 / weight)
    rank = f"({count} - i + 1)"
    newer = f"{weight} * pow({1.0 - weight!r}, i - 1)"
    older = f"pow({1.0 - weight!r}, greatest({count} - {plain}, 0)) / least({count}, {plain})"
    return f"arrayMap(i -> if({rank} > {plain}, {newer}, {older}), arrayEnumerate({values}))"


def running_mean(values: str, count: str, weight: float) -> str:
    """Return the running mean of an array, newest first, of the newest of `count` observations."""
    return f"arraySum((w, x) -> w * x, {weighted(values, count, weight)}, {values})"


def running_variance(values: str, mean: str, count: str, weight: float) -> str:
    """Return the running variance around the running mean."""
    return f"arraySum((w, x) -> w * pow(x - {mean}, 2), {weighted(values, count, weight)}, {values})"
