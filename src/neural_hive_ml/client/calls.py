"""Each call of the API as a request to send and a way to read its answer. Pure: sync and async share them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from neural_hive_ml.client.answers import (
    BatchItem,
    DurationForecast,
    Enrichment,
    LoadForecast,
    Refusal,
    TicketVerdict,
    VerdictReceipt,
)
from neural_hive_ml.client.problems import ApiProblem
from neural_hive_ml.errors import UsageError
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.ticket import Ticket

T = TypeVar("T")
Service = Literal["guard_agents", "orchestrator", "approval"]
AnyTicket = Ticket | Mapping[str, Any] | bytes
# As many as the services take at once.
MOST_TICKETS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request to `path` of a service, and `read` for its answer."""

    service: Service
    method: str
    path: str
    read: Callable[[bytes], T]
    body: bytes = b""
    query: Mapping[str, str] = field(default_factory=dict)


def score(ticket: AnyTicket, stage: str | None, at_ms: int | None) -> Call[TicketVerdict]:
    """Judge one ticket."""
    query = _query(stage=stage, at_ms=at_ms)
    read = msgspec.json.Decoder(TicketVerdict).decode
    return Call("guard_agents", "POST", "/api/v1/tickets/score", read, document_of(ticket), query)


def score_many(tickets: Iterable[AnyTicket]) -> Call[list[BatchItem]]:
    """Judge up to 1,000 tickets."""
    return Call("guard_agents", "POST", "/api/v1/tickets/score/batch", _batch(TicketVerdict), _tickets(tickets))


def duration(ticket: AnyTicket, at_ms: int | None) -> Call[DurationForecast]:
    """Predict how long one ticket will run."""
    read = msgspec.json.Decoder(DurationForecast).decode
    path = "/api/v1/duration/predict"
    return Call("orchestrator", "POST", path, read, document_of(ticket), _query(at_ms=at_ms))


def duration_many(tickets: Iterable[AnyTicket]) -> Call[list[BatchItem]]:
    """Predict up to 1,000 tickets."""
    path = "/api/v1/duration/predict/batch"
    return Call("orchestrator", "POST", path, _batch(DurationForecast), _tickets(tickets))


def enrich(ticket: AnyTicket) -> Call[Enrichment]:
    """Ask for all that a scheduler adds to a ticket."""
    read = msgspec.json.Decoder(Enrichment).decode
    return Call("orchestrator", "POST", "/api/v1/ml/enrich", read, document_of(ticket))


def forecast(horizon_minutes: int, at_ms: int | None) -> Call[LoadForecast]:
    """Forecast completions."""
    query = _query(horizon=horizon_minutes, at_ms=at_ms)
    return Call("orchestrator", "GET", "/api/v1/load/forecast", _forecast, query=query)


def feedback(verdict: str, ticket_id: str, prediction_id: str, note: str, author: str) -> Call[VerdictReceipt]:
    """Give a human verdict."""
    told = {
        "verdict": verdict,
        "ticket_id": ticket_id,
        "prediction_id": prediction_id,
        "note": note,
        "author": author,
    }
    body = msgspec.json.encode({name: text for name, text in told.items() if text})
    return Call("approval", "POST", "/api/v1/feedback", msgspec.json.Decoder(VerdictReceipt).decode, body)


def problem_of(status: int, content: bytes, request_id: str) -> ApiProblem:
    """Return what a refusal says; a body that is no problem document (a proxy's page) is quoted in part."""
    try:
        told = msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError:
        return ApiProblem(
            status, "no problem document", content[:200].decode("utf-8", "replace"), request_id=request_id
        )
    names = ("title", "detail", "field", "remedy", "request_id", "trace_id")
    texts = {name: str(told.get(name) or "") for name in names}
    return ApiProblem(
        status, texts["title"], texts["detail"], field=texts["field"], remedy=texts["remedy"],
        request_id=texts["request_id"] or request_id, trace_id=texts["trace_id"],
    )  # fmt: skip


def document_of(ticket: AnyTicket) -> bytes:
    """Return a ticket as JSON, however it was given."""
    if isinstance(ticket, bytes):
        return ticket
    return encode_ticket(ticket) if isinstance(ticket, Ticket) else msgspec.json.encode(ticket)


def _tickets(tickets: Iterable[AnyTicket]) -> bytes:
    documents = [document_of(ticket) for ticket in tickets]
    if len(documents) > MOST_TICKETS:
        raise UsageError(
            f"{len(documents):,} tickets in a batch", remedy=f"send at most {MOST_TICKETS:,} at a time"
        )
    return b'{"tickets":[' + b",".join(documents) + b"]}"


class _Results(msgspec.Struct):
    results: list[msgspec.Raw]


class _Refused(msgspec.Struct):
    error: Refusal | None = None


def _batch(kind: type[TicketVerdict] | type[DurationForecast]) -> Callable[[bytes], list[BatchItem]]:
    def read(content: bytes) -> list[BatchItem]:
        items = []
        for raw in msgspec.json.decode(content, type=_Results).results:
            refused = msgspec.json.decode(raw, type=_Refused).error
            items.append(BatchItem(None, refused) if refused else BatchItem(msgspec.json.decode(raw, type=kind)))
        return items

    return read


def _forecast(content: bytes) -> LoadForecast:
    told = msgspec.json.decode(content, type=dict[str, Any])
    return msgspec.structs.replace(msgspec.convert(told, LoadForecast), document=told)


def _query(**values: object) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}
