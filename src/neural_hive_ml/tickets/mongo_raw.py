"""The documents of a window of MongoDB's tickets, as bytes in the order of the index, and how one is made readable.

A projection costs some servers more than the fields it leaves out, so whole documents are asked for until more than
half of what arrives is fields that are not ours (predictions, allocation_metadata).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from neural_hive_ml.state.mongo_client import Json, MongoDatabase
from neural_hive_ml.tickets.mongo_query import ORDER, PROJECTION, Kind, beyond, created, is_of
from neural_hive_ml.tickets.port import TicketWindow

if TYPE_CHECKING:
    from pymongo.collection import Collection

BATCH_ROWS: Final = 1_000
# Documents that are looked at before fields are left out, one a batch.
_LOOKS: Final = 4
_REPLACEMENT: Final = "\ufffd".encode()


def raw_batches(
    database: MongoDatabase,
    tickets: "Collection[Json]",
    window: TicketWindow,
    kind: Kind,
    *,
    alone: bool,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[bytes]:
    """Yield batches of documents whose created_at is of one type; a connection lost on the way is taken up again.

    Where the type is `alone`, an open window is read as the whole collection, with what has no time at all.
    """
    from pymongo.errors import AutoReconnect, CursorNotFound

    condition: Json = {} if alone and window == TicketWindow() else created(window, kind)
    looks = ours = total = 0
    narrow = False
    while True:
        came = False
        with database.answering():
            try:
                for batch in _find(tickets, condition, PROJECTION if narrow else None, batch_rows):
                    came = True
                    yield batch
                    last = _last(batch, kind)
                    if last is not None:
                        condition = beyond(last, window, kind)
                    if not narrow:
                        first = next(documents(batch), b"")
                        looks, ours, total = looks + 1, ours + _ours(first), total + len(first)
                        narrow = looks >= _LOOKS and 2 * ours < total
                        if narrow:
                            break
                else:
                    return
            except (AutoReconnect, CursorNotFound):
                if not came:
                    raise


def _find(
    tickets: "Collection[Json]", condition: Json, projection: Json | None, batch_rows: int
) -> Iterator[bytes]:
    found: Any = tickets.find_raw_batches(condition, projection, sort=list(ORDER), batch_size=batch_rows)
    yield from found


def _last(batch: bytes, kind: Kind) -> Json | None:
    """Return the last document whose created_at is of a type, behind which a new read begins."""
    for document in reversed(list(documents(batch))):
        found, intact = readable(document)
        if intact and is_of(found.get("created_at"), kind):
            return found
    return None


def documents(batch: bytes) -> Iterator[bytes]:
    """Yield the documents that stand one behind the other."""
    at = 0
    while at < len(batch):
        size = max(int.from_bytes(batch[at : at + 4], "little"), 5)
        yield batch[at : at + size]
        at += size


def readable(document: bytes) -> tuple[Json, bool]:
    """Return the fields that are ours, and whether every text in them is text and nothing is broken."""
    import bson
    from bson.codec_options import CodecOptions, DatetimeConversion

    options: CodecOptions[Json] = CodecOptions(tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO)
    broken = (bson.errors.BSONError, ValueError, OverflowError, RecursionError)
    try:
        return _known(bson.decode(document, options)), True
    except broken:
        pass
    try:
        found = _known(bson.decode(document, options.with_options(unicode_decode_error_handler="replace")))
    except broken:
        return {"bson": document.hex()}, False
    return found, _REPLACEMENT not in msgspec.json.encode(found, enc_hook=str)


def _known(document: Json) -> Json:
    return {name: value for name, value in document.items() if name in PROJECTION or name == "_id"}


def _ours(document: bytes) -> int:
    import bson

    found, intact = readable(document)
    return len(bson.encode(found)) if intact else len(document)
