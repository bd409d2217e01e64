"""What people say about tickets, and the one label that follows when they disagree. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

Answer = Literal["anomaly", "normal", "unsure"]
Label = Literal["anomaly", "normal", "unsure", "disputed"]
Review = Literal["flagged", "audit", "unsolicited"]
ANSWERS: Final[tuple[Answer, ...]] = get_args(Answer)
_SIDES: Final[Mapping[Answer, int]] = {"anomaly": 1, "normal": -1, "unsure": 0}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One person's answer about one ticket at `at_ms`. Never changed: who changes their mind adds another.

    `number` counts an author's verdicts on a ticket from 0. `key_id` names the API key that it was sent with, empty where
    none was (the command line): `author` is only what the caller wrote. `prediction_id` is the prediction that they looked
    at and `review` why it was up for review; ``unsolicited`` when nobody asked (then there may be no prediction on record).
    """

    verdict_id: str
    at_ms: int
    ticket_id: str
    verdict: Answer
    author: str
    number: int = 0
    note: str = ""
    prediction_id: str = ""
    model_name: str = ""
    model_version: int | None = None
    review: Review = "unsolicited"
    key_id: str = ""

    def to_document(self) -> dict[str, Any]:
        """Return the stored form."""
        return asdict(self)

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "Verdict":
        """Read the stored form; fields of a later version are left out. Raises TypeError where one is gone."""
        return Verdict(**{name: document[name] for name in Verdict.__slots__ if name in document})


@dataclass(frozen=True, slots=True)
class Resolution:
    """The label of one ticket: `votes` are the counted answers by name, `authors` how many people spoke.

    ``unsure`` and ``disputed`` are no labels to learn or measure from: nobody knew, or as many said one as the other.
    """

    label: Label
    votes: Mapping[Answer, int]
    authors: int
    conflicting: bool
    reason: str


def resolve(verdicts: Iterable[Verdict]) -> Resolution | None:
    """Return the label of one ticket's verdicts, None without any; their order does not matter.

    Each author's last verdict counts; ``unsure`` abstains; the majority of the others is what their key says, and the
    majority of keys is the label. An even split is ``disputed``. So whoever holds one key cannot outvote the others under
    names of their own making, and people who share a key still vote among themselves.

    >>> said = [Verdict("1", 10, "t", "anomaly", "ana"), Verdict("2", 20, "t", "normal", "ana", 1)]
    >>> resolve(said).label
    'normal'
    >>> resolve([*said, Verdict("3", 30, "t", "anomaly", "rui")]).label
    'disputed'
    """
    last: dict[tuple[str, str], Verdict] = {}
    for one in verdicts:
        held = last.get((one.key_id, one.author))
        if held is None or _order(one) > _order(held):
            last[one.key_id, one.author] = one
    if not last:
        return None
    counted = Counter(one.verdict for one in last.values())
    votes: dict[Answer, int] = {answer: counted[answer] for answer in ANSWERS}
    by_key: dict[str, int] = {}
    for (key_id, _), one in last.items():
        by_key[key_id] = by_key.get(key_id, 0) + _SIDES[one.verdict]
    yes, no = sum(side > 0 for side in by_key.values()), sum(side < 0 for side in by_key.values())
    told = f"{votes['anomaly']} anomaly, {votes['normal']} normal, {votes['unsure']} unsure"
    if len(by_key) > 1:
        told += f", with {len(by_key)} keys of one vote each"
    if votes["anomaly"] == votes["normal"] == 0:
        label: Label = "unsure"
        reason = f"nobody was sure ({told})"
    elif yes == no:
        label, reason = "disputed", f"an even split ({told})"
    else:
        label = "anomaly" if yes > no else "normal"
        reason = f"the majority of each author's last verdict ({told})"
    conflicting = votes["anomaly"] > 0 and votes["normal"] > 0
    return Resolution(label, votes, len({one.author for one in last.values()}), conflicting, reason)


def by_ticket(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """Group verdicts by ticket, each group in the order given."""
    groups: dict[str, list[Verdict]] = {}
    for one in verdicts:
        groups.setdefault(one.ticket_id, []).append(one)
    return groups


def _order(one: Verdict) -> tuple[int, int, str]:
    # An author's numbers are given out one by one; clocks of two replicas may disagree.
    return one.number, one.at_ms, one.verdict_id
