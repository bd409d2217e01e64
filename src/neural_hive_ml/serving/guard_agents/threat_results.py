"""Where threats go: the state store, and Redis under the platform's keys; beside the answers, never in their way.

Redis is a courtesy to the platform: what does not reach it is counted and logged, and the state store has it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from neural_hive_ml.clock import Clock, kept_since, parse_instant
from neural_hive_ml.conventions import (
    THREAT_KEY,
    THREAT_TTL_SECONDS,
    THREATS,
    THRESHOLDS_KEY,
    THRESHOLDS_TTL_SECONDS,
)
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.observability.metrics import GuardAgentsMetrics
from neural_hive_ml.serving.guard_agents.counting import count_threat
from neural_hive_ml.serving.guard_agents.scoring import TicketAnswer
from neural_hive_ml.serving.guard_agents.threat_rules import Rule
from neural_hive_ml.serving.guard_agents.threats import ThreatAnswer, threat_of
from neural_hive_ml.serving.guard_agents.thresholds import Thresholds
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.tickets.ticket import Ticket

if TYPE_CHECKING:
    import redis

Scored = tuple[Ticket, TicketAnswer]

log = structlog.get_logger("serving")
# The keys of the platform's own result, in its order.
RESULT_KEYS: Final = ("threat_type", "severity", "confidence", "details", "detected_at", "raw_event")
_QUEUE: Final = "events"


def result_of(answer: ThreatAnswer) -> dict[str, Any]:
    """Return a threat as the platform knows it: exactly its keys."""
    return {key: getattr(answer, key) for key in RESULT_KEYS}


def record_of(answer: ThreatAnswer) -> Record:
    """Return a threat as the state store keeps it, once for each event."""
    document = msgspec.to_builtins({**result_of(answer), "raw_event": msgspec.json.decode(answer.raw_event)})
    document |= {"event_id": answer.event_id, "event_type": answer.event_type, "degraded": answer.degraded}
    return Record(answer.event_id, parse_instant(answer.detected_at), document)


@dataclass(slots=True)
class ThreatResults:
    """See `service.Background`. `client` is Redis, None where none is configured.

    Threats older than `kept_days` are deleted; 0 keeps all.
    """

    open_state: Callable[[], StateStore]
    client: "redis.Redis | None"
    thresholds: Thresholds
    rules: Sequence[Rule]
    metrics: GuardAgentsMetrics
    clock: Clock
    kept_days: float
    most_waiting: int = 10_000
    batch: int = 500
    pause_seconds: float = 0.25
    retry_seconds: float = 1.0
    look_seconds: float = 10.0
    _waiting: "deque[ThreatAnswer]" = field(default_factory=deque)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _state: StateStore | None = None
    _looked_ms: int = 0

    def keep(self, answer: ThreatAnswer) -> None:
        """Queue a threat; when the queue is full it is lost, and the log says so."""
        if len(self._waiting) >= self.most_waiting:
            log.error("guard_agent.threat_lost", threat_type=answer.threat_type, event_id=answer.event_id)
            return
        self._waiting.append(answer)
        self.metrics.queue_depth.set(len(self._waiting), _QUEUE)

    def write(self, answers: Sequence[ThreatAnswer]) -> None:
        """Make threats durable, each event once, and tell Redis. Raises `StoreUnavailable`."""
        if not answers:
            return
        if self._state is None:
            self._state = self.open_state()
        self._state.insert(THREATS, [record_of(answer) for answer in answers])
        self._tell(answers)

    def of_tickets(self, scored: Sequence[Scored]) -> None:
        """Make the flagged tickets of the ticket stream durable as threats. Raises `StoreUnavailable`."""
        rule, now_ms = next(rule for rule in self.rules if rule.model), self.clock.now_ms()
        found = [threat_of(ticket, verdict, rule, now_ms) for ticket, verdict in scored if verdict.is_anomaly]
        self.write(found)
        for answer in found:
            count_threat(self.metrics, answer)

    async def run(self) -> None:
        """Write what waits and look at what other replicas did to the thresholds, until stopped."""
        while True:
            last = self._stopping.is_set()
            well = await asyncio.to_thread(self._round)
            self.metrics.queue_depth.set(len(self._waiting), _QUEUE)
            if last:
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(self.pause_seconds if well else self.retry_seconds):
                    await self._stopping.wait()
        if self._waiting:
            log.error("guard_agent.threats_lost", count=len(self._waiting))
        if self._state is not None:
            await asyncio.to_thread(self._state.close)

    def stop(self) -> None:
        """Write what is left and end."""
        self._stopping.set()

    def publish_thresholds(self) -> bool:
        """Tell the platform and the other replicas how the limits stand; False when Redis does not take it."""
        document = {
            **self.thresholds.limits(self.rules),
            "factor": self.thresholds.factor,
            "raised_ms": self.thresholds.raised_ms,
        }
        return self._asked(
            lambda client: client.set(THRESHOLDS_KEY, msgspec.json.encode(document), ex=THRESHOLDS_TTL_SECONDS)
        )

    def _round(self) -> bool:
        now_ms = self.clock.now_ms()
        if now_ms - self._looked_ms >= self.look_seconds * 1000:
            self._looked_ms = now_ms
            self._look(now_ms)
        while self._waiting:
            answers = [self._waiting[i] for i in range(min(len(self._waiting), self.batch))]
            try:
                self.write(answers)
            except StoreUnavailable as error:
                self.metrics.dependency_up.set(0, "state")
                log.warning("guard_agent.threats_wait", reason=str(error))
                return False
            for _ in answers:
                self._waiting.popleft()
        return True

    def _look(self, now_ms: int) -> None:
        self.thresholds.relax(now_ms)
        found: list[Any] = []
        self._asked(lambda client: found.append(client.get(THRESHOLDS_KEY)))
        if found and found[0]:
            with suppress(msgspec.MsgspecError):  # another program's document under this key is none of ours
                told = msgspec.json.decode(found[0], type=_Told)
                self.thresholds.adopt(told.factor, told.raised_ms)
        until_ms = kept_since(now_ms, self.kept_days)
        if self._state is not None and until_ms is not None:
            with suppress(StoreUnavailable):
                old = self._state.find(THREATS, until_ms=until_ms, limit=self.batch)
                self._state.delete(THREATS, [record.key for record in old])

    def _tell(self, answers: Sequence[ThreatAnswer]) -> None:
        def send(client: "redis.Redis") -> None:
            with client.pipeline(transaction=False) as batch:
                for answer in answers:
                    epoch = parse_instant(answer.detected_at) // 1000
                    key = THREAT_KEY.format(threat_type=answer.threat_type, epoch=epoch)
                    batch.set(key, msgspec.json.encode(result_of(answer)), ex=THREAT_TTL_SECONDS)
                batch.execute()

        self.metrics.cache.inc("results", "hit" if self._asked(send) else "error")

    def _asked(self, question: Callable[["redis.Redis"], object]) -> bool:
        if self.client is None:
            return False
        import redis

        try:
            question(self.client)
        except (redis.RedisError, OSError) as error:
            self.metrics.dependency_up.set(0, "redis")
            log.warning("guard_agent.redis_unavailable", reason=str(error))
            return False
        self.metrics.dependency_up.set(1, "redis")
        return True


class _Told(msgspec.Struct, frozen=True):
    factor: float
    raised_ms: int
