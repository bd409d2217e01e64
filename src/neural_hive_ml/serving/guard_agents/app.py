"""guard-agents over HTTP: routes translate, `scoring` decides, metrics count."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from neural_hive_ml.errors import HiveError, InvalidTicket
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.observability.metrics import CONTENT_TYPE, GuardAgentsMetrics
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.serving.guard_agents.counting import count_answer
from neural_hive_ml.serving.guard_agents.scoring import TicketAnswer, TicketScoring
from neural_hive_ml.serving.http.auth import Keyring
from neural_hive_ml.serving.http.body import MAX_BATCH_BYTES, MAX_BATCH_TICKETS, MAX_TICKET_BYTES, read_body
from neural_hive_ml.serving.http.problem import Problem, problem_of
from neural_hive_ml.serving.http.shell import Shell, on_hive_error, on_http_exception, on_problem
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.lifecycle import LifecycleEvent, events_of, order_of

log = structlog.get_logger("serving")
_encode = msgspec.json.Encoder().encode
_JSON = "application/json"
# How long readers of streams may take to finish at a stop.
STOP_SECONDS = 8.0
Handler = Callable[[Request], Awaitable[Response]]


class Background(Protocol):
    """Work beside the requests: `run` goes on until `stop`, and then ends soon."""

    async def run(self) -> None: ...
    def stop(self) -> None: ...


class BatchRequest(msgspec.Struct, frozen=True):
    """A batch: raw tickets, decoded one by one so that one bad ticket does not fail the others."""

    tickets: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class GuardAgents:
    """The service: what its handlers need."""

    scoring: TicketScoring
    metrics: GuardAgentsMetrics
    keyring: Keyring
    refresh_seconds: float
    readers: Sequence[Background] = ()
    closing: Sequence[Callable[[], Awaitable[None]]] = ()

    def app(self) -> Starlette:
        """Return the ASGI app."""
        routes = [
            Route("/api/v1/tickets/score", self._counted("tickets_score", self.score), methods=["POST"]),
            Route(
                "/api/v1/tickets/score/batch",
                self._counted("tickets_score_batch", self.score_batch),
                methods=["POST"],
            ),
            Route("/api/v1/tickets/events", self._counted("tickets_events", self.learn), methods=["POST"]),
            Route("/api/v1/model/refresh", self._counted("other", self.refresh_now), methods=["POST"]),
            Route("/health", self.health),
            Route("/health/liveness", self.liveness),
            Route("/health/readiness", self.readiness),
            Route("/health/startup", self.readiness),
            Route("/metrics", self.exposition),
        ]
        return Starlette(
            routes=routes,
            middleware=[Middleware(Shell)],
            lifespan=self._lifespan,
            exception_handlers={Problem: on_problem, HiveError: on_hive_error, HTTPException: on_http_exception},
        )

    def _counted(self, route: str, handler: Handler) -> Handler:
        """Count each request once, by outcome, and its latency."""

        async def counted(request: Request) -> Response:
            began = perf_counter()
            outcome = "server_error"
            try:
                response = await handler(request)
            except Problem as problem:
                outcome = "client_error" if problem.status < 500 else "server_error"
                raise
            except HiveError as error:
                outcome = "client_error" if problem_of(error).status < 500 else "server_error"
                raise
            else:
                outcome = "degraded" if response.headers.get("x-degraded") else "ok"
                return response
            finally:
                self.metrics.requests.inc(route, outcome)
                self.metrics.request_seconds.observe(perf_counter() - began, route)

        return counted

    async def score(self, request: Request) -> Response:
        """One ticket; `?stage=created|running|ended` and `?at_ms=` look at it as of then."""
        self.keyring.allow(request, "score")
        ticket = decode_ticket(await read_body(request, MAX_TICKET_BYTES))
        stage = request.query_params.get("stage") or None
        answer = self.scoring.score(ticket, stage, _moment(request), cached=True)  # type: ignore[arg-type] # checked in score
        self._count(answer)
        return _json(answer, degraded=answer.degraded)

    async def score_batch(self, request: Request) -> Response:
        """Up to 1,000 tickets; each gets an answer or its own error, in order."""
        self.keyring.allow(request, "score")
        body = await read_body(request, MAX_BATCH_BYTES)
        raws = _batch(body)
        results: list[object] = []
        degraded = False
        for position, raw in enumerate(raws):
            try:
                answer = self.scoring.score(decode_ticket(bytes(raw)))
            except HiveError as error:
                results.append(
                    {
                        "error": {
                            "position": position,
                            "field": getattr(error, "field", ""),
                            "detail": error.what,
                            "remedy": error.remedy,
                        }
                    }
                )
                continue
            self._count(answer)
            degraded = degraded or answer.degraded
            results.append(answer)
            if position % 50 == 49:
                await asyncio.sleep(0)  # let single tickets in between
        return _json({"results": results}, degraded=degraded)

    async def learn(self, request: Request) -> Response:
        """Lifecycle: the statistics learn every event that the posted tickets prove, each once."""
        self.keyring.allow(request, "score")
        if self.scoring.statistics.shared:
            raise Problem(
                409,
                "Statistics are shared",
                "one writer learns from the ticket stream",
                remedy="publish to the stream",
            )
        counts = {"learned": 0, "duplicate": 0, "invalid": 0}
        events: list[LifecycleEvent] = []
        for raw in _batch(await read_body(request, MAX_BATCH_BYTES)):
            try:
                events.extend(events_of(decode_ticket(bytes(raw))))
            except InvalidTicket:
                counts["invalid"] += 1
                self.metrics.tickets.inc("invalid")
        for event in sorted(events, key=order_of):
            counts[self.scoring.statistics.learn(event)] += 1
        if events:
            self.metrics.newest_ticket.set(max(e.at_ms for e in events) / 1000)
        self._show_statistics()
        return _json({**counts, "statistics_sequence": self.scoring.statistics.current.sequence})

    async def refresh_now(self, request: Request) -> Response:
        """Look at the registry now instead of at the next round."""
        self.keyring.allow(request, "operate")
        return _json(await run_in_threadpool(self.refresh))

    async def liveness(self, _: Request) -> Response:
        """The process answers."""
        return _json({"status": "alive"})

    async def readiness(self, _: Request) -> Response:
        """Ready: a model serves that reproduced its golden rows."""
        state = self._state()
        return Response(_encode(state), 200 if state["ready"] else 503, media_type=_JSON)

    async def health(self, _: Request) -> Response:
        """What serves, from where, since when, and why nothing does."""
        return _json(self._state())

    async def exposition(self, _: Request) -> Response:
        """Prometheus text format."""
        return Response(await run_in_threadpool(self.metrics.exposition), media_type=CONTENT_TYPE)

    def refresh(self) -> dict[str, object]:
        """Refresh the slot and show what came of it in metrics; runs in a worker thread."""
        slot = self.scoring.slot
        result = slot.refresh()
        loaded = slot.current
        if result.outcome == "failed" and result.kind not in {"", "refused_before"}:
            self.metrics.load_errors.inc(slot.name, result.kind)
        if result.kind != "unreachable":
            self.metrics.source_contact.set(self.scoring.clock.now_ms() / 1000)
        self.metrics.dependency_up.set(0 if result.kind == "unreachable" else 1, "registry")
        if loaded is not None:
            scorer = loaded.artifact.scorer
            assert isinstance(scorer, AnomalyScorer)
            if result.outcome == "swapped" or self.scoring.statistics.current.as_of_ms == 0:
                self.scoring.statistics.begin(Statistics.restore(loaded.artifact.model.statistics), scorer.binding)
            self.metrics.model_version.set(loaded.published.version, slot.name, "champion")
            self.metrics.model_info.show(
                slot.name, "champion", str(loaded.published.version), loaded.artifact.digest[:16]
            )
            if result.outcome == "swapped":
                self.metrics.swaps.inc(slot.name)
        self._show_statistics()
        return {
            "outcome": result.outcome,
            "reason": result.reason,
            "version": loaded.published.version if loaded else None,
        }

    def _show_statistics(self) -> None:
        statistics = self.scoring.statistics.current
        self.metrics.statistics_sequence.set(statistics.sequence)
        self.metrics.statistics_as_of.set(statistics.as_of_ms / 1000)

    def _count(self, answer: TicketAnswer) -> None:
        count_answer(self.metrics, answer)

    def _state(self) -> dict[str, object]:
        slot = self.scoring.slot
        loaded = slot.current
        model = None
        if loaded is not None:
            model = {
                "name": loaded.published.name,
                "version": loaded.published.version,
                "digest": loaded.artifact.digest,
                "source": loaded.source,
                "golden_rows": loaded.artifact.golden_rows,
                "age_s": max(self.scoring.clock.now_ms() - loaded.loaded_at_ms, 0) // 1000,
            }
        statistics = self.scoring.statistics.current
        return {
            "ready": loaded is not None,
            "status": "ok" if loaded is not None and not slot.failure else "degraded",
            "model": model,
            "failure": slot.failure,
            "statistics": {"sequence": statistics.sequence, "as_of_ms": statistics.as_of_ms},
        }

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(self._keep_refreshing())
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

    async def _keep_refreshing(self) -> None:
        while True:
            try:
                await run_in_threadpool(self.refresh)
            except Exception:
                log.exception("serving.refresh_failed")
            # Without a model look again soon; with one, at the configured pace.
            await asyncio.sleep(
                self.refresh_seconds if self.scoring.slot.current else min(self.refresh_seconds, 5.0)
            )


def _batch(body: bytes) -> list[msgspec.Raw]:
    try:
        raws = msgspec.json.decode(body, type=BatchRequest).tickets
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


def _moment(request: Request) -> int | None:
    text = request.query_params.get("at_ms")
    if text is None:
        return None
    if not text.lstrip("-").isdigit() or len(text) > 15:
        raise Problem(
            400,
            "Bad request",
            f"at_ms={text[:40]!r} is no time",
            field="at_ms",
            remedy="send UTC epoch milliseconds",
        )
    return int(text)


def _json(content: object, *, degraded: bool = False) -> Response:
    headers = {"x-degraded": "true"} if degraded else None
    return Response(_encode(content), media_type=_JSON, headers=headers)
