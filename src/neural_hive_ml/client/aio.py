"""The client for asyncio programs."""

import asyncio
from collections.abc import Iterable
from typing import TypeVar

import httpx

from neural_hive_ml.client import calls
from neural_hive_ml.client.answers import (
    BatchItem,
    DurationForecast,
    Enrichment,
    LoadForecast,
    TicketVerdict,
    VerdictReceipt,
)
from neural_hive_ml.client.calls import AnyTicket, Call
from neural_hive_ml.client.patience import Patience
from neural_hive_ml.client.target import Target
from neural_hive_ml.client.transport import Attempts, read_answer, request_of

T = TypeVar("T")


class AsyncClient:
    """Calls the services; the same calls as `Client`, awaited. Belongs to one event loop; use it in an `async with`.

    All calls raise `ApiProblem` when a service refuses and `Unreachable` when none answers within the patience.
    """

    def __init__(self, target: Target | None = None, patience: Patience | None = None) -> None:
        self._target, self._patience = target or Target(), patience or Patience()
        # A time-out of httpx is per read: `send` bounds the whole of a try instead.
        self._http = httpx.AsyncClient(follow_redirects=False, timeout=httpx.Timeout(None))

    @staticmethod
    def from_environment(patience: Patience | None = None) -> "AsyncClient":
        """Return a client of what `Target.from_environment` reads."""
        return AsyncClient(Target.from_environment(), patience)

    async def score(
        self, ticket: AnyTicket, *, stage: str | None = None, at_ms: int | None = None
    ) -> TicketVerdict:
        """Is a ticket anomalous, as its document shows it, or at a stage (created, running, ended) and moment."""
        return await self.send(calls.score(ticket, stage, at_ms))

    async def score_many(self, tickets: Iterable[AnyTicket]) -> list[BatchItem]:
        """Judge up to 1,000 tickets; one answer or refusal each, in order."""
        return await self.send(calls.score_many(tickets))

    async def duration(self, ticket: AnyTicket, *, at_ms: int | None = None) -> DurationForecast:
        """How long will a ticket run."""
        return await self.send(calls.duration(ticket, at_ms))

    async def duration_many(self, tickets: Iterable[AnyTicket]) -> list[BatchItem]:
        """Predict up to 1,000 tickets; one answer or refusal each, in order."""
        return await self.send(calls.duration_many(tickets))

    async def enrich(self, ticket: AnyTicket) -> Enrichment:
        """Run time, resources, anomaly, wait and load of a ticket, for a scheduler."""
        return await self.send(calls.enrich(ticket))

    async def forecast(self, horizon_minutes: int = 60, *, at_ms: int | None = None) -> LoadForecast:
        """How much will be completed in the next 60, 360 or 1,440 minutes."""
        return await self.send(calls.forecast(horizon_minutes, at_ms))

    async def feedback(
        self, verdict: str, *, ticket_id: str = "", prediction_id: str = "", note: str = "", author: str = ""
    ) -> VerdictReceipt:
        """Give a human verdict (anomaly, normal, unsure) on a ticket or a prediction about it."""
        return await self.send(calls.feedback(verdict, ticket_id, prediction_id, note, author))

    async def send(self, call: Call[T]) -> T:
        """Send a call, again where that helps, and return its typed answer."""
        attempts = Attempts(self._patience)
        arguments = request_of(call, self._target)
        while True:
            try:
                async with asyncio.timeout(attempts.begin()):
                    response = await self._http.request(**arguments)
            except (httpx.TransportError, TimeoutError) as error:
                await asyncio.sleep(attempts.after_failure(call, error))
                continue
            pause = attempts.after(response)
            if pause is None:
                return read_answer(call, response)
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
