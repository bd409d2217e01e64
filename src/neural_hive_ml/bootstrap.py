"""Composition root: settings in, wired adapters out. The only place that chooses an adapter."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from neural_hive_ml.addresses import mask
from neural_hive_ml.cache.port import FeatureCache, Observe, unobserved
from neural_hive_ml.clock import Clock, SystemClock
from neural_hive_ml.conventions import CHALLENGER, CHAMPION, MODEL_TYPE_SETTINGS, Family
from neural_hive_ml.errors import StoreUnavailable, UsageError
from neural_hive_ml.ledger.anchor import Head, HeadFile
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.port import Registry
from neural_hive_ml.registry.published import FilePointerSource, MlflowRestSource, ModelSource
from neural_hive_ml.settings import Settings
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.tickets.port import TicketStore

if TYPE_CHECKING:
    from neural_hive_ml.flow import Workspace
    from neural_hive_ml.observability.metrics import PredictingMetrics
    from neural_hive_ml.registry.sign import VerifyKey
    from neural_hive_ml.serving.prediction_log import PredictionLog
    from neural_hive_ml.serving.slot import ModelSlot
    from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore


def open_tickets(settings: Settings, data_source: str = "auto") -> TicketStore:
    """Open the ticket store: MongoDB when MONGODB_URI is set, else files in the data folder.

    `data_source` names one of them instead: ``embedded``, ``mongodb`` or ``clickhouse``.

    Raises
    ------
    UsageError
        When the named store is not configured.
    """
    if data_source == "clickhouse":
        return open_clickhouse(settings)
    uri = settings.text("MONGODB_URI")
    if data_source == "mongodb" and not uri:
        raise UsageError("--data-source mongodb, but MONGODB_URI is not set", remedy="export MONGODB_URI")
    if uri and data_source != "embedded":
        from neural_hive_ml.tickets.mongo import MongoTicketStore

        return MongoTicketStore(uri, settings.text("MONGODB_DATABASE"), settings.number("STORE_TIMEOUT_SECONDS"))
    from neural_hive_ml.tickets.embedded import EmbeddedTicketStore

    return EmbeddedTicketStore(settings.data_dir / "tickets")


def open_state(settings: Settings) -> StateStore:
    """Open the operational state: MongoDB when MONGODB_URI is set, else a file in the data folder."""
    uri = settings.text("MONGODB_URI")
    if uri:
        from neural_hive_ml.state.mongo import MongoStateStore

        return MongoStateStore(uri, settings.text("MONGODB_DATABASE"), settings.number("STORE_TIMEOUT_SECONDS"))
    from neural_hive_ml.state.embedded import EmbeddedStateStore

    return EmbeddedStateStore(settings.data_dir / "state.db")


def open_ledger(settings: Settings, state: StateStore) -> Ledger:
    """Return the ledger in a state store, its head anchored in a file outside of it and told in the log."""
    return Ledger(state, HeadFile(Path(settings.text("LEDGER_ANCHOR_DIR"))), _tell_head)


def _tell_head(head: Head, fault: str) -> None:
    # Logs are kept outside the store too: `hive-ml ledger verify --head` holds the chain against a line of them.
    log = structlog.get_logger("ledger")
    log.info("ledger.head", chain=head.chain, head=f"{head.sequence}:{head.hash}")
    if fault:
        log.error("ledger.broken", chain=head.chain, fault=fault, message="see hive-ml ledger verify")


def open_clickhouse(settings: Settings) -> "ClickHouseTicketStore":
    """Open ClickHouse. Raises `UsageError` when CLICKHOUSE_HOST is not set."""
    from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
    from neural_hive_ml.tickets.clickhouse_client import ClickHouseTarget

    if not settings.text("CLICKHOUSE_HOST"):
        raise UsageError("CLICKHOUSE_HOST is not set", remedy="export CLICKHOUSE_HOST, or do without ClickHouse")
    target = ClickHouseTarget(
        host=settings.text("CLICKHOUSE_HOST"),
        port=settings.integer("CLICKHOUSE_PORT"),
        user=settings.text("CLICKHOUSE_USER"),
        password=settings.text("CLICKHOUSE_PASSWORD"),
        database=settings.text("CLICKHOUSE_DATABASE"),
        timeout_seconds=settings.number("STORE_TIMEOUT_SECONDS"),
        secure=settings.flag("CLICKHOUSE_SECURE"),
        ca_file=settings.text("CLICKHOUSE_CA_FILE"),
    )
    return ClickHouseTicketStore(target, settings.integer("CLICKHOUSE_RETENTION_DAYS"))


def open_history(settings: Settings, state: StateStore, clock: Clock, data_source: str = "auto") -> TicketStore:
    """Open what jobs read tickets from: ClickHouse, brought up to date, where it is configured and answers.

    Elsewhere the store of record serves, and the log says why, once.
    """
    if data_source != "auto":
        return open_tickets(settings, data_source)
    from neural_hive_ml.read_side import with_clickhouse

    record = open_tickets(settings)
    clickhouse = open_clickhouse(settings) if settings.text("CLICKHOUSE_HOST") else None
    return with_clickhouse(record, clickhouse, state, clock)


def open_feature_cache(settings: Settings, observe: Observe = unobserved) -> FeatureCache:
    """Open the feature cache: Redis when REDIS_URL is set, else this process's memory."""
    ttl_ms = round(settings.number("FEATURE_CACHE_TTL_SECONDS") * 1000)
    url = settings.text("REDIS_URL")
    if url:
        from neural_hive_ml.cache.redis import RedisFeatureCache

        timeout_ms = settings.integer("FEATURE_CACHE_TIMEOUT_MS")
        return RedisFeatureCache(url, SystemClock(), ttl_ms, timeout_ms, observe)
    from neural_hive_ml.cache.memory import MemoryFeatureCache

    return MemoryFeatureCache(SystemClock(), ttl_ms, observe)


def open_registry(settings: Settings) -> Registry:
    """Open the MLflow registry, sqlite or server, that MLFLOW_TRACKING_URI names."""
    from neural_hive_ml.registry.mlflow_registry import MlflowRegistry

    signer = None
    if settings.text("HIVE_SIGNING_KEY"):
        from neural_hive_ml.registry.sign import load_signing_key

        signer = load_signing_key(settings.text("HIVE_SIGNING_KEY"))
    return MlflowRegistry(
        settings.text("MLFLOW_TRACKING_URI"),
        settings.data_dir,
        signer=signer,
        username=settings.text("MLFLOW_TRACKING_USERNAME"),
        password=settings.text("MLFLOW_TRACKING_PASSWORD"),
        ca_file=settings.text("MLFLOW_TRACKING_SERVER_CERT_PATH"),
    )


def model_source(settings: Settings) -> ModelSource:
    """Return where services look for the published model, without importing mlflow."""
    uri = settings.text("MLFLOW_TRACKING_URI")
    if uri.startswith(("http://", "https://")):
        return MlflowRestSource(
            uri,
            username=settings.text("MLFLOW_TRACKING_USERNAME"),
            password=settings.text("MLFLOW_TRACKING_PASSWORD"),
            ca_file=settings.text("MLFLOW_TRACKING_SERVER_CERT_PATH"),
        )
    return FilePointerSource(settings.data_dir)


def verify_keys(settings: Settings) -> "Sequence[VerifyKey]":
    """Return the keys that artifacts must be signed with; none are configured: only digests are checked."""
    if not settings.text("HIVE_VERIFY_KEYS"):
        return ()
    from neural_hive_ml.registry.sign import load_verify_keys

    return load_verify_keys(settings.text("HIVE_VERIFY_KEYS"))


def serving_model(settings: Settings, family: Family) -> str:
    """Return the registered name that serves for a family; for ``auto`` the default when the store does not answer."""
    from neural_hive_ml.registry.family_choice import AUTO, DEFAULTS, named_model, serving_name

    algorithm = settings.text(MODEL_TYPE_SETTINGS[family])
    if algorithm != AUTO:
        return named_model(family, algorithm)
    state = open_state(settings)
    try:
        return serving_name(state, family, algorithm)
    except StoreUnavailable:
        return DEFAULTS[family]
    finally:
        state.close()


def family_slot(settings: Settings, family: Family, clock: Clock) -> "ModelSlot":
    """Return an empty slot for the champion that serves for a family; for ``auto`` it follows the family's gate."""
    from neural_hive_ml.registry.family_choice import AUTO, serving_name

    slot = model_slot(settings, serving_model(settings, family), clock)
    if settings.text(MODEL_TYPE_SETTINGS[family]) == AUTO:
        state = open_state(settings)
        slot.follow = lambda: serving_name(state, family, AUTO)
    return slot


def challenger_slot(settings: Settings, champion: "ModelSlot", clock: Clock) -> "ModelSlot":
    """Return an empty slot for the challenger of the model that another slot holds."""
    slot = model_slot(settings, champion.name, clock, CHALLENGER)
    if champion.follow is not None:
        slot.follow = lambda: champion.name
    return slot


def model_slot(settings: Settings, name: str, clock: Clock, alias: str = CHAMPION) -> "ModelSlot":
    """Return an empty slot for what an alias of a registered model points to."""
    from neural_hive_ml.registry.cache import LastKnownGood
    from neural_hive_ml.serving.slot import ModelSlot

    good = LastKnownGood(settings.data_dir / "last-known-good")
    return ModelSlot(name, model_source(settings), good, clock, keys=verify_keys(settings), alias=alias)


def prediction_log(settings: Settings, metrics: "PredictingMetrics", clock: Clock) -> "PredictionLog | None":
    """Return the log of predictions; None where PREDICTION_LOG is off."""
    from neural_hive_ml.serving.prediction_log import PredictionLog

    if not settings.flag("PREDICTION_LOG"):
        return None
    return PredictionLog(lambda: open_state(settings), metrics, clock, settings.number("PREDICTION_LOG_DAYS"))


@contextmanager
def open_workspace(
    settings: Settings, clock: Clock | None = None, *, data_source: str = "auto"
) -> "Iterator[Workspace]":
    """Open everything a job needs and close it again."""
    from neural_hive_ml.flow import Workspace

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    clock = clock or SystemClock()
    state = open_state(settings)
    try:
        tickets = open_history(settings, state, SystemClock(), data_source)
        try:
            yield Workspace(
                tickets=tickets,
                state=state,
                registry=open_registry(settings),
                ledger=open_ledger(settings, state),
                clock=clock,
            )
        finally:
            tickets.close()
    finally:
        state.close()


def describe(settings: Settings) -> str:
    """Return one line that says which stores and registry a command uses, credentials masked."""
    mongo = settings.text("MONGODB_URI")
    stores = f"{mask(mongo)} ({settings.text('MONGODB_DATABASE')})" if mongo else f"files in {settings.data_dir}"
    registry = mask(settings.text("MLFLOW_TRACKING_URI"))
    return f"profile {settings.profile} | tickets and state: {stores} | registry: {registry}"
