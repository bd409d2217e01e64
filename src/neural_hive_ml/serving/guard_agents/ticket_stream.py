"""The platform's ticket stream: each lifecycle event is judged and learned once, in the order of training.

A document of a ticket proves one to three events. What is new of them is learned up to the newest, the ticket is judged
as it looked just before that one, then that one is learned: the row that training made of the same moment. Messages that
bring nothing new are duplicates and change nothing.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

import structlog

from neural_hive_ml.errors import ArtifactRefused, HiveError, InvalidTicket, StoreUnavailable
from neural_hive_ml.observability.metrics import GuardAgentsMetrics
from neural_hive_ml.serving.guard_agents.counting import count_answer
from neural_hive_ml.serving.guard_agents.scoring import TicketAnswer, TicketScoring
from neural_hive_ml.serving.statistics_source import REMEMBERED
from neural_hive_ml.serving.statistics_writer import Publisher
from neural_hive_ml.streams.port import Message
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.lifecycle import LifecycleEvent, events_of, order_of
from neural_hive_ml.tickets.ticket import Ticket

ROUTE: Final = "ticket_stream"
_log = structlog.get_logger("serving")
Scored = tuple[Ticket, TicketAnswer]
# Messages in a row before others (single requests) get their turn.
_IN_A_ROW: Final = 20


def nowhere(_: Sequence[Scored]) -> None:
    """Keep no answers."""


def in_turn(*sinks: Callable[[Sequence[Scored]], None]) -> Callable[[Sequence[Scored]], None]:
    """Return a sink that gives answers to several; what one had before another failed comes to it again."""

    def give(scored: Sequence[Scored]) -> None:
        for sink in sinks:
            sink(scored)

    return give


@dataclass(slots=True)
class TicketStream:
    """See `streams.worker.Handler`. `sink` makes a batch of answers durable before its messages are committed; it runs
    in a thread, may raise `StoreUnavailable`, and is then called again with the same answers.

    A `publisher` keeps what was learned across restarts. Without `learns` the statistics are another's (`SharedStatistics`):
    tickets are judged against its newest snapshot.
    """

    scoring: TicketScoring
    metrics: GuardAgentsMetrics
    sink: Callable[[Sequence[Scored]], None] = nowhere
    publisher: Publisher | None = None
    learns: bool = True
    _scored: list[Scored] = field(default_factory=list)
    _judged: "OrderedDict[tuple[str, str], None]" = field(default_factory=OrderedDict)
    _handled: int = 0
    _begun: bool = False

    async def joined(self) -> None:
        """At the start go on from what was kept; later nothing is undone: what comes again is known."""
        if self.publisher is not None and not self._begun:
            try:
                await asyncio.to_thread(self.publisher.resume)
            except ArtifactRefused as error:
                _log.error("serving.statistics_refused", reason=str(error))
        self._begun = True

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
        events = [e for e in sorted(events_of(ticket), key=order_of) if not self._knows(e)]
        if not events:
            self.metrics.tickets.inc("duplicate")
            return "ok"
        self._learn(events[:-1])
        answer = self.scoring.score(ticket)
        self._learn(events[-1:])
        self._scored.append((ticket, answer))
        count_answer(self.metrics, answer)
        self.metrics.tickets.inc("accepted")
        self.metrics.newest_ticket.set(events[-1].at_ms / 1000)
        ahead_ms = events[-1].at_ms - self.scoring.clock.now_ms()
        self.metrics.clock_ahead.set(max(ahead_ms, 0) / 1000)
        return "degraded" if answer.degraded else "ok"

    def _knows(self, event: LifecycleEvent) -> bool:
        if self.learns:
            return self.scoring.statistics.knows(event)
        return (event.ticket.ticket_id, event.kind) in self._judged

    def _learn(self, events: Sequence[LifecycleEvent]) -> None:
        for event in events:
            if self.learns:
                self.scoring.statistics.learn(event)
            else:
                self._judged[event.ticket.ticket_id, event.kind] = None
                if len(self._judged) > REMEMBERED:
                    self._judged.popitem(last=False)

    async def settle(self, *, last: bool) -> bool:
        """Hand the answers over; they are kept here until that worked. Then publish the statistics when it is time."""
        if self._scored:
            await asyncio.to_thread(self.sink, tuple(self._scored))
            self._scored.clear()
        self.metrics.statistics_sequence.set(self.scoring.statistics.current.sequence)
        self.metrics.statistics_as_of.set(self.scoring.statistics.current.as_of_ms / 1000)
        if self.publisher is None:
            return True
        publisher = self.publisher
        try:
            return await asyncio.to_thread(lambda: publisher.publish(last=last))
        except HiveError as error:
            # A full disk must not stop the judging: a restart then begins from an older snapshot.
            _log.warning("serving.statistics_not_kept", reason=str(error))
            return True
