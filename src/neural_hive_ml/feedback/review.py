"""A prediction that is up for review, as the predictions log keeps it, and the order in which people see them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from neural_hive_ml.feedback.verdict import Resolution, Review


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """What a person needs to judge. Every text came from outside and is untrusted.

    `review` is ``flagged`` or ``audit`` (a random share of what was not flagged), ``unsolicited`` for a prediction that
    is not up for review. `score` and `threshold` are in [0, 1], None where no model served.
    """

    prediction_id: str
    ticket_id: str
    at_ms: int
    review: Review
    model_name: str = ""
    model_version: int | None = None
    decision: str = ""
    score: float | None = None
    threshold: float | None = None
    severity: str = ""
    anomaly_type: str = ""
    stage: str = ""
    explanation: str = ""
    contributions: tuple[str, ...] = ()

    @staticmethod
    def from_document(key: str, at_ms: int, document: Mapping[str, Any]) -> "ReviewItem":
        """Read a record of the predictions log; a field that it lacks is empty."""
        review = document.get("review")
        version = document.get("model_version")
        return ReviewItem(
            prediction_id=key,
            ticket_id=str(document.get("ticket_id") or ""),
            at_ms=at_ms,
            review=review if review in {"flagged", "audit"} else "unsolicited",
            model_name=str(document.get("model_name") or ""),
            model_version=int(version) if isinstance(version, (int, float)) else None,
            decision=str(document.get("decision") or ""),
            score=_number(document.get("score")),
            threshold=_number(document.get("threshold")),
            severity=str(document.get("severity") or ""),
            anomaly_type=str(document.get("anomaly_type") or ""),
            stage=str(document.get("stage") or ""),
            explanation=str(document.get("explanation") or ""),
            contributions=tuple(_words(one) for one in document.get("contributions") or ()),
        )


def waiting(asked: Iterable[ReviewItem], resolved: Mapping[str, Resolution]) -> list[ReviewItem]:
    """Return what still needs a person, once a ticket: nobody judged it, or those who did are evenly split.

    Newest first, flagged and audited mixed, and of several predictions about a ticket the newest.
    """
    newest: dict[str, ReviewItem] = {}
    for item in sorted(asked, key=lambda one: (one.at_ms, one.prediction_id), reverse=True):
        found = resolved.get(item.ticket_id)
        if found is None or found.label == "disputed":
            newest.setdefault(item.ticket_id, item)
    return list(newest.values())


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _words(contribution: object) -> str:
    if isinstance(contribution, Mapping):
        return str(contribution.get("words") or contribution.get("signal") or "")
    return str(contribution)
