"""Which store jobs read tickets from: ClickHouse where it can be brought up to date now, else the store of record."""

import structlog

from neural_hive_ml.clock import DAY_MS, Clock
from neural_hive_ml.errors import Conflict, HiveError, StoreUnavailable
from neural_hive_ml.retraining.lease import sole_run
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
from neural_hive_ml.tickets.history import History
from neural_hive_ml.tickets.port import TicketStore
from neural_hive_ml.tickets.sync import sync
from neural_hive_ml.tickets.sync_log import SyncLog

SYNC_LEASE = "tickets-sync"
# Another run is at it, or just was: what it brought is new enough.
FRESH_MS = 600_000
_log = structlog.get_logger("tickets")


def with_clickhouse(
    record: TicketStore, clickhouse: ClickHouseTicketStore | None, state: StateStore, clock: Clock
) -> TicketStore:
    """Return the store to read from; says once in the log which and why. Both stores belong to what is returned.

    The changes since the last sync are brought over first, so that a read misses nothing; the first copy, which takes
    long, is left to `hive-ml tickets sync`.
    """
    if clickhouse is None:
        _log.info("tickets.without_clickhouse", serves=record.describe(), reason="CLICKHOUSE_HOST is not set")
        return record
    reason = _not_current(record, clickhouse, state, clock)
    if reason:
        clickhouse.close()
        _log.warning("tickets.without_clickhouse", serves=record.describe(), reason=reason)
        return record
    _log.info("tickets.from_clickhouse", serves=clickhouse.describe())
    days = clickhouse.retention_days

    def lost(error: StoreUnavailable) -> None:
        _log.warning("tickets.clickhouse_lost", serves=record.describe(), reason=str(error))

    return History(record, clickhouse, clock.now_ms() - days * DAY_MS if days else None, lost)


def _not_current(record: TicketStore, clickhouse: ClickHouseTicketStore, state: StateStore, clock: Clock) -> str:
    """Bring ClickHouse up to now; return why it cannot serve, or nothing."""
    try:
        note = SyncLog(clickhouse.database).last(record.describe())
        if note is None or note.state != "done":
            return "ClickHouse holds no finished copy; next: hive-ml tickets sync"
        try:
            with sole_run(state, clock, name=SYNC_LEASE):
                sync(record, clickhouse, clock)
        except Conflict:
            if clock.now_ms() - note.watermark_ms > FRESH_MS:
                return "another sync is running and has not finished"
    except HiveError as error:
        return str(error)
    return ""
