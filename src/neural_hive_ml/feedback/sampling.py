"""Which predictions are put before a person: all that are flagged, and a random share of the rest. Pure."""

from dataclasses import dataclass
from hashlib import blake2b

from neural_hive_ml.feedback.verdict import Review

_PARTS = 2**64


@dataclass(frozen=True, slots=True)
class Sampled:
    """Why a prediction is reviewed, and how probable that was before the draw, in [0, 1]: the weight is its inverse."""

    review: Review
    probability: float


def sample(ticket_id: str, *, flagged: bool, audit_share: float) -> Sampled:
    """Decide about one prediction. The draw is the ticket's: all its predictions, on every replica, share it.

    >>> sample("t1", flagged=True, audit_share=0.01)
    Sampled(review='flagged', probability=1.0)
    >>> sample("t1", flagged=False, audit_share=0.0)
    Sampled(review='unsolicited', probability=0.0)
    """
    if flagged:
        return Sampled("flagged", 1.0)
    digest = blake2b(ticket_id.encode("utf-8", "surrogatepass"), digest_size=8, person=b"hive-review").digest()
    drawn = int.from_bytes(digest, "little") < audit_share * _PARTS
    return Sampled("audit" if drawn else "unsolicited", audit_share)
