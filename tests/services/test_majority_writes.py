"""What a majority of MongoDB's servers did not confirm may be rolled back: no write says that it was made."""

from collections.abc import Callable
from contextlib import closing
from uuid import uuid4

import pytest
from pymongo import WriteConcern
from tests.support.tickets import flights

from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.state.mongo import MongoStateStore
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.tickets.mongo import MongoTicketStore

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("mongo")]
# More servers than there are: written by those there are, confirmed by too few.
TOO_MANY = WriteConcern(50, wtimeout=100)
UNCONFIRMED = "written, but not confirmed by a majority"
KEPT = Record("kept", 1, {"v": 1})
WRITES: dict[str, Callable[[StateStore], object]] = {
    "insert": lambda s: s.insert("things", [Record("a", 1, {}), Record("b", 1, {})]),
    "insert of one that is there": lambda s: s.insert("things", [KEPT, Record("c", 1, {})]),
    "put": lambda s: s.put("things", Record("d", 1, {})),
    "replace": lambda s: s.replace("things", Record("kept", 2, {"v": 2}), expected={"v": 1}),
    "delete": lambda s: s.delete("things", ["kept"]),
    "acquire": lambda s: s.acquire("job", "me", now_ms=1, ttl_ms=1),
}


@pytest.mark.parametrize("write", WRITES)
def test_what_the_majority_did_not_confirm_is_no_success(write: str, mongo_uri: str) -> None:
    with closing(MongoStateStore(mongo_uri, f"test_{uuid4().hex[:12]}", 5.0)) as state:
        state.put("things", KEPT)
        state._mongo.database = state._mongo.database.with_options(write_concern=TOO_MANY)
        with pytest.raises(StoreUnavailable, match=UNCONFIRMED):
            WRITES[write](state)


def test_nor_are_tickets(mongo_uri: str) -> None:
    with closing(MongoTicketStore(mongo_uri, f"test_{uuid4().hex[:12]}", 5.0)) as tickets:
        tickets.create_indexes()
        tickets._tickets = tickets._tickets.with_options(write_concern=TOO_MANY)
        for write in (lambda: tickets.upsert(flights(3)), lambda: tickets.erase(["a"])):
            with pytest.raises(StoreUnavailable, match=UNCONFIRMED):
                write()
