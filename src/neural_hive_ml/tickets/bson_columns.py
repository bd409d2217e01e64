"""Columns straight out of BSON: a batch of documents as MongoDB sends them, without an object a field.

The compiled kernel takes documents of the present schema only, and only where `tickets.decode` would come to the same
values; it hands every other one back as bytes, to be decoded, explained or quarantined there. Nothing is read twice.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np

from neural_hive_ml.compiled import kernels
from neural_hive_ml.tickets import limits, table
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns, concat
from neural_hive_ml.tickets.ticket import ENDED_STATUSES, STATUSES, Qos, Sla, Ticket

_COLUMNS: Final = [f.name for f in fields(TicketColumns)]
_OBJECTS, _FLAGS, _WORDS, _NUMBERS = _COLUMNS[:5], _COLUMNS[5:7], _COLUMNS[7:15], _COLUMNS[15:]
_UNFINISHED: Final = sum(1 << STATUSES.index(name) for name in ENDED_STATUSES - {"REJECTED"})
# In the order of csrc/ticket_bson.h.
_RULES: Final = np.array(
    [
        limits.EARLIEST_MS,
        limits.LATEST_MS,
        limits.MAX_DURATION_MS,
        limits.MAX_RETRIES,
        limits.MAX_ID_LENGTH,
        limits.MAX_TEXT_LENGTH,
        limits.MAX_MAP_ENTRIES,
        limits.MAX_MAP_CHARACTERS,
        limits.MAX_LIST_ENTRIES,
        MISSING_MS,
        Sla(0, 0).max_retries,
        _UNFINISHED,
    ],
    dtype=np.int64,
)
_WORD_TEXT: Final = "".join("\n".join(table.WORDS[name]) + "\0" for name in _WORDS).encode()
_DEFAULTS: Final[dict[str, Any]] = {f.name: f.default for kind in (Qos, Ticket) for f in fields(kind)}
_STANDARD: Final = np.array(
    [words.index(_DEFAULTS[name]) if _DEFAULTS[name] in (words := table.WORDS[name]) else -1 for name in _WORDS],
    dtype=np.int8,
)
# Texts that are kept to be shared; a field whose values never repeat must not fill the memory.
_MOST_SHARED: Final = 200_000


@dataclass(slots=True)
class Shared:
    """Objects that equal values of several batches share; emptied when there are too many."""

    texts: dict[str, str] = field(default_factory=dict)
    lists: dict[bytes, tuple[str, ...]] = field(default_factory=dict)
    maps: dict[bytes, dict[str, str]] = field(default_factory=dict)

    def trim(self) -> None:
        """Let go of what has grown beyond its bound."""
        for held in (self.texts, self.lists, self.maps):
            if len(held) > _MOST_SHARED:
                held.clear()


@dataclass(frozen=True, slots=True)
class Odd:
    """A document that the kernel left alone: its bytes, and how many rows of its batch come before it."""

    place: int
    document: bytes


def columns_of_bson(batch: bytes, shared: Shared) -> tuple[TicketColumns, list[Odd]]:
    """Decode a batch of whole BSON documents, one behind the other; O(bytes).

    Raises
    ------
    ValueError
        When a document does not end within the batch.
    """
    shared.trim()
    numbers, codes, objects, odd = kernels.ticket_columns(
        batch, _RULES, _WORD_TEXT, _STANDARD, shared.texts, shared.lists, shared.maps
    )
    rows = len(objects[0])
    laid: dict[str, Any] = {
        name: np.fromiter(values, dtype=object, count=rows) for name, values in zip(_OBJECTS, objects, strict=True)
    }
    by_code = np.frombuffer(codes, np.int8).reshape(len(_FLAGS) + len(_WORDS), -1)[:, :rows]
    laid |= zip(_FLAGS, by_code.astype(np.bool_), strict=False)
    laid |= zip(_WORDS, by_code[len(_FLAGS) :].copy(), strict=True)
    laid |= zip(
        _NUMBERS, np.frombuffer(numbers, np.int64).reshape(len(_NUMBERS), -1)[:, :rows].copy(), strict=True
    )
    return TicketColumns(**laid), [Odd(place, batch[at : at + size]) for place, at, size in odd]


def woven(columns: TicketColumns, others: TicketColumns, places: list[int]) -> TicketColumns:
    """Put each of `others` behind the first `places[i]` rows of `columns`; places do not fall."""
    if not len(others):
        return columns
    order = np.insert(np.arange(len(columns)), places, len(columns) + np.arange(len(others)))
    return concat([columns, others]).take(order)
