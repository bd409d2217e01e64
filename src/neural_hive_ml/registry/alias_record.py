"""What we last knew of a model's aliases, kept in the state store beside the registry.

The registry's champion alias is the truth; this record says what `previous` derives from, whether a move was
under way, and whether someone pinned the model. Written by compare-and-set under a lease's token only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import msgspec

from neural_hive_ml.conventions import ALIAS_RECORDS
from neural_hive_ml.errors import Conflict
from neural_hive_ml.state.port import Lease, Record, StateStore

# Longer than any promotion takes (seconds); after it another process may finish what this one left.
LEASE_MS = 60_000


class Pin(msgspec.Struct, frozen=True):
    """Who holds a model at a version, and why."""

    version: int
    actor: str
    reason: str
    at_ms: int


class Pending(msgspec.Struct, frozen=True):
    """A move of the champion alias that was begun, under the lease of `token`."""

    kind: str
    version: int
    actor: str
    reason: str
    at_ms: int
    token: int


class Moved(msgspec.Struct, frozen=True):
    """Who moved an alias last, how (``promote``, ``rollback``, ``adopt``, ``challenge``) and when."""

    kind: str
    actor: str
    at_ms: int


class AliasRecord(msgspec.Struct, frozen=True):
    """The aliases of one model as of the last settled move; `token` is the lease's that wrote it.

    `crowned` tells who made the champion one, `challenged` who began the challenger's shadow run; None: not on record.
    """

    champion: int | None = None
    previous: int | None = None
    challenger: int | None = None
    pin: Pin | None = None
    pending: Pending | None = None
    token: int = 0
    crowned: Moved | None = None
    challenged: Moved | None = None


def read_record(state: StateStore, name: str) -> AliasRecord:
    """Return the record of a model; a new model has an empty one."""
    found = state.get(ALIAS_RECORDS, name)
    return AliasRecord() if found is None else msgspec.convert(dict(found.document), AliasRecord)


def write_record(
    state: StateStore, name: str, record: AliasRecord, *, expected: AliasRecord, lease: Lease, at_ms: int
) -> AliasRecord:
    """Replace `expected` by `record`, stamped with the lease's token, and return what was written.

    Raises
    ------
    Conflict
        When someone else wrote meanwhile, or a later lease did: the caller's lease ran out.
    """
    if expected.token > lease.token:
        raise Conflict(f"{name}: a later process took over", remedy="look at `hive-ml models list` and try again")
    stamped = msgspec.structs.replace(record, token=lease.token)
    known = state.get(ALIAS_RECORDS, name)
    if known is None:
        before = None if expected == AliasRecord() else msgspec.to_builtins(expected)
    elif msgspec.convert(dict(known.document), AliasRecord) == expected:
        before = known.document  # to the letter: an earlier release knew fewer fields
    else:
        before = msgspec.to_builtins(expected)
    state.replace(ALIAS_RECORDS, Record(name, at_ms, msgspec.to_builtins(stamped)), expected=before)
    return stamped


@contextmanager
def alias_lease(state: StateStore, name: str, at_ms: int) -> Iterator[Lease]:
    """Hold the right to move a model's aliases. Raises `Conflict` while another process holds it."""
    lease = state.acquire(f"aliases:{name}", uuid4().hex, now_ms=at_ms, ttl_ms=LEASE_MS)
    try:
        yield lease
    finally:
        state.release(lease)
