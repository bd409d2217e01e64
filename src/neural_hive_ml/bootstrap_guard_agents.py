"""Composition root of guard-agents: the detector and its challenger, the streams, the verdicts; no trainer, no mlflow."""

from typing import TYPE_CHECKING

from neural_hive_ml.bootstrap import challenger_slot, family_slot, open_feature_cache, open_state, prediction_log
from neural_hive_ml.bootstrap_events import event_desk, event_readers
from neural_hive_ml.bootstrap_http import open_gate
from neural_hive_ml.bootstrap_streams import open_broker, open_hands, ticket_readers
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.settings import Settings

if TYPE_CHECKING:
    from neural_hive_ml.serving.guard_agents.app import GuardAgents
    from neural_hive_ml.serving.service import Background


def guard_agents(settings: Settings) -> "GuardAgents":
    """Wire the guard-agents service."""
    from neural_hive_ml.observability.derived import StateDerivedCollector
    from neural_hive_ml.observability.metrics import guard_agents_metrics
    from neural_hive_ml.serving.guard_agents.app import GuardAgents
    from neural_hive_ml.serving.guard_agents.records import VerdictLog, count_reviews
    from neural_hive_ml.serving.guard_agents.rows import CachedRows
    from neural_hive_ml.serving.guard_agents.scoring import TicketScoring
    from neural_hive_ml.serving.guard_agents.shadow import TicketShadow
    from neural_hive_ml.serving.guard_agents.ticket_stream import in_turn
    from neural_hive_ml.serving.shadow import Shadow, ShadowQueue
    from neural_hive_ml.serving.statistics_source import LiveStatistics

    clock = SystemClock()
    metrics = guard_agents_metrics(
        StateDerivedCollector(open_state(settings)), aliases=settings.flag("HIVE_METRIC_ALIASES")
    )
    slot = family_slot(settings, "anomaly", clock)
    rows = None
    if settings.flag("FEATURE_CACHE"):
        rows = CachedRows(open_feature_cache(settings, lambda result: metrics.cache.inc("features", result)))
    log = prediction_log(settings, metrics, clock)
    queue = ShadowQueue(metrics)
    shadow = Shadow(challenger_slot(settings, slot, clock), queue, log)
    beside = TicketShadow(shadow, clock, settings.number("REVIEW_AUDIT_SHARE"))
    scoring = TicketScoring(slot, LiveStatistics(), clock, rows, beside)
    verdicts = None
    if log is not None:
        log.written = count_reviews(metrics)
        verdicts = VerdictLog(log, settings.number("REVIEW_AUDIT_SHARE"))
    broker = open_broker(settings)
    desk = event_desk(settings, scoring, metrics, verdicts)
    sink = desk.results.of_tickets if verdicts is None else in_turn(verdicts.sink, desk.results.of_tickets)
    readers: tuple[Background, ...] = (queue, desk.results) if log is None else (queue, desk.results, log)
    if broker is not None:
        hands = open_hands(settings)
        readers += ticket_readers(settings, broker, scoring, metrics, lambda: open_state(settings), sink, hands)
        readers += event_readers(settings, broker, desk, hands)
    return GuardAgents(
        scoring,
        metrics,
        open_gate(settings, "guard-agents"),
        settings.number("HIVE_MODEL_REFRESH_SECONDS"),
        readers,
        () if broker is None else (broker.close,),
        verdicts,
        (shadow.slot,),
        desk,
    )
