"""MongoDB's tickets as the documents they are, for erasing: also what is no ticket, and fields of others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from neural_hive_ml.state.mongo_client import Json, MongoDatabase
from neural_hive_ml.tickets.mongo_raw import documents

if TYPE_CHECKING:
    from pymongo.collection import Collection

_READ_ROWS: Final = 5_000


def stored_documents(
    database: MongoDatabase, tickets: "Collection[Json]", wanted: Callable[[bytes], bool]
) -> Iterator[Json]:
    """Yield whole documents whose bytes are wanted, in no order. Text that is no UTF-8 comes with replacements."""
    import bson
    from bson.codec_options import CodecOptions, DatetimeConversion

    options: CodecOptions[Json] = CodecOptions(
        tz_aware=True,
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
        unicode_decode_error_handler="replace",
    )
    with database.answering():
        found: Any = tickets.find_raw_batches({}, batch_size=_READ_ROWS)
        for batch in found:
            for document in documents(batch):
                if wanted(document):
                    yield bson.decode(document, options)


def delete_documents(database: MongoDatabase, tickets: "Collection[Json]", keys: Sequence[Any]) -> int:
    """Delete documents by `_id`; return how many went."""
    with database.answering():
        return sum(
            tickets.delete_many({"_id": {"$in": list(keys[start : start + _READ_ROWS])}}).deleted_count
            for start in range(0, len(keys), _READ_ROWS)
        )


def change_document(
    database: MongoDatabase, tickets: "Collection[Json]", before: Mapping[str, Any], after: Mapping[str, Any]
) -> bool:
    """Set the fields that differ, if they still are what they were; tell whether they were and there were any."""
    changed = {name: value for name, value in after.items() if value != before[name]}
    if not changed:
        return False
    as_it_was = {"_id": before["_id"], **{name: {"$eq": before[name]} for name in changed}}
    with database.answering():
        return tickets.update_one(as_it_was, {"$set": changed}).matched_count == 1
