"""The feedback rate against its target, and what verdicts add up to. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.feedback.review import ReviewItem
from neural_hive_ml.feedback.verdict import Verdict, by_ticket, resolve

# The window of the guide's objective.
WINDOW_DAYS: Final = 7
WINDOW_MS: Final = WINDOW_DAYS * DAY_MS


@dataclass(frozen=True, slots=True)
class FeedbackRate:
    """Of `asked` tickets up for review, `answered` have a verdict. A ticket that was flagged at three stages is one review.

    `value` is in [0, 1], None while nothing was asked; `met` compares it with `target` (inclusive), None likewise.
    """

    asked: int
    answered: int
    target: float

    @property
    def value(self) -> float | None:
        """The share answered."""
        return self.answered / self.asked if self.asked else None

    @property
    def met(self) -> bool | None:
        """Whether the target is kept."""
        return None if self.value is None else self.value >= self.target


def feedback_rate(asked: Sequence[ReviewItem], judged: Collection[str], target: float) -> FeedbackRate:
    """Return the rate over the tickets of predictions up for review, given the ids of tickets with a verdict.

    >>> from neural_hive_ml.feedback.review import ReviewItem
    >>> stages = [ReviewItem("p1", "t1", 0, "flagged"), ReviewItem("p2", "t1", 9, "flagged")]
    >>> feedback_rate([*stages, ReviewItem("p3", "t2", 0, "audit")], {"t1"}, 0.1).value
    0.5
    """
    tickets = {item.ticket_id for item in asked}
    return FeedbackRate(len(tickets), len(tickets.intersection(judged)), target)


@dataclass(frozen=True, slots=True)
class VerdictStats:
    """Counts over a set of verdicts: of verdicts as given, of tickets by resolved label, of authors."""

    verdicts: int
    by_answer: Mapping[str, int]
    by_review: Mapping[str, int]
    tickets: int
    by_label: Mapping[str, int]
    conflicting: int
    authors: int


def verdict_stats(verdicts: Iterable[Verdict]) -> VerdictStats:
    """Add verdicts up; O(verdicts)."""
    given = list(verdicts)
    resolutions = [found for group in by_ticket(given).values() if (found := resolve(group)) is not None]
    return VerdictStats(
        verdicts=len(given),
        by_answer=dict(sorted(Counter(one.verdict for one in given).items())),
        by_review=dict(sorted(Counter(one.review for one in given).items())),
        tickets=len(resolutions),
        by_label=dict(sorted(Counter(one.label for one in resolutions).items())),
        conflicting=sum(one.conflicting for one in resolutions),
        authors=len({one.author for one in given}),
    )
