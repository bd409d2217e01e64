"""The client for programs that wait."""

from collections.abc import Iterable
from typing import TypeVar

from neural_hive_ml.client import calls
from neural_hive_ml.client.aio import AsyncClient
from neural_hive_ml.client.answers import (
    BatchItem,
    DurationForecast,
    Enrichment,
    LoadForecast,
    TicketVerdict,
    VerdictReceipt,
)
from neural_hive_ml.client.calls import AnyTicket, Call
from neural_hive_ml.client.loop import LoopThread
from neural_hive_ml.client.patience import Patience
from neural_hive_ml.client.target import Target

T = TypeVar("T")


class Client:
    """Calls the services. Safe to share between threads; close it, or use it in a `with`.

    All calls raise `ApiProblem` when a service refuses and `Unreachable` when none answers within the patience.
    """

    def __init__(self, target: Target | None = None, patience: Patience | None = None) -> None:
        self._loop = LoopThread(lambda: AsyncClient(target, patience))

    @staticmethod
    def from_environment(patience: Patience | None = None) -> "Client":
        """Return a client of what `Target.from_environment` reads."""
        return Client(Target.from_environment(), patience)

    def score(self, ticket: AnyTicket, *, stage: str | None = None, at_ms: int | None = None) -> TicketVerdict:
        """Is a ticket anomalous, as its document shows it, or at a stage (created, running, ended) and moment."""
        return self._send(calls.score(ticket, stage, at_ms))

    def score_many(self, tickets: Iterable[AnyTicket]) -> list[BatchItem]:
        """Judge up to 1,000 tickets; one answer or refusal each, in order."""
        return self._send(calls.score_many(tickets))

    def duration(self, ticket: AnyTicket, *, at_ms: int | None = None) -> DurationForecast:
        """How long will a ticket run."""
        return self._send(calls.duration(ticket, at_ms))

    def duration_many(self, tickets: Iterable[AnyTicket]) -> list[BatchItem]:
        """Predict up to 1,000 tickets; one answer or refusal each, in order."""
        return self._send(calls.duration_many(tickets))

    def enrich(self, ticket: AnyTicket) -> Enrichment:
        """Run time, resources, anomaly, wait and load of a ticket, for a scheduler."""
        return self._send(calls.enrich(ticket))

    def forecast(self, horizon_minutes: int = 60, *, at_ms: int | None = None) -> LoadForecast:
        """How much will be completed in the next 60, 360 or 1,440 minutes."""
        return self._send(calls.forecast(horizon_minutes, at_ms))

    def feedback(
        self, verdict: str, *, ticket_id: str = "", prediction_id: str = "", note: str = "", author: str = ""
    ) -> VerdictReceipt:
        """Give a human verdict (anomaly, normal, unsure) on a ticket or a prediction about it."""
        return self._send(calls.feedback(verdict, ticket_id, prediction_id, note, author))

    def _send(self, call: Call[T]) -> T:
        return self._loop.run(lambda client: client.send(call))

    def close(self) -> None:
        """Close the connections."""
        self._loop.close(AsyncClient.close)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
