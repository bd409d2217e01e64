"""ClickHouse: version, schema, whether we may write, its clock, and how far its copy is behind."""

from collections.abc import Iterator
from contextlib import closing

from neural_hive_ml.bootstrap import open_clickhouse
from neural_hive_ml.clock import HOUR_MS, SystemClock, iso
from neural_hive_ml.diagnosis.check import Check, judged
from neural_hive_ml.diagnosis.clocks import check_clock
from neural_hive_ml.diagnosis.tickets import STALE_AFTER_MS
from neural_hive_ml.errors import StoreUnavailable, UsageError
from neural_hive_ml.settings import Settings
from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
from neural_hive_ml.tickets.clickhouse_schema import NEWEST, check_server, schema_version
from neural_hive_ml.tickets.sync_log import SyncLog


def check_clickhouse(settings: Settings) -> Iterator[Check]:
    """Yield the checks of the copy of the tickets; all of it is optional, so nothing here is worse than a warning."""
    if not settings.text("CLICKHOUSE_HOST"):
        yield Check("clickhouse", "not_configured", "optional; the ticket store serves without it")
        return
    try:
        with closing(open_clickhouse(settings)) as store:
            yield from _checks(store)
    except (StoreUnavailable, UsageError) as error:
        yield Check("clickhouse", "warning", error.what, f"{error.remedy}; optional: or unset CLICKHOUSE_HOST")


def _checks(store: ClickHouseTicketStore) -> Iterator[Check]:
    version, schema = check_server(store.database), schema_version(store.database)
    asked_ms = SystemClock().now_ms()
    told_ms = int(store.database.command("SELECT toUnixTimestamp64Milli(now64(3))"))
    clock = check_clock("clickhouse", asked_ms, told_ms)
    detail = f"{store.database.name}: version {version}, schema {schema} of {NEWEST}"
    yield judged("clickhouse", detail, well=schema == NEWEST, remedy="hive-ml tickets sync")
    yield clock
    if schema:
        yield _writes(store)
    note = SyncLog(store.database).last() if schema else None
    if note is None or note.state != "done":
        yield Check("clickhouse sync", "warning", "no finished copy of the tickets", "hive-ml tickets sync")
        return
    behind_ms = SystemClock().now_ms() - note.watermark_ms
    detail = f"up to {iso(note.watermark_ms)}, {behind_ms / HOUR_MS:,.1f} h ago, from {note.source}"
    yield judged("clickhouse sync", detail, well=behind_ms <= STALE_AFTER_MS, remedy="hive-ml tickets sync")


def _writes(store: ClickHouseTicketStore) -> Check:
    """Insert no rows: refused where it is not allowed, and nothing is left where it is."""
    try:
        store.database.command(f"INSERT INTO {store.table} SELECT * FROM {store.table} WHERE 0")  # noqa: S608 - our names
    except StoreUnavailable as error:
        return Check("clickhouse writes", "warning", error.what, error.remedy)
    return Check("clickhouse writes", "ok", f"may write to {store.database.name}")
