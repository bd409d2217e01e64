"""One way to reach MongoDB: time-outs everywhere, majority, retries of the driver, errors in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from neural_hive_ml.addresses import hosts_of, unquoted
from neural_hive_ml.errors import StoreUnavailable, UsageError
from neural_hive_ml.tls import untrusted_remedy

if TYPE_CHECKING:
    from pymongo.database import Database

Json = dict[str, Any]
_AUTHENTICATION_FAILED, _UNAUTHORIZED = 18, 13
# How long a write may wait for the majority, as a multiple of the time-out of one answer.
_WRITE_PATIENCE = 4
# The driver asks a server it lost once in 500 ms, not sooner (its minHeartbeatFrequencyMS, fixed): whoever waits
# for a server no longer than that may be told that one is gone which is back. Two such tries, and time for an answer.
_LEAST_SELECTION_MS = 3 * 500
_MAJORITY = "check the replica set (rs.status()); it is safe to write the same again"


class MongoDatabase:
    """A database that is connected to at its first use; safe for threads."""

    def __init__(self, uri: str, database: str, timeout_seconds: float) -> None:
        from pymongo import MongoClient, WriteConcern
        from pymongo.errors import PyMongoError
        from pymongo.read_concern import ReadConcern

        wait_ms = round(timeout_seconds * 1000)
        try:
            # A URI may ask for more patience of its own; options given there win.
            self._client = MongoClient[Json](
                _with_defaults(
                    uri,
                    serverSelectionTimeoutMS=max(wait_ms, _LEAST_SELECTION_MS),
                    connectTimeoutMS=wait_ms,
                    socketTimeoutMS=2 * wait_ms,
                ),
                appname="neural-hive-ml",
                tz_aware=True,
                # A date beyond Python's years comes as a number: one such field must not end a read.
                datetime_conversion="DATETIME_AUTO",
                connect=False,
            )
        except (PyMongoError, ValueError) as error:
            raise UsageError(
                f"MONGODB_URI is no MongoDB URI: {unquoted(error)}",
                remedy="mongodb://user:password@host:27017, the password's special signs escaped (%2F for /)",
            ) from None
        self.name = f"{hosts_of(uri)}/{database}"
        self.database: Database[Json] = self._client.get_database(
            database,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority", wtimeout=_WRITE_PATIENCE * wait_ms),
        )

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn the driver's errors into `StoreUnavailable`, naming the database."""
        from pymongo.errors import InvalidOperation, PyMongoError

        try:
            yield
        except InvalidOperation as error:
            raise StoreUnavailable(f"{self.name}: {error}", remedy="open the store again") from error
        except PyMongoError as error:
            unconfirmed = unconfirmed_by(error)
            if unconfirmed:
                raise StoreUnavailable(
                    f"{self.name}: written, but not confirmed by a majority: {unconfirmed}", remedy=_MAJORITY
                ) from error
            raise StoreUnavailable(f"{self.name}: {_short(error)}", remedy=_remedy(error)) from error

    def close(self) -> None:
        """Close the connections; further use is an error."""
        self._client.close()


def unconfirmed_by(error: Exception) -> str:
    """Return why a majority did not confirm a write that one server made; empty when that is not what failed.

    Such a write may be rolled back. A bulk write tells it beside its other errors, and with none of them.
    """
    from pymongo.errors import BulkWriteError, WriteConcernError

    if isinstance(error, BulkWriteError):
        missed = error.details.get("writeConcernErrors") or ()
        return "; ".join(str(one.get("errmsg") or one) for one in missed)
    return _short(error) if isinstance(error, WriteConcernError) else ""


def _with_defaults(uri: str, **defaults: int) -> str:
    """Add options to a URI that does not set them."""
    given = {option.partition("=")[0].lower() for option in uri.partition("?")[2].split("&")}
    added = "&".join(f"{name}={value}" for name, value in defaults.items() if name.lower() not in given)
    head, question, options = uri.partition("?")
    if not question and "/" not in head.partition("://")[2]:
        head += "/"
    return f"{head}?{'&'.join(part for part in (options, added) if part)}"


def _short(error: Exception) -> str:
    text = str(error).partition(", Timeout:")[0].partition(", full error:")[0]
    return text[:400]


def _remedy(error: Exception) -> str:
    code = getattr(error, "code", None)
    if code == _AUTHENTICATION_FAILED:
        return "check user and password in MONGODB_URI, and its authSource"
    if code == _UNAUTHORIZED:
        return "grant the user readWrite on the database"
    return untrusted_remedy(error, "set tlsCAFile in MONGODB_URI") or (
        "check that MongoDB runs and that MONGODB_URI is right: hive-ml doctor"
    )
