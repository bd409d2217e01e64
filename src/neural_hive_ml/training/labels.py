"""What people said about tickets, as training takes it: one settled label a ticket, with the moment it was known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Fewer settled verdicts than this, or fewer of either answer, teach a detector nothing that holds.
FEWEST_VERDICTS = 200
FEWEST_OF_EACH = 30


@dataclass(frozen=True, slots=True)
class TicketLabel:
    """A ticket that people agree on: `at_ms` (epoch ms) is when the last verdict that counts was given."""

    ticket_id: str
    anomaly: bool
    at_ms: int


def labels_of(
    labels: Sequence[TicketLabel], ticket_id: npt.NDArray[np.object_], known_before_ms: npt.NDArray[np.int64]
) -> npt.NDArray[np.int8]:
    """Return [n]: 1 anomaly, 0 normal, -1 where nobody had settled it before the ticket's `known_before_ms`. O(n)."""
    known = {label.ticket_id: label for label in labels}
    out = np.full(len(ticket_id), -1, dtype=np.int8)
    for i, name in enumerate(ticket_id):
        label = known.get(name)
        if label is not None and label.at_ms < known_before_ms[i]:
            out[i] = label.anomaly
    return out


def missing_verdicts(anomalies: int, normals: int) -> int:
    """Return how many more verdicts are needed before a detector learns from them.

    >>> missing_verdicts(40, 100), missing_verdicts(10, 500), missing_verdicts(40, 160)
    (60, 20, 0)
    """
    of_each = max(FEWEST_OF_EACH - anomalies, 0) + max(FEWEST_OF_EACH - normals, 0)
    return max(FEWEST_VERDICTS - anomalies - normals, of_each)
