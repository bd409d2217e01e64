"""What every predicting service does over HTTP: counted routes, health, metrics, batches, learning, start and stop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from neural_hive_ml.errors import HiveError, InvalidTicket
from neural_hive_ml.observability.metrics import CONTENT_TYPE
from neural_hive_ml.serving.http.answers import JSON, encode, json_answer
from neural_hive_ml.serving.http.assembly import assembled
from neural_hive_ml.serving.http.body import MAX_BATCH_BYTES, MAX_BATCH_TICKETS, read_body
from neural_hive_ml.serving.http.contract import HEALTH_STATUSES, LEARNED, Learned, TicketBatch
from neural_hive_ml.serving.http.endpoint import Endpoint, Example, Gate, caller_of
from neural_hive_ml.serving.http.problem import Problem
from neural_hive_ml.serving.prediction_log import repeatable_id
from neural_hive_ml.serving.watch import ModelWatch
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.lifecycle import LifecycleEvent, events_of, order_of
from neural_hive_ml.tickets.ticket import Ticket

# How long readers of streams may take to finish at a stop.
STOP_SECONDS = 8.0
# Tickets of a batch in a row before single requests get their turn.
_IN_A_ROW = 50
_LONGEST_MS_DIGITS = 14
_LONGEST_KEY = 256


class Background(Protocol):
    """Work beside the requests: `run` goes on until `stop`, and then ends soon."""

    async def run(self) -> None: ...
    def stop(self) -> None: ...


class _Batch(msgspec.Struct, frozen=True):
    """A batch: raw tickets, decoded one by one so that one bad ticket does not fail the others."""

    tickets: list[msgspec.Raw]


def _noted_nowhere(_: LifecycleEvent) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class PredictingService:
    """What handlers share. `state` is the health document, whose `ready` decides about readiness.

    `noted` is told every event posted, learned before or not.
    """

    watch: ModelWatch
    gate: Gate
    state: Callable[[], dict[str, Any]]
    readers: Sequence[Background] = ()
    closing: Sequence[Callable[[], Awaitable[None]]] = ()
    noted: Callable[[LifecycleEvent], object] = _noted_nowhere

    def app(self, title: str, description: str, endpoints: Sequence[Endpoint]) -> Starlette:
        """Return the ASGI app of a service's own endpoints and the common ones."""
        common = (
            Endpoint(
                "/api/v1/tickets/events", self.learn, Learned, "POST", "score", "tickets_events", TicketBatch,
                example=Example(LEARNED.body, LEARNED.answer),
            ),
            Endpoint("/api/v1/model/refresh", self.refresh_now, dict[str, Any], "POST", "operate", "other"),
            Endpoint("/health", self.health, dict[str, Any], operational=True),
            Endpoint("/health/liveness", self.liveness, dict[str, str], operational=True),
            Endpoint("/health/readiness", self.readiness, dict[str, Any], statuses=HEALTH_STATUSES, operational=True),
            Endpoint("/health/startup", self.readiness, dict[str, Any], statuses=HEALTH_STATUSES, operational=True),
            Endpoint("/metrics", self.exposition, "text/plain", operational=True),
        )  # fmt: skip
        return assembled(title, description, (*endpoints, *common), self.gate, self.watch.metrics, self._lifespan)

    async def learn(self, request: Request) -> Response:
        """Lifecycle: the statistics learn every event that the posted tickets prove, each once."""
        statistics, metrics = self.watch.statistics, self.watch.metrics
        if statistics.shared:
            raise Problem(
                409,
                "Statistics are shared",
                "one writer learns from the ticket stream",
                remedy="publish to the stream",
            )
        counts = {"learned": 0, "duplicate": 0, "invalid": 0}
        events: list[LifecycleEvent] = []
        for raw in _tickets_of(await read_body(request, MAX_BATCH_BYTES)):
            try:
                events.extend(events_of(decode_ticket(bytes(raw))))
            except InvalidTicket:
                counts["invalid"] += 1
                metrics.tickets.inc("invalid")
        for event in sorted(events, key=order_of):
            counts[statistics.learn(event)] += 1
            self.noted(event)
        if events:
            metrics.newest_ticket.set(max(e.at_ms for e in events) / 1000)
        self.watch.show_statistics()
        return json_answer({**counts, "statistics_sequence": statistics.current.sequence})

    async def refresh_now(self, _: Request) -> Response:
        """Look at the registry now instead of at the next round."""
        found = await run_in_threadpool(self.watch.refresh)
        # One model is told flat, several by name.
        return json_answer(next(iter(found.values())) if len(found) == 1 else {"models": found})

    async def liveness(self, _: Request) -> Response:
        """The process answers."""
        return json_answer({"status": "alive"})

    async def readiness(self, _: Request) -> Response:
        """Ready: a model serves that reproduced its golden rows."""
        state = self.state()
        return Response(encode(state), 200 if state["ready"] else 503, media_type=JSON)

    async def health(self, _: Request) -> Response:
        """What serves, from where, since when, and why nothing does."""
        return json_answer(self.state())

    async def exposition(self, _: Request) -> Response:
        """Prometheus text format."""
        return Response(await run_in_threadpool(self.watch.metrics.exposition), media_type=CONTENT_TYPE)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watch.keep_refreshing())
        reading = [asyncio.create_task(reader.run()) for reader in self.readers]
        try:
            yield
        finally:
            for reader in self.readers:
                reader.stop()
            if reading:
                # They finish the message in hand and commit; what they could not comes again.
                await asyncio.wait(reading, timeout=STOP_SECONDS)
            for left in (task, *reading):
                left.cancel()
            await asyncio.gather(task, *reading, return_exceptions=True)
            for close in self.closing:
                await close()


class Answer(Protocol):
    """An answer about one ticket; `degraded` when no model made it."""

    @property
    def degraded(self) -> bool: ...


async def batch_answer(request: Request, answer: Callable[[Ticket], Answer]) -> Response:
    """Answer up to 1,000 tickets; each gets an answer or its own error, in order."""
    results: list[object] = []
    degraded = False
    for position, raw in enumerate(_tickets_of(await read_body(request, MAX_BATCH_BYTES))):
        try:
            given = answer(decode_ticket(bytes(raw)))
        except HiveError as error:
            field = getattr(error, "field", "")
            told = {"position": position, "field": field, "detail": error.what, "remedy": error.remedy}
            results.append({"error": told})
            continue
        degraded = degraded or given.degraded
        results.append(given)
        if position % _IN_A_ROW == _IN_A_ROW - 1:
            await asyncio.sleep(0)  # let single tickets in between
    return json_answer({"results": results}, degraded=degraded)


def _tickets_of(body: bytes) -> list[msgspec.Raw]:
    try:
        raws = msgspec.json.decode(body, type=_Batch).tickets
    except msgspec.DecodeError as error:
        raise Problem(400, "Not a batch", str(error), remedy='send {"tickets": [...]}') from error
    if len(raws) > MAX_BATCH_TICKETS:
        raise Problem(
            413,
            "Batch too large",
            f"{len(raws):,} tickets, at most {MAX_BATCH_TICKETS:,}",
            remedy="send smaller batches",
        )
    return raws


def id_asked_for(request: Request, ticket_id: str) -> str:
    """Return the prediction id that `Idempotency-Key` stands for, empty without one.

    Raises
    ------
    Problem
        400 for a key of more than 256 characters.
    """
    key = request.headers.get("idempotency-key", "")
    if len(key) > _LONGEST_KEY:
        raise Problem(
            400, "Bad request", "Idempotency-Key is too long", field="Idempotency-Key", remedy="send a UUID"
        )
    return repeatable_id(caller_of(request).key_id, key, ticket_id) if key else ""


def moment_of(request: Request) -> int | None:
    """Return ``?at_ms=``, None without. Raises `Problem` 400 for what is no time between 1970 and 5138."""
    text = request.query_params.get("at_ms")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > _LONGEST_MS_DIGITS:
        raise Problem(
            400,
            "Bad request",
            f"at_ms={text[:40]!r} is no time",
            field="at_ms",
            remedy="send UTC epoch milliseconds",
        )
    return int(text)
