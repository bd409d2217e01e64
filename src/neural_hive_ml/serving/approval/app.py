"""approval-service over HTTP: routes translate, the desk takes and counts verdicts, metrics show them."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any, Final, TypeVar

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from neural_hive_ml.clock import Clock, iso
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.feedback.desk import Standing, Taken, VerdictDesk
from neural_hive_ml.feedback.rate import verdict_stats
from neural_hive_ml.feedback.task_history import task_history
from neural_hive_ml.observability.metrics import CONTENT_TYPE, ApprovalMetrics
from neural_hive_ml.serving.approval.contract import EXAMPLE_VERDICT, LIMIT, SPAN, TICKET_ID
from neural_hive_ml.serving.approval.requests import (
    MAX_VERDICT_BYTES,
    VerdictRequest,
    decode_verdict,
    instant_of,
    limit_of,
    queue_told,
    rate_told,
    taken_told,
    verdict_told,
)
from neural_hive_ml.serving.http.answers import JSON, Handler, encode, json_answer
from neural_hive_ml.serving.http.assembly import assembled
from neural_hive_ml.serving.http.auth import Role
from neural_hive_ml.serving.http.body import read_body
from neural_hive_ml.serving.http.contract import HEALTH_STATUSES
from neural_hive_ml.serving.http.endpoint import Endpoint, Gate, caller_of
from neural_hive_ml.serving.http.problem import Problem
from neural_hive_ml.serving.http.static_file import static_file
from neural_hive_ml.tickets.port import TicketStore

log = structlog.get_logger("serving")
ROLE: Final[Role] = "feedback"
FRESH_MS: Final = 5_000
_FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/static/review.css": ("review.css", "text/css; charset=utf-8"),
    "/static/review.js": ("review.js", "text/javascript; charset=utf-8"),
    "/static/history.js": ("history.js", "text/javascript; charset=utf-8"),
}
T = TypeVar("T")


class Recent:
    """The last standing, for routes that anybody may call as often as they like: it costs a week of records."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: tuple[int, Standing] | None = None

    def get(self, now_ms: int, read: Callable[[], Standing]) -> Standing:
        """Return the standing of at most `FRESH_MS` ago, read once by however many ask."""
        with self._lock:
            if self._held is None or not 0 <= now_ms - self._held[0] < FRESH_MS:
                self._held = None
                self._held = now_ms, read()
            return self._held[1]

    def forget(self) -> None:
        """Read anew the next time."""
        with self._lock:
            self._held = None


@dataclass(frozen=True, slots=True)
class Approval:
    """The service: what its handlers need."""

    desk: VerdictDesk
    metrics: ApprovalMetrics
    gate: Gate
    clock: Clock
    tickets: Callable[[], TicketStore] | None = None
    recent: Recent = field(default_factory=Recent)

    def app(self) -> Starlette:
        """Return the ASGI app."""

        def feedback(path: str, handler: Handler, answer: Any, **more: Any) -> Endpoint:
            return Endpoint(path, handler, answer, counted_as="feedback", **more)

        endpoints = (
            feedback(
                "/api/v1/feedback", self.take, dict[str, Any], method="POST", role=ROLE, body=VerdictRequest,
                status=201, statuses={200: "the same author had said the same"}, example=EXAMPLE_VERDICT,
            ),
            feedback("/api/v1/feedback", self.listed, dict[str, Any], role=ROLE, parameters=(LIMIT, TICKET_ID)),
            feedback("/api/v1/feedback/health", self.feedback_health, dict[str, Any], statuses=HEALTH_STATUSES),
            feedback("/api/v1/feedback/stats", self.stats, dict[str, Any], role="any", parameters=SPAN),
            feedback("/api/v1/feedback/export", self.export, "application/x-ndjson", role=ROLE, parameters=SPAN),
            Endpoint(
                "/api/v1/reviews", self.reviews, dict[str, Any], role=ROLE, counted_as="reviews", parameters=(LIMIT,)
            ),
            Endpoint(
                "/api/v1/reviews/history", self.history, dict[str, Any], role=ROLE, counted_as="reviews",
                parameters=(TICKET_ID,), problems={404: "the ticket is not in the store"},
            ),
            Endpoint("/health", self.readiness, dict[str, Any], operational=True),
            Endpoint("/health/liveness", self.liveness, dict[str, str], operational=True),
            Endpoint("/health/readiness", self.readiness, dict[str, Any], operational=True),
            Endpoint("/health/startup", self.readiness, dict[str, Any], operational=True),
            Endpoint("/metrics", self.exposition, "text/plain", operational=True),
        )  # fmt: skip
        pages = [Route(path, static_file(__package__, *file)) for path, file in _FILES.items()]
        return assembled("approval-service", __doc__ or "", endpoints, self.gate, self.metrics, pages=pages)

    async def take(self, request: Request) -> Response:
        """A verdict: 201 when it is new, 200 when the same author had said the same."""
        caller = caller_of(request)
        sent = decode_verdict(request, await read_body(request, MAX_VERDICT_BYTES))
        # Without a name, the key says who it was.
        taken = await run_in_threadpool(
            self._asked, lambda: self._take(sent, sent.author.strip() or caller.key_id, caller.key_id)
        )
        if taken.first:
            # Two replicas may both see a first one in the same milliseconds: then it counts twice, here only.
            self.metrics.verdicts.inc(taken.verdict.verdict, taken.verdict.review)
        return Response(encode(taken_told(taken)), 201 if taken.new else 200, media_type=JSON)

    async def listed(self, request: Request) -> Response:
        """The newest verdicts, of one ticket with `?ticket_id=`. They name people: only for the role."""
        limit, ticket = limit_of(request, 100), request.query_params.get("ticket_id", "")
        found = await run_in_threadpool(self._asked, lambda: self.desk.newest(limit, ticket))
        return json_answer({"verdicts": [verdict_told(one) for one in found]})

    async def export(self, request: Request) -> Response:
        """All verdicts given in [`?since=`, `?until=`), one JSON document a line, oldest first."""
        found = self.desk.between(instant_of(request, "since"), instant_of(request, "until"))
        # The first page is read before the answer begins, so that a store that is down is an error and not a stump.
        first = await run_in_threadpool(self._asked, lambda: next(found, None))

        def lines() -> Iterator[bytes]:
            if first is not None:
                yield encode(verdict_told(first)) + b"\n"
            for one in found:
                yield encode(verdict_told(one)) + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def stats(self, request: Request) -> Response:
        """Counts over all verdicts in [`?since=`, `?until=`), and the rate of the last week."""
        since_ms, until_ms = instant_of(request, "since"), instant_of(request, "until")
        stats = await run_in_threadpool(self._asked, lambda: verdict_stats(self.desk.between(since_ms, until_ms)))
        standing = await run_in_threadpool(self._asked, lambda: self.desk.standing(self.clock.now_ms()))
        return json_answer({**asdict(stats), "rate": rate_told(standing.rate), "open_reviews": standing.open})

    async def reviews(self, request: Request) -> Response:
        """What waits for a person, newest first."""
        limit = limit_of(request, 50)
        standing = await run_in_threadpool(self._asked, lambda: self.desk.standing(self.clock.now_ms()))
        return json_answer(queue_told(standing, limit))

    async def history(self, request: Request) -> Response:
        """How long the ticket's task took lately, and this ticket."""
        ticket_id = request.query_params.get("ticket_id", "")[:256]
        if self.tickets is None:
            raise Problem(404, "No history", "this service reads no ticket store")
        open_tickets, now_ms = self.tickets, self.clock.now_ms()
        found = await run_in_threadpool(lambda: task_history(open_tickets(), ticket_id, now_ms))
        if found is None:
            raise Problem(404, "No such ticket", "the ticket is not in the store", field="ticket_id")
        return json_answer(asdict(found))

    async def feedback_health(self, _: Request) -> Response:
        """Whether feedback can be given and is: store, last verdict, rate against the target. Open, names nobody."""
        return await run_in_threadpool(self._health)

    async def liveness(self, _: Request) -> Response:
        """The process answers."""
        return json_answer({"status": "alive"})

    async def readiness(self, _: Request) -> Response:
        """Ready: the store answers."""
        await run_in_threadpool(self._asked, lambda: self.desk.newest(1))
        return json_answer({"status": "ok", "ready": True})

    async def exposition(self, _: Request) -> Response:
        """Prometheus text format."""
        return Response(await run_in_threadpool(self._exposition), media_type=CONTENT_TYPE)

    def _take(self, sent: VerdictRequest, author: str, key_id: str) -> Taken:
        taken = self.desk.take(
            sent.verdict, author=author, key_id=key_id, at_ms=self.clock.now_ms(), ticket_id=sent.ticket_id,
            prediction_id=sent.prediction_id, note=sent.note,
        )  # fmt: skip
        self.recent.forget()
        return taken

    def _health(self) -> Response:
        try:
            newest = self._asked(lambda: self.desk.newest(1))
            standing = self._recent()
        except StoreUnavailable as error:
            log.warning("approval.store_unavailable", error=str(error))
            told = {"status": "unavailable", "store": {"reachable": False}, "last_verdict_at": None, "rate": None}
            return Response(encode(told), 503, media_type=JSON)
        rate = standing.rate
        return json_answer(
            {
                # Too little feedback is the people's affair, not a fault of this service.
                "status": {True: "ok", False: "below_target", None: "nothing_asked"}[rate.met],
                "store": {"reachable": True},
                "last_verdict_at": iso(newest[0].at_ms) if newest else None,
                "rate": rate_told(rate),
                "open_reviews": standing.open,
            }
        )

    def _exposition(self) -> bytes:
        m = self.metrics
        try:
            standing = self._recent()
            m.open_reviews.set(standing.open)
            m.asked.set(standing.rate.asked)
            m.answered.set(standing.rate.answered)
        except StoreUnavailable as error:
            # Unknown is not the last value that was known.
            log.warning("approval.store_unavailable", error=str(error))
            for gauge in (m.open_reviews, m.asked, m.answered):
                gauge.clear()
        return self.metrics.exposition()

    def _recent(self) -> Standing:
        now_ms = self.clock.now_ms()
        return self.recent.get(now_ms, lambda: self._asked(lambda: self.desk.standing(now_ms)))

    def _asked(self, question: Callable[[], T]) -> T:
        """Ask the store, and show whether it answered."""
        try:
            answer = question()
        except StoreUnavailable:
            self.metrics.dependency_up.set(0, "state")
            raise
        self.metrics.dependency_up.set(1, "state")
        return answer
