"""Verdicts in the state store: each taken once, none overwritten, every one a decision in the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import Final, get_args

from neural_hive_ml.conventions import PREDICTIONS, VERDICTS
from neural_hive_ml.errors import Conflict, NotFound, UsageError
from neural_hive_ml.feedback.rate import WINDOW_MS, FeedbackRate, feedback_rate
from neural_hive_ml.feedback.review import ReviewItem, waiting
from neural_hive_ml.feedback.verdict import Answer, Resolution, Review, Verdict, by_ticket, resolve
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.ledger.event import personal
from neural_hive_ml.state.pages import pages
from neural_hive_ml.state.port import Record, StateStore

PAGE: Final = 1_000
# Reviews of one window that are looked at; beyond, the oldest are left out. A person judges some hundreds a day.
MOST_REVIEWS: Final = 50_000
# Another verdict of the same author on the same ticket came first at most this often in a row.
_TRIES: Final = 20
_ASKED: Final[tuple[Review, ...]] = tuple(one for one in get_args(Review) if one != "unsolicited")


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a posted verdict: the stored one, whether it is `new`, and where its ticket stands now.

    `first` is true for the first verdict anybody gave on the ticket.
    """

    verdict: Verdict
    new: bool
    first: bool
    resolution: Resolution


@dataclass(frozen=True, slots=True)
class Standing:
    """The last week of reviews: the rate, what still waits, and how each judged ticket was resolved."""

    rate: FeedbackRate
    waiting: Sequence[ReviewItem]
    resolved: Mapping[str, Resolution]

    @property
    def open(self) -> int:
        """Tickets up for review without any verdict."""
        return self.rate.asked - self.rate.answered


@dataclass(frozen=True, slots=True)
class VerdictDesk:
    """Takes and returns verdicts. All methods raise `StoreUnavailable` when the store does not answer."""

    state: StateStore
    ledger: Ledger
    target: float

    def take(
        self,
        answer: Answer,
        *,
        author: str,
        key_id: str = "",
        at_ms: int,
        ticket_id: str = "",
        prediction_id: str = "",
        note: str = "",
    ) -> Taken:
        """Store a verdict on a ticket, named by itself or by one of its predictions.

        The same answer and note as the author's last on that ticket change nothing; another is kept beside it. `author` is
        what the caller says, `key_id` names the key that they proved to hold (empty: none was asked for).

        Raises
        ------
        NotFound
            For a prediction that is not on record.
        UsageError
            When neither is named, or the prediction is about another ticket.
        """
        item = self._about(ticket_id, prediction_id)
        for _ in range(_TRIES):
            held = self.of_ticket(item.ticket_id)
            own = [one for one in held if (one.author, one.key_id) == (author, key_id)]
            last = max(own, key=lambda one: one.number, default=None)
            if last is not None and (last.verdict, last.note) == (answer, note):
                # A crash may have come between the two writes; the ledger takes an event by its name once.
                self._write_down(last)
                return Taken(last, new=False, first=False, resolution=_resolution(held))
            number = 0 if last is None else last.number + 1
            verdict = Verdict(
                _id(item.ticket_id, author, number, key_id), at_ms, item.ticket_id, answer, author, number, note,
                item.prediction_id, item.model_name, item.model_version, item.review, key_id,
            )  # fmt: skip
            if self.state.insert(VERDICTS, [Record(verdict.verdict_id, at_ms, verdict.to_document())]):
                self._write_down(verdict)
                return Taken(verdict, new=True, first=not held, resolution=_resolution([*held, verdict]))
        raise Conflict(f"other verdicts of the same author came first {_TRIES} times", remedy="send it again")

    def of_ticket(self, ticket_id: str) -> list[Verdict]:
        """Return all verdicts on a ticket, oldest first."""
        return [
            Verdict.from_document(r.document) for r in self.state.find(VERDICTS, where={"ticket_id": ticket_id})
        ]

    def between(
        self, since_ms: int | None = None, until_ms: int | None = None, ticket_id: str = ""
    ) -> Iterator[Verdict]:
        """Yield verdicts given in [since_ms, until_ms), oldest first, read page by page."""
        for record in self._pages(VERDICTS, {"ticket_id": ticket_id} if ticket_id else {}, since_ms, until_ms):
            yield Verdict.from_document(record.document)

    def newest(self, limit: int, ticket_id: str = "") -> list[Verdict]:
        """Return the newest verdicts, newest first."""
        where = {"ticket_id": ticket_id} if ticket_id else None
        found = self.state.find(VERDICTS, where=where, newest_first=True, limit=limit)
        return [Verdict.from_document(record.document) for record in found]

    def standing(self, now_ms: int) -> Standing:
        """Return where the reviews of the last 7 days stand; O(reviews + verdicts) of that week."""
        since_ms = now_ms - WINDOW_MS
        asked = [item for review in _ASKED for item in self._asked(review, since_ms)]
        # No verdict is older than the prediction it is about, but one on the ticket's earlier prediction may be.
        groups = by_ticket(self.between(since_ms - WINDOW_MS))
        resolved = {ticket: found for ticket, group in groups.items() if (found := resolve(group)) is not None}
        return Standing(feedback_rate(asked, resolved, self.target), waiting(asked, resolved), resolved)

    def _asked(self, review: Review, since_ms: int) -> Iterator[ReviewItem]:
        found = self.state.find(
            PREDICTIONS, where={"review": review}, since_ms=since_ms, newest_first=True, limit=MOST_REVIEWS
        )
        for record in found:
            yield ReviewItem.from_document(record.key, record.at_ms, record.document)

    def _about(self, ticket_id: str, prediction_id: str) -> ReviewItem:
        if prediction_id:
            record = self.state.get(PREDICTIONS, prediction_id)
            if record is None:
                raise NotFound(
                    "no such prediction is on record",
                    remedy="predictions are kept for a time only: send ticket_id",
                )
            item = ReviewItem.from_document(record.key, record.at_ms, record.document)
            if ticket_id and item.ticket_id != ticket_id:
                raise UsageError("the prediction is about another ticket", remedy="send one of the two")
            return item
        if not ticket_id:
            raise UsageError("neither ticket_id nor prediction_id was sent", remedy="send one of the two")
        found = self.state.find(PREDICTIONS, where={"ticket_id": ticket_id}, newest_first=True, limit=PAGE)
        items = [ReviewItem.from_document(r.key, r.at_ms, r.document) for r in found]
        asked = [item for item in items if item.review != "unsolicited"]
        return next(iter(asked or items), ReviewItem("", ticket_id, 0, "unsolicited"))

    def _pages(
        self,
        collection: str,
        where: Mapping[str, str | int | float | bool],
        since_ms: int | None,
        until_ms: int | None,
    ) -> Iterator[Record]:
        found = pages(self.state, collection, where=where, since_ms=since_ms, until_ms=until_ms, rows=PAGE)
        return chain.from_iterable(found)

    def _write_down(self, verdict: Verdict) -> None:
        # Neither the note nor a name: what people wrote can be deleted, the ledger cannot.
        payload = {
            "verdict": verdict.verdict,
            "review": verdict.review,
            "prediction": verdict.prediction_id and personal(verdict.prediction_id),
            "model_name": verdict.model_name,
            "model_version": verdict.model_version,
            "key": verdict.key_id and personal(verdict.key_id),
        }
        self.ledger.append(
            "human_verdict", personal(verdict.ticket_id), payload,
            at_ms=verdict.at_ms, actor=personal(verdict.author), once=verdict.verdict_id,
        )  # fmt: skip


def _resolution(verdicts: Sequence[Verdict]) -> Resolution:
    found = resolve(verdicts)
    assert found is not None
    return found


def _id(ticket_id: str, author: str, number: int, key_id: str) -> str:
    # The number makes the insert a compare-and-set: of two verdicts at once, one takes the place.
    who = f"{author}\n{number}\n{key_id}" if key_id else f"{author}\n{number}"
    return sha256(f"{len(ticket_id)}:{ticket_id}{who}".encode()).hexdigest()[:32]
