"""Operational state in MongoDB: one collection a kind of record, its fields at the top level.

A record is ``{_id: key, _at_ms: ..., _digest: ..., <fields of the document>}``, so that other readers of the
platform find the fields where they expect them. `_digest` is that of the canonical JSON, which compare-and-set
compares.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any, Final

import msgspec

from neural_hive_ml.conventions import LEASES, LEDGER, PREDICTIONS, STATE_COLLECTIONS, VERDICTS
from neural_hive_ml.errors import Conflict
from neural_hive_ml.state.mongo_client import Json, MongoDatabase, unconfirmed_by
from neural_hive_ml.state.port import Document, Lease, Record

_encoder = msgspec.json.Encoder(order="sorted")
_BATCH: Final = 1_000
_OWN: Final = frozenset({"_id", "_at_ms", "_digest"})
_DUPLICATE_KEY: Final = 11000
INDEX: Final = [("_at_ms", 1), ("_id", 1)]
_BY_TIME: Final = tuple(name for name, _ in INDEX)
# What is looked up with every verdict, every decision or every scrape; without it each look reads the whole collection.
_LOOKED_UP_BY: Final = {PREDICTIONS: ("ticket_id", "review"), VERDICTS: ("ticket_id",), LEDGER: ("subject",)}


def indexes_of(collection: str) -> dict[str, tuple[str, ...]]:
    """Return the indexes of a collection, name to fields, that its reads rely on.

    >>> indexes_of("decision_ledger")
    {'by_time': ('_at_ms', '_id'), 'by_subject': ('subject', '_at_ms', '_id')}
    """
    looked_up = {f"by_{field}": (field, *_BY_TIME) for field in _LOOKED_UP_BY.get(collection, ())}
    return {"by_time": _BY_TIME, **looked_up}


# Every collection's: what `hive-ml doctor` looks for and `hive-ml tickets index` makes.
INDEXES: Final = {collection: indexes_of(collection) for collection in STATE_COLLECTIONS}


class MongoStateStore:
    """See `state.port.StateStore`."""

    def __init__(self, uri: str, database: str, timeout_seconds: float = 5.0) -> None:
        self._mongo = MongoDatabase(uri, database, timeout_seconds)
        self._indexed: set[str] = set()

    def describe(self) -> str:
        return f"state in {self._mongo.name}"

    def insert(self, collection: str, records: Iterable[Record]) -> int:
        from pymongo.errors import BulkWriteError

        written = 0
        iterator = iter(records)
        while batch := [_stored(r) for r in islice(iterator, _BATCH)]:
            with self._mongo.answering():
                try:
                    written += len(self._writable(collection).insert_many(batch, ordered=False).inserted_ids)
                except BulkWriteError as error:
                    others = any(e["code"] != _DUPLICATE_KEY for e in error.details["writeErrors"])
                    if others or unconfirmed_by(error):
                        raise
                    written += error.details["nInserted"]
        return written

    def put(self, collection: str, record: Record) -> None:
        with self._mongo.answering():
            self._writable(collection).replace_one({"_id": record.key}, _stored(record), upsert=True)

    def replace(self, collection: str, record: Record, *, expected: Document | None) -> None:
        from pymongo.errors import DuplicateKeyError

        held = self._writable(collection)
        with self._mongo.answering():
            try:
                if expected is None:
                    held.insert_one(_stored(record))
                    return
                wanted = {"_id": record.key, "_digest": _digest(_encoder.encode(expected))}
                if held.replace_one(wanted, _stored(record)).matched_count:
                    return
            except DuplicateKeyError:
                pass
        raise Conflict(f"{collection}/{record.key} was written by someone else", remedy="read it again")

    def get(self, collection: str, key: str) -> Record | None:
        with self._mongo.answering():
            found = self._mongo.database[collection].find_one({"_id": key})
        return None if found is None else _record(found)

    def find(
        self,
        collection: str,
        *,
        where: Mapping[str, str | int | float | bool] | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        after: tuple[int, str] | None = None,
    ) -> Sequence[Record]:
        if limit == 0:
            return []
        condition = _condition(where, since_ms, until_ms)
        direction = -1 if newest_first else 1
        if after is not None:
            beyond = "$lt" if newest_first else "$gt"
            condition["$or"] = [{"_at_ms": {beyond: after[0]}}, {"_at_ms": after[0], "_id": {beyond: after[1]}}]
        order = [(name, direction) for name, _ in INDEX]
        with self._mongo.answering():
            cursor = self._mongo.database[collection].find(condition, sort=order, limit=limit or 0)
            return [_record(found) for found in cursor]

    def count(
        self,
        collection: str,
        *,
        where: Mapping[str, str | int | float | bool] | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> int:
        with self._mongo.answering():
            return self._mongo.database[collection].count_documents(_condition(where, since_ms, until_ms))

    def delete(self, collection: str, keys: Sequence[str]) -> int:
        with self._mongo.answering():
            held = self._mongo.database[collection]
            return sum(
                held.delete_many({"_id": {"$in": list(keys[start : start + _BATCH])}}).deleted_count
                for start in range(0, len(keys), _BATCH)
            )

    def forget(self) -> None:
        """Nothing to do here: the server reuses the space; its backups and its oplog are the operator's."""

    def acquire(self, name: str, holder: str, *, now_ms: int, ttl_ms: int) -> Lease:
        from pymongo import ReturnDocument
        from pymongo.errors import DuplicateKeyError

        leases = self._mongo.database[LEASES]
        until_ms = now_ms + ttl_ms
        with self._mongo.answering():
            renewed = leases.find_one_and_update(
                {"_id": name, "holder": holder, "expires_at_ms": {"$gt": now_ms}},
                {"$set": {"expires_at_ms": until_ms}},
                return_document=ReturnDocument.AFTER,
            )
            if renewed is not None:
                return Lease(name, holder, renewed["token"], until_ms)
            try:
                # Free or expired: it is ours. Held by another: the insert that the upsert turns into collides.
                taken = leases.find_one_and_update(
                    {"_id": name, "expires_at_ms": {"$lte": now_ms}},
                    {"$set": {"holder": holder, "expires_at_ms": until_ms}, "$inc": {"token": 1}},
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
                assert taken is not None, "an upsert returns a document"
                return Lease(name, holder, taken["token"], until_ms)
            except DuplicateKeyError:
                other = leases.find_one({"_id": name}) or {}
        raise Conflict(
            f"lease {name} is held by {other.get('holder', 'another')}",
            remedy="wait until it is given back or expires",
        )

    def release(self, lease: Lease) -> None:
        with self._mongo.answering():
            self._mongo.database[LEASES].update_one(
                {"_id": lease.name, "holder": lease.holder, "token": lease.token}, {"$set": {"expires_at_ms": 0}}
            )

    def missing_indexes(self) -> Sequence[str]:
        """Return ``collection.index`` of each index that reads rely on and that is not there; O(collections).

        A collection without records needs none: they are made at the first write.
        """
        with self._mongo.answering():
            there = set(self._mongo.database.list_collection_names())
            return [
                f"{collection}.{index}"
                for collection, indexes in INDEXES.items()
                if collection in there
                for index in self._missing(collection, indexes)
            ]

    def create_indexes(self) -> None:
        """Create the missing indexes, while others read and write."""
        for collection, index in (name.rsplit(".", 1) for name in self.missing_indexes()):
            self._create(collection, {index: INDEXES[collection][index]})

    def _missing(self, collection: str, indexes: Mapping[str, tuple[str, ...]]) -> list[str]:
        held = self._mongo.database[collection].index_information().values()
        keys = {tuple(name for name, _ in index["key"]) for index in held}
        return [index for index, fields in indexes.items() if fields not in keys]

    def _create(self, collection: str, indexes: Mapping[str, tuple[str, ...]]) -> None:
        with self._mongo.answering():
            for index, fields in indexes.items():
                self._mongo.database[collection].create_index([(name, 1) for name in fields], name=index)

    def close(self) -> None:
        self._mongo.close()

    def _writable(self, collection: str) -> Any:
        """Return a collection, with its indexes made at the first write."""
        held = self._mongo.database[collection]
        if collection not in self._indexed:
            self._create(collection, indexes_of(collection))
            self._indexed.add(collection)
        return held


def _digest(canonical: bytes) -> str:
    return sha256(canonical).hexdigest()


def _stored(record: Record) -> Json:
    canonical = _encoder.encode(record.document)
    fields = msgspec.json.decode(canonical)
    if not _OWN.isdisjoint(fields):
        raise ValueError(f"the fields {sorted(_OWN)} are the store's own")
    return {"_id": record.key, "_at_ms": record.at_ms, "_digest": _digest(canonical), **fields}


def _record(found: Json) -> Record:
    key, at_ms = found.pop("_id"), int(found.pop("_at_ms"))
    found.pop("_digest", None)
    return Record(key, at_ms, _plain(found))


def _plain(value: Any) -> Any:
    """Large integers come back as the driver's own Int64, which is no number of JSON: encoders refuse it."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return (
        int(value) if type(value) is not int and isinstance(value, int) and not isinstance(value, bool) else value
    )


def _condition(
    where: Mapping[str, str | int | float | bool] | None, since_ms: int | None, until_ms: int | None
) -> Json:
    condition: Json = {name: {"$eq": value} for name, value in (where or {}).items()}
    bounds = {"$gte": since_ms, "$lt": until_ms}
    times = {operator: value for operator, value in bounds.items() if value is not None}
    if times:
        condition["_at_ms"] = times
    return condition
