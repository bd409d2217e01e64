"""Tickets in MongoDB: the platform's collection `execution_tickets`, read as it is and written by ticket_id.

Fields that the schema does not know (predictions, allocation_metadata) are left alone by a write. Documents that
are no tickets are quarantined when they are read, beside the operational state of the same database.
"""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.compiled import COMPILED
from neural_hive_ml.conventions import TICKETS
from neural_hive_ml.errors import InvalidTicket, StoreUnavailable
from neural_hive_ml.state.mongo import MongoStateStore
from neural_hive_ml.state.mongo_client import Json, MongoDatabase
from neural_hive_ml.tickets.batches import batches
from neural_hive_ml.tickets.bson_columns import Shared, columns_of_bson, woven
from neural_hive_ml.tickets.changes import DayFigures
from neural_hive_ml.tickets.columns import TicketColumns, columns_of, regrouped
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.files import RawDocument
from neural_hive_ml.tickets.importer import refusal
from neural_hive_ml.tickets.mongo_documents import change_document, delete_documents, stored_documents
from neural_hive_ml.tickets.mongo_query import KINDS, PROJECTION, TIMELESS, Kind, any_of, created, is_timeless
from neural_hive_ml.tickets.mongo_raw import BATCH_ROWS, documents, raw_batches, readable
from neural_hive_ml.tickets.port import StoreExtent, TicketWindow, UpsertSummary
from neural_hive_ml.tickets.quarantine import Quarantine
from neural_hive_ml.tickets.ticket import Ticket

if TYPE_CHECKING:
    from pymongo.collection import Collection

# name -> (fields, unique); the unique one is what makes an upsert idempotent between several writers.
INDEXES: Final[dict[str, tuple[tuple[str, ...], bool]]] = {
    "hive_ticket_id": (("ticket_id",), True),
    "hive_created_at": (("created_at", "ticket_id"), False),
    "hive_started_at": (("started_at",), False),
    "hive_completed_at": (("completed_at",), False),
}
_EVENTS: Final = ("created_at", "started_at", "completed_at")
_CREATED_MS, _COMPLETED_MS = {"$toLong": "$created_at"}, {"$toLong": "$completed_at"}
_DAY_GROUP: Final[Json] = {
    "_id": {"$floor": {"$divide": [_CREATED_MS, DAY_MS]}},
    "tickets": {"$sum": 1},
    "completed": {"$sum": {"$cond": [{"$eq": [{"$toUpper": "$status"}, "COMPLETED"]}, 1, 0]}},
    "retries": {"$sum": "$retry_count"},
    "durations_ms": {"$sum": "$actual_duration_ms"},
    "spans_ms": {
        "$sum": {"$cond": [{"$gt": ["$completed_at", None]}, {"$subtract": [_COMPLETED_MS, _CREATED_MS]}, 0]}
    },
}
# Few enough that the server adds them up within one time-out.
_DAYS_A_QUERY: Final = 7
_WRITE_ROWS: Final = 2_000
_READ_ROWS: Final = 5_000


class MongoTicketStore:
    """See `tickets.port.TicketStore`."""

    def __init__(
        self, uri: str, database: str, timeout_seconds: float = 5.0, batch_rows: int = BATCH_ROWS
    ) -> None:
        self._batch_rows = batch_rows
        self._mongo = MongoDatabase(uri, database, timeout_seconds)
        self._tickets: Collection[Json] = self._mongo.database[TICKETS]
        self._quarantine = Quarantine(MongoStateStore(uri, database, timeout_seconds))
        self._indexed = False

    def describe(self) -> str:
        return f"tickets in {self._mongo.name}"

    def upsert(self, tickets: Iterable[Ticket]) -> UpsertSummary:
        from pymongo import UpdateOne

        total = UpsertSummary()
        for batch in batches(tickets, _WRITE_ROWS):
            if not self._indexed:
                self.create_indexes()
            writes = [
                UpdateOne({"ticket_id": t.ticket_id}, {"$set": msgspec.to_builtins(t)}, upsert=True) for t in batch
            ]
            with self._mongo.answering():
                result = self._tickets.bulk_write(writes, ordered=False)
            unchanged = result.matched_count - result.modified_count
            total += UpsertSummary(result.upserted_count, result.modified_count, unchanged)
        return total

    def get(self, ticket_id: str) -> Ticket | None:
        with self._mongo.answering():
            document = self._tickets.find_one({"ticket_id": ticket_id}, PROJECTION)
        return None if document is None else self._decoded(document)

    def tickets(self, window: TicketWindow) -> Iterator[Ticket]:
        # MongoDB orders by type first: numbers, as the schema has it, and dates, as some write, are two reads.
        streams = [self._stream(window, kind, alone=alone) for kind, alone in self._kinds()]
        yield from heapq.merge(*streams, key=lambda t: (t.created_at, t.ticket_id))

    def blocks(self, window: TicketWindow, block_rows: int = 100_000) -> Iterator[TicketColumns]:
        kinds = self._kinds()
        if COMPILED and len(kinds) < 2:
            parts = (part for kind, _ in kinds for part in self._columns(window, kind))
            yield from regrouped(parts, block_rows)
            return
        iterator = self.tickets(window)
        while block := list(islice(iterator, block_rows)):
            yield columns_of(block)

    def _stream(self, window: TicketWindow, kind: Kind, *, alone: bool) -> Iterator[Ticket]:
        for batch in raw_batches(
            self._mongo, self._tickets, window, kind, alone=alone, batch_rows=self._batch_rows
        ):
            for document in documents(batch):
                ticket = self._read(document)
                if ticket is not None:
                    yield ticket

    def _columns(self, window: TicketWindow, kind: Kind) -> Iterator[TicketColumns]:
        """Yield a part a batch; what the kernel does not take is read as every other document."""
        shared = Shared()
        for batch in raw_batches(
            self._mongo, self._tickets, window, kind, alone=True, batch_rows=self._batch_rows
        ):
            try:
                columns, odd = columns_of_bson(batch, shared)
            except ValueError as error:
                raise StoreUnavailable(
                    f"{self._mongo.name}: answered with broken BSON: {error}",
                    remedy="check the server and its disk",
                ) from error
            read = [(one.place, ticket) for one in odd if (ticket := self._read(one.document)) is not None]
            yield woven(columns, columns_of([t for _, t in read]), [place for place, _ in read])

    def _kinds(self) -> list[tuple[Kind, bool]]:
        """Return the types of created_at there are, each with whether it is the only one; quarantine the others."""
        self._refuse_timeless()
        # Numbers are the rule; whether there are any is asked only where there are dates too.
        dates = self._has("date")
        numbers = not dates or self._has("number")
        both: list[tuple[Kind, bool]] = [("number", not dates), ("date", not numbers)]
        return [which for which, there in zip(both, (numbers, dates), strict=True) if there]

    def _has(self, kind: Kind) -> bool:
        with self._mongo.answering():
            return self._tickets.find_one(any_of(kind), {"_id": 1}) is not None

    def _refuse_timeless(self) -> None:
        """Quarantine documents that no window can find: without created_at, or with text in it."""
        for timeless in TIMELESS:
            with self._mongo.answering():
                for document in self._tickets.find(timeless, PROJECTION, batch_size=_READ_ROWS):
                    what = "created_at: is missing or text, no time filter finds it"
                    error = InvalidTicket(what, field="created_at", remedy="store epoch milliseconds")
                    self._refuse(document, error)

    def _read(self, raw: bytes) -> Ticket | None:
        document, intact = readable(raw)
        if not intact:
            what = "document: broken BSON, or text that is no UTF-8"
            self._refuse(document, InvalidTicket(what, remedy="write it again with a driver that checks"))
            return None
        # What has no time was quarantined before, with the reason.
        return None if is_timeless(document.get("created_at")) else self._decoded(document)

    def _decoded(self, document: Json) -> Ticket | None:
        try:
            return decode_ticket(document)
        except InvalidTicket as error:
            self._refuse(document, error)
            return None

    def _refuse(self, document: Json, error: InvalidTicket) -> None:
        source = f"{self._mongo.name}/{TICKETS}/{document.get('_id')}"
        # The edge of the system: when a document was refused is not known before it is read.
        now_ms = time.time_ns() // 1_000_000
        self._quarantine.add([refusal(RawDocument(document, source), error, now_ms)])

    def changed(self, since_ms: int) -> Iterator[Ticket]:
        """See `tickets.changes.ChangeSource`; by the indexes of the three times, numbers and dates."""
        since = (since_ms, datetime.fromtimestamp(since_ms / 1000, UTC))
        clauses = [{name: {"$gte": value}} for name in _EVENTS for value in since]
        yield from self._found({"$or": clauses})

    def of(self, ids: Iterable[str]) -> Iterator[Ticket]:
        """See `tickets.changes.ChangeSource`."""
        iterator = iter(ids)
        while some := list(islice(iterator, _WRITE_ROWS)):
            yield from self._found({"ticket_id": {"$in": some}})

    def _found(self, condition: Json) -> Iterator[Ticket]:
        with self._mongo.answering():
            for document in self._tickets.find(condition, PROJECTION, batch_size=_READ_ROWS):
                ticket = self._decoded(document)
                if ticket is not None:
                    yield ticket

    def day_figures(self) -> Mapping[int, DayFigures]:
        """See `tickets.changes.ChangeSource`; added up by the server, some days at a time."""
        extent = self.extent()
        figures: dict[int, DayFigures] = {}
        if extent.oldest_ms is None or extent.newest_ms is None:
            return figures
        first, last = extent.oldest_ms // DAY_MS, extent.newest_ms // DAY_MS
        for day in range(first, last + 1, _DAYS_A_QUERY):
            window = TicketWindow(day * DAY_MS, min(day + _DAYS_A_QUERY, last + 1) * DAY_MS)
            either = {"$or": [created(window, kind) for kind in KINDS]}
            with self._mongo.answering():
                for found in self._tickets.aggregate([{"$match": either}, {"$group": _DAY_GROUP}]):
                    own = int(found.pop("_id"))
                    figures[own] = DayFigures(**{name: int(value) for name, value in found.items()})
        return figures

    def erase(self, ids: Iterable[str]) -> int:
        iterator, gone = iter(ids), 0
        while some := list(islice(iterator, _WRITE_ROWS)):
            with self._mongo.answering():
                gone += self._tickets.delete_many({"ticket_id": {"$in": some}}).deleted_count
        return gone

    def documents(self, wanted: Callable[[bytes], bool]) -> Iterator[Json]:
        """Yield the documents whose bytes are wanted, whole, readable as tickets or not."""
        return stored_documents(self._mongo, self._tickets, wanted)

    def delete_documents(self, keys: Sequence[Any]) -> int:
        """Delete documents by `_id`; return how many went."""
        return delete_documents(self._mongo, self._tickets, keys)

    def change_document(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Set what differs, unless somebody changed these fields meanwhile; tell whether it was done."""
        return change_document(self._mongo, self._tickets, before, after)

    def prune(self, before_ms: int) -> int:
        # A TTL index needs dates; the platform's schema has numbers, and some writers dates.
        gone = 0
        for kind in KINDS:
            with self._mongo.answering():
                gone += self._tickets.delete_many(created(TicketWindow(until_ms=before_ms), kind)).deleted_count
        return gone

    def extent(self) -> StoreExtent:
        with self._mongo.answering():
            tickets = self._tickets.estimated_document_count()
            oldest, newest = self._edge("created_at", 1), self._edge("created_at", -1)
            events = [self._edge(name, -1) for name in _EVENTS]
        known = [event for event in events if event is not None]
        return StoreExtent(tickets, oldest, newest, max(known) if known else None)

    def _edge(self, name: str, direction: int) -> int | None:
        """Return the first value of an indexed time in either direction, over both types it is stored as."""
        values: list[int] = []
        for kind in KINDS:
            found = self._tickets.find_one({name: {"$type": kind}}, {name: 1}, sort=[(name, direction)])
            if found is not None:
                value = found[name]
                values.append(round(value.timestamp() * 1000) if isinstance(value, datetime) else int(value))
        return (min(values) if direction > 0 else max(values)) if values else None

    def missing_indexes(self) -> Sequence[str]:
        """Return the names of the indexes that reads and writes rely on and that are not there."""
        with self._mongo.answering():
            held = {
                tuple(name for name, _ in index["key"]) for index in self._tickets.index_information().values()
            }
        return [name for name, (names, _) in INDEXES.items() if names not in held]

    def create_indexes(self) -> None:
        """Create the missing indexes. Raises `StoreUnavailable` when two documents share a ticket_id."""
        for index in self.missing_indexes():
            names, unique = INDEXES[index]
            with self._mongo.answering():
                self._tickets.create_index([(name, 1) for name in names], name=index, unique=unique)
        self._indexed = True

    def close(self) -> None:
        self._quarantine.close()
        self._mongo.close()
