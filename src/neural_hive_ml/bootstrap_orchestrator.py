"""Composition root of orchestrator-dynamic: its models, its statistics, its history of completions."""

from typing import TYPE_CHECKING

from neural_hive_ml.bootstrap import (
    challenger_slot,
    family_slot,
    model_slot,
    open_state,
    open_tickets,
    prediction_log,
)
from neural_hive_ml.bootstrap_http import open_gate
from neural_hive_ml.children import pool_of
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.conventions import LOAD_HORIZONS_MINUTES, load_model_name
from neural_hive_ml.errors import HiveError, StoreUnavailable
from neural_hive_ml.settings import Settings

if TYPE_CHECKING:
    from neural_hive_ml.serving.orchestrator.app import Orchestrator
    from neural_hive_ml.serving.orchestrator.history import Completions
    from neural_hive_ml.serving.slot import ModelSlot


def orchestrator(settings: Settings) -> "Orchestrator":
    """Wire the orchestrator-dynamic service; imports no trainer and no mlflow."""
    from neural_hive_ml.observability.metrics import orchestrator_metrics
    from neural_hive_ml.serving.guard_agents.scoring import TicketScoring
    from neural_hive_ml.serving.orchestrator.app import Orchestrator
    from neural_hive_ml.serving.orchestrator.drift_notes import DriftNotes
    from neural_hive_ml.serving.orchestrator.duration import DurationPrediction
    from neural_hive_ml.serving.orchestrator.enrichment import Enrichment
    from neural_hive_ml.serving.orchestrator.forecast_keeper import ForecastKeeper
    from neural_hive_ml.serving.orchestrator.history import LoadHistory
    from neural_hive_ml.serving.orchestrator.history_reader import HistoryReader
    from neural_hive_ml.serving.orchestrator.load import LoadForecasting
    from neural_hive_ml.serving.orchestrator.platform import PlatformDesk
    from neural_hive_ml.serving.orchestrator.shadow import DurationShadow, LoadShadow
    from neural_hive_ml.serving.shadow import Shadow, ShadowQueue
    from neural_hive_ml.serving.statistics_source import LiveStatistics

    clock, history = SystemClock(), LoadHistory()
    metrics = orchestrator_metrics(aliases=settings.flag("HIVE_METRIC_ALIASES"))
    log = prediction_log(settings, metrics, clock)
    queue = ShadowQueue(metrics)

    def shadow(champion: "ModelSlot") -> Shadow:
        return Shadow(challenger_slot(settings, champion, clock), queue, log)

    scheduling = family_slot(settings, "scheduling", clock)
    beside = shadow(scheduling)
    durations = DurationPrediction(scheduling, LiveStatistics(), DurationShadow(beside, clock))
    slots = {m: model_slot(settings, load_model_name(m), clock) for m in LOAD_HORIZONS_MINUTES}
    ahead = {m: shadow(slot) for m, slot in slots.items()}
    reader = HistoryReader(history, lambda: _stored_completions(settings), metrics)
    load = LoadForecasting(slots, history, clock, LoadShadow(ahead))
    # The detector's rows are made from the same statistics; its challenger runs where tickets are judged, in guard-agents.
    scoring = TicketScoring(family_slot(settings, "anomaly", clock), durations.statistics, clock)
    challengers = (beside.slot, *(one.slot for one in ahead.values()))
    champions = (durations.slot, *slots.values(), scoring.slot)
    platform = PlatformDesk(
        Enrichment(durations, scoring, load),
        (*champions, *challengers),
        metrics,
        clock,
        lambda: open_state(settings),
        log,
    )
    keeper = ForecastKeeper(load, metrics)
    notes = DriftNotes(lambda: open_state(settings), lambda: [slot.name for slot in champions])
    return Orchestrator(
        durations,
        load,
        metrics,
        open_gate(settings, "orchestrator-dynamic"),
        settings.number("HIVE_MODEL_REFRESH_SECONDS"),
        (reader, keeper, notes, queue) if log is None else (reader, keeper, notes, queue, log),
        log,
        challengers,
        platform,
    )


def _stored_completions(settings: Settings) -> "Completions | None":
    """Read the store in a process of its own: its libraries and its work would slow the answers down."""
    with pool_of(1) as child:
        found = child.submit(_read_store, settings).result()
    if isinstance(found, str):
        raise StoreUnavailable(found, remedy="hive-ml doctor")
    return found


def _read_store(settings: Settings) -> "Completions | str | None":
    """Return what the store holds, or why it cannot be read, as text: errors with remedies do not travel."""
    from neural_hive_ml.serving.orchestrator.history import read_completions

    try:
        store = open_tickets(settings)
        try:
            return read_completions(store, SystemClock().now_ms())
        finally:
            store.close()
    except HiveError as error:
        return str(error)
