"""MongoDB: its version, its clock, whether we may write, and the indexes of the operational state."""

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

from neural_hive_ml.bootstrap import open_state
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.conventions import EXIT_FAILURE, LEASES, TICKETS
from neural_hive_ml.diagnosis.check import Check, judged
from neural_hive_ml.diagnosis.clocks import check_clock
from neural_hive_ml.settings import Settings
from neural_hive_ml.state.mongo import MongoStateStore
from neural_hive_ml.state.mongo_client import MongoDatabase
from neural_hive_ml.upkeep.collections import CARE

_UNAUTHORIZED = 13


def check_mongo(settings: Settings) -> Iterator[Check]:
    """Yield the checks of the server and database that hold tickets and state."""
    if not settings.text("MONGODB_URI"):
        yield Check("mongodb", "not_configured", "optional: files in the data folder serve without it")
        return
    mongo = MongoDatabase(
        settings.text("MONGODB_URI"), settings.text("MONGODB_DATABASE"), settings.number("STORE_TIMEOUT_SECONDS")
    )
    with closing(mongo):
        with mongo.answering():
            version = mongo.database.client.server_info()["version"]
            asked_ms = SystemClock().now_ms()
            told = mongo.database.client.admin.command("hello")["localTime"]
        yield Check("mongodb", "ok", f"{mongo.name}: version {version}")
        yield check_clock("mongodb", asked_ms, round(told.timestamp() * 1000))
        with mongo.answering():
            there = set(mongo.database.list_collection_names())
        yield _writes(mongo, there)
        yield _indexes(settings)


def _writes(mongo: MongoDatabase, there: set[str]) -> Check:
    """Change and remove what is not there: refused where it is not allowed, and nothing is left where it is."""
    from pymongo.errors import OperationFailure

    # One that there is: a server may make a collection for a change that finds nothing.
    mine = sorted(there & set(CARE)) or sorted(there & {TICKETS}) or [LEASES]
    collection, nobody = mongo.database[mine[0]], {"_id": f"doctor-{uuid4().hex}"}
    with mongo.answering():
        try:
            collection.update_one(nobody, {"$set": {"probe": 1}})
            collection.delete_one(nobody)
        except OperationFailure as error:
            if error.code != _UNAUTHORIZED:
                raise
            return Check(
                "mongodb writes",
                "failed",
                f"the user of MONGODB_URI may not write to {mongo.name}",
                f'mongosh: db.grantRolesToUser(USER, [{{role: "readWrite", db: "{mongo.database.name}"}}])',
                EXIT_FAILURE,
            )
    return Check("mongodb writes", "ok", f"may write to {mongo.name}")


def _indexes(settings: Settings) -> Check:
    with closing(open_state(settings)) as state:
        missing = state.missing_indexes() if isinstance(state, MongoStateStore) else ()
    detail = f"missing: {', '.join(missing)}" if missing else "all there"
    return judged("state indexes", detail, well=not missing, remedy="hive-ml tickets index")
