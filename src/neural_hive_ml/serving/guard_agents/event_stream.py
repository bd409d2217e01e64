"""The platform's event streams: each event is judged once, threats are durable before their messages are committed."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from neural_hive_ml.errors import HiveError
from neural_hive_ml.observability.metrics import GuardAgentsMetrics
from neural_hive_ml.serving.guard_agents.counting import count_answer, count_threat
from neural_hive_ml.serving.guard_agents.threat_event import decode_event
from neural_hive_ml.serving.guard_agents.threat_results import ThreatResults
from neural_hive_ml.serving.guard_agents.threats import ThreatAnswer, ThreatDetector
from neural_hive_ml.streams.port import Message

ROUTE: Final = "event_stream"
# Events remembered so that a redelivery is known: their ids, not what they said.
REMEMBERED: Final = 100_000
_IN_A_ROW: Final = 20


@dataclass(slots=True)
class EventStream:
    """See `streams.worker.Handler`. `default_type` is the type of events that name none: what their topic is about."""

    detector: ThreatDetector
    results: ThreatResults
    metrics: GuardAgentsMetrics
    default_type: str
    _found: list[ThreatAnswer] = field(default_factory=list)
    _known: "OrderedDict[str, None]" = field(default_factory=OrderedDict)
    _handled: int = 0

    async def joined(self) -> None:
        """Nothing is undone: what comes again is known."""

    async def handle(self, message: Message) -> None:
        """Judge one event."""
        began, outcome = perf_counter(), "server_error"
        try:
            outcome = self._handle(message.value)
        except HiveError:
            outcome = "client_error"
            raise
        finally:
            self.metrics.requests.inc(ROUTE, outcome)
            self.metrics.request_seconds.observe(perf_counter() - began, ROUTE)
        self._handled += 1
        if self._handled % _IN_A_ROW == 0:
            await asyncio.sleep(0)

    async def settle(self, *, last: bool) -> bool:
        """Make the threats durable; they are kept here until that worked."""
        if self._found:
            await asyncio.to_thread(self.results.write, tuple(self._found))
            self._found.clear()
        return True

    def _handle(self, raw: bytes) -> str:
        received = decode_event(raw, self.default_type)
        if received.event_id in self._known:
            return "ok"
        answer, verdict = self.detector.detect(received)
        self._known[received.event_id] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        if verdict is not None:
            count_answer(self.metrics, verdict)
        count_threat(self.metrics, answer)
        if answer.is_threat:
            self._found.append(answer)
        return "degraded" if answer.degraded else "ok"
