"""The place where one model's aliases are moved: under a lease, with an intent, mended after a crash."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from msgspec.structs import replace

from neural_hive_ml.conventions import CHALLENGER, CHAMPION, PREVIOUS
from neural_hive_ml.errors import Conflict
from neural_hive_ml.registry.alias_record import (
    AliasRecord,
    Moved,
    Pending,
    alias_lease,
    read_record,
    write_record,
)
from neural_hive_ml.registry.port import Registry
from neural_hive_ml.state.port import Lease, StateStore


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One decision about an alias, as the ledger records it.

    `kind` is ``promote``, ``rollback``, ``adopt`` (the champion was moved outside of this system), ``pin``,
    ``unpin``, ``challenge`` (a shadow run begins, or ends: then `version` is None) or ``abort`` (it ended badly);
    `previous` is the champion before it; (`name`, `token`, `kind`) is unique, so
    that a move noted twice around a crash can be told from two moves.
    """

    kind: str
    name: str
    version: int | None
    previous: int | None
    actor: str
    reason: str
    at_ms: int
    token: int


Note = Callable[[AliasMove], None]


@dataclass(frozen=True, slots=True)
class AliasDesk:
    """The right to move one model's aliases, while `lease` holds."""

    registry: Registry
    state: StateStore
    name: str
    lease: Lease
    at_ms: int
    note: Note | None

    def write(self, record: AliasRecord, expected: AliasRecord) -> AliasRecord:
        """Compare-and-set the record. Raises `Conflict` when another process took over."""
        return write_record(self.state, self.name, record, expected=expected, lease=self.lease, at_ms=self.at_ms)

    def noted(self, kind: str, version: int | None, previous: int | None, actor: str, reason: str) -> AliasMove:
        """Hand a move to the ledger and return it."""
        move = AliasMove(kind, self.name, version, previous, actor, reason, self.at_ms, self.lease.token)
        if self.note is not None:
            self.note(move)
        return move

    def begin(self, record: AliasRecord, kind: str, version: int, actor: str, reason: str) -> AliasRecord:
        """Write the intent to move the champion."""
        pending = Pending(kind, version, actor, reason, self.at_ms, self.lease.token)
        return self.write(replace(record, pending=pending), record)

    def settle(self, begun: AliasRecord) -> tuple[AliasRecord, AliasMove]:
        """Derive everything else from a champion alias that has moved. May be done again after a crash."""
        pending = begun.pending
        assert pending is not None
        previous = begun.previous if pending.version == begun.champion else begun.champion
        self.registry.move_alias(self.name, PREVIOUS, self._still_there(previous))
        self.registry.publish(self.name, CHAMPION)
        shadowed = begun.challenger
        if shadowed == pending.version:  # it has arrived: nothing is left to compare
            self.registry.move_alias(self.name, CHALLENGER, None)
            self.registry.publish(self.name, CHALLENGER)
            shadowed = None
        move = AliasMove(
            pending.kind,
            self.name,
            pending.version,
            begun.champion,
            pending.actor,
            pending.reason,
            pending.at_ms,
            pending.token,
        )
        if self.note is not None:
            self.note(move)
        settled = replace(
            begun,
            champion=pending.version,
            previous=previous,
            pending=None,
            crowned=Moved(pending.kind, pending.actor, pending.at_ms),
            challenger=shadowed,
            challenged=begun.challenged if shadowed is not None else None,
        )
        try:
            return self.write(settled, begun), move
        except Conflict:
            # We were overtaken while we slept: the later process's champion stands.
            self.registry.move_alias(self.name, CHAMPION, read_record(self.state, self.name).champion)
            self.registry.publish(self.name, CHAMPION)
            raise

    def reconcile(self) -> tuple[AliasRecord, AliasMove | None]:
        """Finish or drop an interrupted move, adopt a champion chosen elsewhere; return the record as it is."""
        record = read_record(self.state, self.name)
        champion = self.registry.resolve(self.name, CHAMPION)
        now = None if champion is None else champion.version
        if record.pending is not None:
            if now == record.pending.version:
                self.registry.move_alias(self.name, CHAMPION, now)  # the guide's stage may lag behind the alias
                return self.settle(record)
            record = self.write(replace(record, pending=None), record)
        if now == record.champion:
            return record, None
        reason = f"the champion alias was moved outside of this system, from {record.champion} to {now}"
        if now is None:
            self.registry.publish(self.name, CHAMPION)
            gone = self.write(replace(record, champion=None, previous=record.champion, pin=None), record)
            return gone, self.noted("adopt", None, record.champion, "unknown", reason)
        pending = Pending("adopt", now, "unknown", reason, self.at_ms, self.lease.token)
        begun = self.write(replace(record, pin=None, pending=pending), record)
        self.registry.move_alias(self.name, CHAMPION, now)
        return self.settle(begun)

    def _still_there(self, version: int | None) -> int | None:
        return version if version in {v.version for v in self.registry.versions(self.name)} else None


@contextmanager
def alias_desk(
    registry: Registry, state: StateStore, name: str, *, at_ms: int, note: Note | None
) -> Iterator[AliasDesk]:
    """Open the desk of one model. Raises `Conflict` while another process is at it."""
    with alias_lease(state, name, at_ms) as lease:
        yield AliasDesk(registry, state, name, lease, at_ms, note)
