"""What is wrong and what mends it: one check a function, each with its own answer and next step."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from neural_hive_ml.bootstrap import open_clickhouse, open_registry, open_state, open_tickets
from neural_hive_ml.clock import DAY_MS, HOUR_MS, SystemClock, iso
from neural_hive_ml.conventions import (
    CHAMPION,
    EXIT_FAILURE,
    EXIT_NOT_ENOUGH_DATA,
    EXIT_UNREACHABLE,
    GUIDE_MODELS,
    QUARANTINE,
    TICKETS,
)
from neural_hive_ml.errors import HiveError, RegistryUnavailable, StoreUnavailable, UsageError
from neural_hive_ml.redis_client import redis_client
from neural_hive_ml.settings import Settings
from neural_hive_ml.upkeep.collections import SETTING_OF
from neural_hive_ml.upkeep.disk import disk_use
from neural_hive_ml.upkeep.retention import plan

Status = Literal["ok", "warning", "failed", "not_configured"]
STALE_AFTER_MS = 6 * HOUR_MS
FEWEST_SAMPLES = 1000
# Messages waiting that are counted: more than a healthy reader ever leaves.
MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Check:
    """One answer of the doctor; `exit_code` is what a failed check makes the command end with."""

    name: str
    status: Status
    detail: str
    remedy: str = ""
    exit_code: int = 0


def examine(settings: Settings, purpose: str = "all") -> Iterator[Check]:
    """Yield the checks of every configured service, in the order in which data flows.

    `purpose` ``training`` leaves out what only matters once models serve.
    """
    checks: list[Callable[[Settings], Iterator[Check]]] = [_data_folder, _tickets, _clickhouse, _state]
    checks += [_retention, _redis, _streams, _registry, _signing] if purpose == "all" else [_registry]
    for check in checks:
        name = check.__name__.strip("_").replace("_", " ")
        try:
            yield from check(settings)
        except (StoreUnavailable, RegistryUnavailable) as error:
            yield Check(name, "failed", error.what, error.remedy, EXIT_UNREACHABLE)
        except HiveError as error:
            yield Check(name, "failed", error.what, error.remedy, EXIT_FAILURE)


def _data_folder(settings: Settings) -> Iterator[Check]:
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        yield Check("data folder", "failed", f"{folder}: {error.strerror}", "set HIVE_DATA_DIR", EXIT_FAILURE)
        return
    if not os.access(folder, os.W_OK):
        yield Check("data folder", "failed", f"{folder} is read-only", "set HIVE_DATA_DIR", EXIT_FAILURE)
        return
    free = os.statvfs(folder)
    free_gib = free.f_bavail * free.f_frsize / 2**30
    use = disk_use(folder)
    parts = ", ".join(f"{part} {size / 2**20:,.0f}" for part, size in use.bytes_of.items() if size)
    budget = settings.number("DISK_BUDGET_GIB")
    bound = f", at most {budget * 1024:,.0f} wanted" if budget else ""
    detail = f"{folder}: {use.total / 2**20:,.0f} MiB used ({parts or 'empty'}){bound}, {free_gib:,.0f} GiB free"
    fits = not budget or use.total <= budget * 2**30
    well = free_gib > 1 and fits
    yield Check(
        "data folder", "ok" if well else "warning", detail, "" if well else "hive-ml data prune, or make room"
    )


def _retention(settings: Settings) -> Iterator[Check]:
    """Is anything kept longer than its days?"""
    days = {collection: settings.number(name) for collection, name in SETTING_OF.items()}
    # A day of grace: whoever prunes does so once a day.
    cuts = [cut for cut in plan(days, SystemClock().now_ms() - DAY_MS) if cut.before_ms is not None]
    with closing(open_tickets(settings)) as tickets, closing(open_state(settings)) as state:
        late = []
        for cut in cuts:
            if cut.collection == TICKETS:
                oldest = tickets.extent().oldest_ms
                old = oldest is not None and oldest < (cut.before_ms or 0)
            else:
                old = bool(state.find(cut.collection, until_ms=cut.before_ms, limit=1))
            if old:
                late.append(f"{cut.collection} ({cut.days:g} d)")
    if late:
        yield Check("retention", "warning", f"kept longer than its days: {', '.join(late)}", "hive-ml data prune")
    else:
        yield Check("retention", "ok", "nothing is kept longer than its days")


def _tickets(settings: Settings) -> Iterator[Check]:
    store = open_tickets(settings)
    try:
        extent = store.extent()
        where = store.describe()
        if extent.newest_event_ms is None or extent.oldest_ms is None:
            yield Check(
                "tickets",
                "failed",
                f"{where} holds no ticket",
                "hive-ml tickets import FILE",
                EXIT_NOT_ENOUGH_DATA,
            )
            return
        yield Check("tickets", "ok", f"{where}: {extent.tickets:,} tickets since {iso(extent.oldest_ms)}")
        enough = extent.tickets >= FEWEST_SAMPLES
        yield Check(
            "samples",
            "ok" if enough else "failed",
            f"{extent.tickets:,} of at least {FEWEST_SAMPLES:,}",
            "" if enough else "import more, or train with a smaller --min-samples",
            0 if enough else EXIT_NOT_ENOUGH_DATA,
        )
        age_ms = SystemClock().now_ms() - extent.newest_event_ms
        if age_ms < -HOUR_MS:
            yield Check(
                "clock",
                "warning",
                f"the newest ticket lies {-age_ms / HOUR_MS:,.1f} h in the future",
                "compare this machine's clock with the platform's",
            )
        fresh = age_ms <= STALE_AFTER_MS
        yield Check(
            "freshness",
            "ok" if fresh else "warning",
            f"newest event {iso(extent.newest_event_ms)}, {max(age_ms, 0) / DAY_MS:,.1f} days ago",
            "" if fresh else "old log: train with --as-of newest; live platform: look why tickets stopped",
        )
        missing = list(getattr(store, "missing_indexes", list)())
        if missing:
            yield Check("ticket indexes", "warning", f"missing: {', '.join(missing)}", "hive-ml tickets index")
    finally:
        store.close()


def _clickhouse(settings: Settings) -> Iterator[Check]:
    if not settings.text("CLICKHOUSE_HOST"):
        yield Check("clickhouse", "not_configured", "optional; the ticket store serves without it")
        return
    from neural_hive_ml.tickets.clickhouse_schema import NEWEST, check_server, schema_version
    from neural_hive_ml.tickets.sync_log import SyncLog

    with closing(open_clickhouse(settings)) as store:
        try:
            version, schema = check_server(store.database), schema_version(store.database)
            note = SyncLog(store.database).last() if schema else None
        except (StoreUnavailable, UsageError) as error:
            yield Check("clickhouse", "warning", error.what, f"{error.remedy}; optional: or unset CLICKHOUSE_HOST")
            return
        current = schema == NEWEST
        detail = f"{store.database.name}: version {version}, schema {schema} of {NEWEST}"
        yield Check(
            "clickhouse", "ok" if current else "warning", detail, "" if current else "hive-ml tickets sync"
        )
        if note is None or note.state != "done":
            yield Check("clickhouse sync", "warning", "no finished copy of the tickets", "hive-ml tickets sync")
            return
        behind_ms = SystemClock().now_ms() - note.watermark_ms
        fresh = behind_ms <= STALE_AFTER_MS
        detail = f"up to {iso(note.watermark_ms)}, {behind_ms / HOUR_MS:,.1f} h ago, from {note.source}"
        yield Check(
            "clickhouse sync", "ok" if fresh else "warning", detail, "" if fresh else "hive-ml tickets sync"
        )


def _state(settings: Settings) -> Iterator[Check]:
    state = open_state(settings)
    try:
        held = state.count(QUARANTINE)
        yield Check("state", "ok", state.describe())
        yield Check(
            "quarantine",
            "warning" if held else "ok",
            f"{held:,} documents",
            "hive-ml tickets quarantine list" if held else "",
        )
    finally:
        state.close()


def _redis(settings: Settings) -> Iterator[Check]:
    url = settings.text("REDIS_URL")
    if not url:
        yield Check("redis", "not_configured", "optional: feature cache and streams")
        return
    import redis

    client: redis.Redis = redis_client(url, settings.number("STORE_TIMEOUT_SECONDS"))
    try:
        client.ping()
    except redis.RedisError as error:
        yield Check(
            "redis", "failed", f"{error}", "start it or unset REDIS_URL: outage costs speed only", EXIT_UNREACHABLE
        )
        return
    finally:
        client.close()
    yield Check("redis", "ok", "answers")


def _streams(settings: Settings) -> Iterator[Check]:
    import asyncio

    from neural_hive_ml.bootstrap_streams import ConsumedStream, consumed_streams, open_broker
    from neural_hive_ml.streams.dead_letters import listed

    broker = open_broker(settings)
    if broker is None:
        yield Check("streams", "not_configured", "optional: set REDIS_URL or KAFKA_BOOTSTRAP_SERVERS")
        return

    async def look() -> list[tuple[ConsumedStream, list[int], int]]:
        try:
            return [
                (
                    stream,
                    [len(await broker.browse(stream.topic, group, MOST_COUNTED)) for group in stream.groups],
                    len(await listed(broker, stream.topic, MOST_COUNTED)),
                )
                for stream in consumed_streams(settings)
            ]
        finally:
            await broker.close()

    for stream, waiting, dead in asyncio.run(look()):
        counts = [f"{_counted(n)} messages not done by {g}" for n, g in zip(waiting, stream.groups, strict=True)]
        behind = MOST_COUNTED in waiting
        yield Check(
            f"stream {stream.topic}",
            "warning" if behind else "ok",
            f"{broker.describe()}: {', '.join(counts)}",
            "look at guard-agents' log" if behind else "",
        )
        if dead:
            yield Check(
                "dead letters",
                "warning",
                f"{_counted(dead)} messages of {stream.topic}",
                f"hive-ml deadletters list --stream {stream.topic}",
            )


def _counted(messages: int) -> str:
    return f"{'at least ' * (messages == MOST_COUNTED)}{messages:,}"


def _registry(settings: Settings) -> Iterator[Check]:
    registry = open_registry(settings)
    live = [name for name in GUIDE_MODELS if registry.resolve(name, CHAMPION) is not None]
    yield Check("registry", "ok", f"{registry.describe()}: {len(live)}/{len(GUIDE_MODELS)} models in Production")


def _signing(settings: Settings) -> Iterator[Check]:
    if not settings.text("HIVE_VERIFY_KEYS"):
        yield Check("signatures", "not_configured", "artifacts are checked by digest only; set HIVE_VERIFY_KEYS")
        return
    from neural_hive_ml.registry.sign import load_verify_keys

    yield Check("signatures", "ok", f"{len(load_verify_keys(settings.text('HIVE_VERIFY_KEYS')))} valid keys")
