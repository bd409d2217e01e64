"""The platform's ticket stream: each lifecycle event is judged and learned once, in the order of training.

A document of a ticket proves one to three events. What is new of them is learned up to the newest, the ticket is judged
as it looked just before that one, then that one is learned: the row that training made of the same moment. Messages that
bring nothing new are duplicates and change nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from neural_hive_ml.errors import InvalidTicket, StoreUnavailable
from neural_hive_ml.observability.metrics import GuardAgentsMetrics
from neural_hive_ml.serving.guard_agents.counting import count_answer
from neural_hive_ml.serving.guard_agents.scoring import TicketAnswer, TicketScoring
from neural_hive_ml.streams.port import Message
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.lifecycle import events_of, order_of
from neural_hive_ml.tickets.ticket import Ticket

ROUTE: Final = "ticket_stream"
Scored = tuple[Ticket, TicketAnswer]
# Messages in a row before others (single requests) get their turn.
_IN_A_ROW: Final = 20


def nowhere(_: Sequence[Scored]) -> None:
    """Keep no answers."""


@dataclass(slots=True)
class TicketStream:
    """See `streams.worker.Handler`. `sink` makes a batch of answers durable before its messages are committed; it runs
    in a thread, may raise `StoreUnavailable`, and is then called again with the same answers."""

    scoring: TicketScoring
    metrics: GuardAgentsMetrics
    sink: Callable[[Sequence[Scored]], None] = nowhere
    _scored: list[Scored] = field(default_factory=list)
    _handled: int = 0

    async def handle(self, message: Message) -> None:
        """Judge and learn what is new in one ticket document."""
        if self.scoring.slot.current is None:
            # The stream keeps tickets until a model can judge them; rules alone would let them pass for good.
            raise StoreUnavailable(
                f"{self.scoring.slot.name} has no model yet: the stream waits", remedy="hive-ml models show"
            )
        began = perf_counter()
        outcome = "server_error"
        try:
            outcome = self._handle(message.value)
        except InvalidTicket:
            outcome = "client_error"
            self.metrics.tickets.inc("invalid")
            raise
        finally:
            self.metrics.requests.inc(ROUTE, outcome)
            self.metrics.request_seconds.observe(perf_counter() - began, ROUTE)
        self._handled += 1
        if self._handled % _IN_A_ROW == 0:
            await asyncio.sleep(0)

    def _handle(self, document: bytes) -> str:
        ticket = decode_ticket(document)
        statistics = self.scoring.statistics
        events = [e for e in sorted(events_of(ticket), key=order_of) if not statistics.knows(e)]
        if not events:
            self.metrics.tickets.inc("duplicate")
            return "ok"
        for event in events[:-1]:
            statistics.learn(event)
        answer = self.scoring.score(ticket)
        statistics.learn(events[-1])
        self._scored.append((ticket, answer))
        count_answer(self.metrics, answer)
        self.metrics.tickets.inc("accepted")
        self.metrics.newest_ticket.set(events[-1].at_ms / 1000)
        ahead_ms = events[-1].at_ms - self.scoring.clock.now_ms()
        self.metrics.clock_ahead.set(max(ahead_ms, 0) / 1000)
        return "degraded" if answer.degraded else "ok"

    async def settle(self) -> None:
        """Hand the answers over; they are kept here until that worked."""
        if self._scored:
            await asyncio.to_thread(self.sink, tuple(self._scored))
            self._scored.clear()
        self.metrics.statistics_sequence.set(self.scoring.statistics.current.sequence)
        self.metrics.statistics_as_of.set(self.scoring.statistics.current.as_of_ms / 1000)
