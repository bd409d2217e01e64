"""From the store of record into ClickHouse: a copy at first, changes from then on; safe to run again at any time.

What changed is found three ways. A ticket whose creation, start or end lies after the watermark, less an overlap for
clocks and late writers. A ticket that ClickHouse has as not ended: it is looked up by its id, however old. And, when
asked to `reconcile`, every day whose figures differ, which finds documents that were written late or changed after
their end, and those that are gone.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from neural_hive_ml.clock import DAY_MS, HOUR_MS, Clock
from neural_hive_ml.tickets.changes import ChangeSource, changes_of
from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
from neural_hive_ml.tickets.clickhouse_days import day_figures, ids_of_day, open_ids
from neural_hive_ml.tickets.port import TicketStore, TicketWindow, UpsertSummary
from neural_hive_ml.tickets.sync_log import SyncLog, SyncNote
from neural_hive_ml.tickets.ticket import Ticket

BATCH: Final = 20_000
OVERLAP_MS: Final = 48 * HOUR_MS
Kind = Literal["copy", "changes"]


@dataclass(frozen=True, slots=True)
class SyncSummary:
    """What a run did. A copy counts all as stored; `removed` and `days` are what reconciling found."""

    kind: Kind
    read: int = 0
    stored: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    days: int = 0
    watermark_ms: int = 0

    def plus(self, upserted: UpsertSummary) -> "SyncSummary":
        """Return the summary with an upsert added."""
        read = upserted.stored + upserted.updated + upserted.unchanged
        return SyncSummary(
            self.kind,
            self.read + read,
            self.stored + upserted.stored,
            self.updated + upserted.updated,
            self.unchanged + upserted.unchanged,
            self.removed,
            self.days,
            self.watermark_ms,
        )


Progress = Callable[[SyncSummary], None]


def sync(
    source: TicketStore,
    target: ClickHouseTicketStore,
    clock: Clock,
    *,
    full: bool = False,
    reconcile: bool = False,
    overlap_ms: int = OVERLAP_MS,
    progress: Progress = lambda _: None,
) -> SyncSummary:
    """Bring ClickHouse up to what the source has now; one run at a time, which the caller sees to.

    A copy that was cut off goes on where it stopped. Tickets that the target would forget at once (older than its
    retention) are left out.

    Raises
    ------
    StoreUnavailable
        When either store does not answer; what was written stays, and the next run goes on from there.
    """
    target.create()
    log = SyncLog(target.database)
    began_ms = clock.now_ms()
    last = log.last(source.describe())
    floor_ms = began_ms - target.retention_days * DAY_MS if target.retention_days else None
    if full or last is None or last.state == "copying":
        going_on = last if last is not None and not full else None
        fresh = last is None and target.extent().tickets == 0
        return _copy(source, target, log, clock, going_on, floor_ms, fresh=fresh, progress=progress)
    changes = changes_of(source)
    since_ms = last.watermark_ms - overlap_ms
    total = SyncSummary("changes", watermark_ms=began_ms)
    for tickets in _read(changes, target, since_ms, floor_ms):
        total = total.plus(target.upsert(tickets))
        progress(total)
    if reconcile:
        total = _reconcile(source, changes, target, total, floor_ms, progress)
    log.add(SyncNote(source.describe(), last.run + 1, "done", 0, began_ms, 0, total.read), now_ms=clock.now_ms())
    return total


def _copy(
    source: TicketStore,
    target: ClickHouseTicketStore,
    log: SyncLog,
    clock: Clock,
    going_on: SyncNote | None,
    floor_ms: int | None,
    *,
    fresh: bool,
    progress: Progress,
) -> SyncSummary:
    """Copy all tickets in the order of their creation, noting how far it got."""
    began = target.new_version()
    before = log.last(source.describe())
    run = going_on.run if going_on else (before.run + 1 if before else 1)
    # The watermark is when the copy began, also of one that goes on: what changed meanwhile is read again next time.
    note = going_on or SyncNote(source.describe(), run, "copying", 0, clock.now_ms())
    since_ms = going_on.copied_until_ms if going_on else floor_ms
    total = SyncSummary("copy", watermark_ms=note.watermark_ms)
    iterator = source.tickets(TicketWindow(since_ms=since_ms))
    while tickets := list(islice(iterator, BATCH)):
        target.write(tickets, target.new_version())
        total = total.plus(UpsertSummary(stored=len(tickets)))
        note = SyncNote(
            note.source, run, "copying", 0, note.watermark_ms, tickets[-1].created_at, note.tickets + len(tickets)
        )
        log.add(note, now_ms=clock.now_ms())
        progress(total)
    if not fresh:
        target.bury_moved(began)
    log.add(SyncNote(note.source, run, "done", 0, note.watermark_ms, 0, note.tickets), now_ms=clock.now_ms())
    return total


def _read(
    changes: ChangeSource, target: ClickHouseTicketStore, since_ms: int, floor_ms: int | None
) -> Iterator[list[Ticket]]:
    """Yield batches of what changed since a moment, then of what ClickHouse takes for not ended."""
    yield from _batched(_kept(changes.changed(since_ms), floor_ms))
    yield from _batched(_kept(changes.of(open_ids(target, created_before_ms=since_ms)), floor_ms))


def _reconcile(
    source: TicketStore,
    changes: ChangeSource,
    target: ClickHouseTicketStore,
    total: SyncSummary,
    floor_ms: int | None,
    progress: Progress,
) -> SyncSummary:
    # The first whole day: the server forgets the day of the floor bit by bit.
    first_day = None if floor_ms is None else floor_ms // DAY_MS + 1
    here, there = changes.day_figures(), day_figures(target)
    differing = sorted(
        day
        for day in here.keys() | there.keys()
        if here.get(day) != there.get(day) and (first_day is None or day >= first_day)
    )
    removed = 0
    for day in differing:
        window = TicketWindow(day * DAY_MS, (day + 1) * DAY_MS)
        held: set[str] = set()
        for tickets in _batched(source.tickets(window)):
            total = total.plus(target.upsert(tickets))
            held |= {t.ticket_id for t in tickets}
        gone = [ticket_id for ticket_id in ids_of_day(target, day) if ticket_id not in held]
        target.remove(gone)
        removed += len(gone)
        progress(total)
    return SyncSummary(
        "changes",
        total.read,
        total.stored,
        total.updated,
        total.unchanged,
        removed,
        len(differing),
        total.watermark_ms,
    )


def _kept(tickets: Iterable[Ticket], floor_ms: int | None) -> Iterator[Ticket]:
    return (t for t in tickets if floor_ms is None or t.created_at >= floor_ms)


def _batched(tickets: Iterable[Ticket]) -> Iterator[list[Ticket]]:
    iterator = iter(tickets)
    while batch := list(islice(iterator, BATCH)):
        yield batch
