"""Tickets as an Arrow table and back: the form of segment files, and of columnar answers of other stores.

Lists and maps are JSON text and what repeats is a dictionary column: any Parquet tool reads the files, and a value
that repeats is parsed once. Nothing here is slower than one pass over Python objects a column.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from neural_hive_ml.tickets import ticket as schema
from neural_hive_ml.tickets.columns import MISSING_MS, Int8, Int64, TicketColumns
from neural_hive_ml.tickets.ticket import Qos, Sla, Ticket

if TYPE_CHECKING:
    import pyarrow as pa

WORDS: Final[dict[str, tuple[str, ...]]] = {
    "task_type": schema.TASK_TYPES,
    "status": schema.STATUSES,
    "priority": schema.PRIORITIES,
    "risk_band": schema.RISK_BANDS,
    "security_level": schema.SECURITY_LEVELS,
    "delivery_mode": schema.DELIVERY_MODES,
    "consistency": schema.CONSISTENCIES,
    "durability": schema.DURABILITIES,
}
_TEXTS: Final = ("ticket_id", "plan_id", "intent_id", "decision_id", "task_id", "description")
_OPTIONAL_TEXTS: Final = ("correlation_id", "trace_id", "span_id", "error_message", "compensation_ticket_id")
_NUMBERS: Final = (
    "created_at",
    "started_at",
    "completed_at",
    "estimated_duration_ms",
    "actual_duration_ms",
    "retry_count",
    "schema_version",
)
_SLA: Final = ("deadline", "timeout_ms", "max_retries")
_QOS: Final = ("delivery_mode", "consistency", "durability")
_NESTED: Final = ("dependencies", "required_capabilities", "parameters", "metadata")
# What `columns_of_table` needs; the rest is read only where whole tickets are asked for.
COLUMNS: Final = (
    "ticket_id",
    "task_id",
    "error_message",
    *WORDS,
    *(name for name in _NUMBERS if name != "schema_version"),
    *_SLA,
    *_NESTED,
)
# Columns whose values repeat: read as dictionaries, so that each value is made into an object once.
REPEATING: Final = (
    *WORDS,
    "task_id",
    "plan_id",
    "intent_id",
    "decision_id",
    "description",
    "error_message",
    *_NESTED,
)
_encode = msgspec.json.Encoder().encode


@cache
def arrow_schema() -> "pa.Schema":
    """Return the schema of a segment file."""
    import pyarrow as pa

    coded = pa.dictionary(pa.int32(), pa.string())
    texts = (*_TEXTS, *_OPTIONAL_TEXTS, *WORDS)
    return pa.schema(
        [pa.field(name, coded if name in REPEATING else pa.string()) for name in texts]
        + [pa.field(name, pa.int64()) for name in (*_NUMBERS, *_SLA)]
        + [pa.field(name, coded) for name in _NESTED]
    )


def table_of(tickets: Sequence[Ticket]) -> "pa.Table":
    """Lay tickets out as a table, in their order; O(n)."""
    import pyarrow as pa

    def pick(name: str) -> list[Any]:
        return list(map(attrgetter(name), tickets))

    parts: dict[str, Any] = {}
    for name in (*_TEXTS, *_OPTIONAL_TEXTS):
        parts[name] = pa.array(pick(name), pa.string())
    for name, words in WORDS.items():
        code_of = {word: code for code, word in enumerate(words)}
        codes = list(map(code_of.__getitem__, pick(f"qos.{name}" if name in _QOS else name)))
        parts[name] = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(words, pa.string()))
    for name in (*_NUMBERS, *_SLA):
        parts[name] = pa.array(pick(f"sla.{name}" if name in _SLA else name), pa.int64())
    for name in _NESTED:
        parts[name] = pa.array(list(map(_encode, pick(name))), pa.binary()).cast(pa.string())
    for name in REPEATING:
        if name not in WORDS:
            parts[name] = parts[name].dictionary_encode()
    return pa.table(parts, schema=arrow_schema())


def coded_anew(table: "pa.Table", *, all_of_them: bool = True) -> "pa.Table":
    """Return the same rows with dictionaries that hold only what the rows hold; O(n).

    Else only those dictionaries that hold more than there are rows: sorting and slicing keeps every value ever met, and
    of ids there are as many as tickets.
    """
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            held = max((len(chunk.dictionary) for chunk in table[field.name].chunks), default=0)
            if held <= len(table) and not all_of_them:
                continue
            plain = table[field.name].cast(field.type.value_type).combine_chunks()
            table = table.set_column(place, field, plain.dictionary_encode().cast(field.type))
    return table


def columns_of_table(table: "pa.Table") -> TicketColumns:
    """Turn a table (at least `COLUMNS`) into columns without making tickets; O(n).

    Equal values of a repeating column become one shared object.
    """
    import pyarrow.compute as pc

    def numbers(name: str) -> Int64:
        values: Int64 = pc.fill_null(table[name], MISSING_MS).to_numpy()
        return values

    def codes(name: str) -> Int8:
        values: Int8 = _distinct(table[name], WORDS[name].index, np.int8)
        return values

    return TicketColumns(
        ticket_id=table["ticket_id"].to_numpy(),
        task_id=_distinct(table["task_id"], str),
        owner=_distinct(table["metadata"], _owner),
        capabilities=_distinct(table["required_capabilities"], _tuple),
        parameters=_distinct(table["parameters"], _mapping),
        error=pc.is_valid(table["error_message"]).to_numpy(),
        synthetic=_distinct(table["metadata"], _is_synthetic, np.bool_),
        task_type=codes("task_type"),
        status=codes("status"),
        priority=codes("priority"),
        risk_band=codes("risk_band"),
        delivery_mode=codes("delivery_mode"),
        consistency=codes("consistency"),
        durability=codes("durability"),
        security_level=codes("security_level"),
        dependencies=_distinct(table["dependencies"], _length, np.int64),
        retry_count=numbers("retry_count"),
        max_retries=numbers("max_retries"),
        created_at_ms=numbers("created_at"),
        started_at_ms=numbers("started_at"),
        completed_at_ms=numbers("completed_at"),
        estimated_duration_ms=numbers("estimated_duration_ms"),
        actual_duration_ms=numbers("actual_duration_ms"),
        sla_timeout_ms=numbers("timeout_ms"),
        sla_deadline_ms=numbers("deadline"),
    )


def tickets_of_table(table: "pa.Table") -> Iterator[Ticket]:
    """Return the tickets of a table of `arrow_schema`, in its order."""

    def words(name: str) -> list[Any]:
        values: list[Any] = _distinct(table[name], str).tolist()
        return values

    lists: dict[str, Iterable[Any]] = {name: table[name].to_pylist() for name in _NUMBERS}
    lists |= {name: words(name) for name in (*_TEXTS, *_OPTIONAL_TEXTS, *WORDS)}
    lists |= {name: _distinct(table[name], _tuple).tolist() for name in ("dependencies", "required_capabilities")}
    lists |= {name: _distinct(table[name], _mapping).tolist() for name in ("parameters", "metadata")}
    lists["sla"] = map(Sla, *(table[name].to_pylist() for name in _SLA))
    lists["qos"] = map(cache(Qos), *(lists.pop(name) for name in _QOS))
    return map(Ticket, *(lists[f.name] for f in fields(Ticket)))


def _distinct(column: "pa.ChunkedArray", make: Callable[[str], object], dtype: type = object) -> Any:
    """Return `make` of each value, called once a distinct value; null stays None."""
    import pyarrow as pa

    parts = []
    for chunk in column.chunks:
        coded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        values: np.ndarray[Any, Any] = np.empty(len(coded.dictionary) + 1, dtype=dtype)
        for place, value in enumerate(coded.dictionary.to_pylist()):
            values[place] = make(value)
        parts.append(values[coded.indices.fill_null(len(values) - 1).to_numpy()])
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)


def _mapping(text: str) -> Mapping[str, str]:
    mapping: dict[str, str] = msgspec.json.decode(text)
    return mapping


def _tuple(text: str) -> tuple[str, ...]:
    return tuple(msgspec.json.decode(text))


def _length(text: str) -> int:
    return len(msgspec.json.decode(text))


def _owner(text: str) -> str:
    return _mapping(text).get("owner", "")


def _is_synthetic(text: str) -> bool:
    return _mapping(text).get("synthetic") == "true"
