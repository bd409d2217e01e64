"""What callers send to approval-service, checked once, and what they get back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request

from neural_hive_ml.clock import iso, parse_instant
from neural_hive_ml.feedback.desk import Standing, Taken
from neural_hive_ml.feedback.rate import WINDOW_DAYS, FeedbackRate
from neural_hive_ml.feedback.review import ReviewItem
from neural_hive_ml.feedback.verdict import Answer, Resolution, Verdict
from neural_hive_ml.serving.http.problem import Problem

MAX_VERDICT_BYTES: Final = 16_384
_LONGEST_LIST: Final = 1_000
_Id = Annotated[str, msgspec.Meta(max_length=256)]


class VerdictRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A verdict: `verdict` is anomaly, normal or unsure; the ticket is named by itself or by a prediction about it."""

    verdict: Answer
    ticket_id: _Id = ""
    prediction_id: _Id = ""
    note: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    author: Annotated[str, msgspec.Meta(max_length=128)] = ""


def decode_verdict(request: Request, body: bytes) -> VerdictRequest:
    """Read a verdict. Raises `Problem` 415 or 422.

    The media type is insisted on: pages of other sites can send forms and plain text without being asked, not this.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "Not JSON", remedy="send Content-Type: application/json")
    try:
        return msgspec.json.decode(body, type=VerdictRequest)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise Problem(
            422, "Not a verdict", what, field=where.rstrip("`"),
            remedy="send verdict (anomaly, normal or unsure) and ticket_id or prediction_id; note and author if you like",
        ) from error  # fmt: skip
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "Not JSON", str(error), remedy="send one JSON document") from error


def instant_of(request: Request, name: str) -> int | None:
    """Return a time of the query, UTC epoch milliseconds, None without. Raises `Problem` 400."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return parse_instant(text[:40])
    except (ValueError, OverflowError):
        raise Problem(
            400, "Bad request", f"{name} is no time", field=name, remedy="send epoch milliseconds or ISO 8601"
        ) from None


def limit_of(request: Request, default: int) -> int:
    """Return `?limit=`. Raises `Problem` 400 outside 1 to 1,000."""
    text = request.query_params.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= _LONGEST_LIST):
        raise Problem(400, "Bad request", f"limit is not 1 to {_LONGEST_LIST:,}", field="limit")
    return int(text)


def rate_told(rate: FeedbackRate) -> dict[str, Any]:
    """Return a rate for the wire; `value` and `met` are null while nothing was asked."""
    return {
        "value": rate.value,
        "target": rate.target,
        "met": rate.met,
        "asked": rate.asked,
        "answered": rate.answered,
        "window_days": WINDOW_DAYS,
    }


def taken_told(taken: Taken) -> dict[str, Any]:
    """Return what became of a verdict."""
    return {**verdict_told(taken.verdict), "new": taken.new, "resolution": asdict(taken.resolution)}


def verdict_told(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict for the wire."""
    return {**verdict.to_document(), "at": iso(verdict.at_ms)}


def queue_told(standing: Standing, limit: int) -> dict[str, Any]:
    """Return the queue: what waits, and how far the week's feedback is."""
    return {
        "rate": rate_told(standing.rate),
        "waiting": len(standing.waiting),
        "items": [_item_told(item, standing.resolved) for item in standing.waiting[:limit]],
    }


def _item_told(item: ReviewItem, resolved: Mapping[str, Resolution]) -> dict[str, Any]:
    return {**asdict(item), "at": iso(item.at_ms), "disputed": item.ticket_id in resolved}
