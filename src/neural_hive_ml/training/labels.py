"""What people said about tickets, as training takes it: settled labels, each with the moment from which it was known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Fewer settled verdicts than this, or fewer of either answer, teach a detector nothing that holds: with 200 its F1 was below
# the forest's on every log that we tried, with 1,000 its average precision above (`python -m benchmarks.anomaly`).
FEWEST_VERDICTS = 500
FEWEST_OF_EACH = 30


@dataclass(frozen=True, slots=True)
class TicketLabel:
    """What people agreed on about a ticket from `at_ms` (epoch ms) on; None where they then agreed no more."""

    ticket_id: str
    anomaly: bool | None
    at_ms: int


def labels_of(
    labels: Sequence[TicketLabel], ticket_id: npt.NDArray[np.object_], known_before_ms: npt.NDArray[np.int64]
) -> npt.NDArray[np.int8]:
    """Return [n]: 1 anomaly, 0 normal, -1 where it was not settled before the ticket's `known_before_ms`. O(n)."""
    known: dict[str, list[TicketLabel]] = {}
    for label in sorted(labels, key=lambda one: one.at_ms):
        known.setdefault(label.ticket_id, []).append(label)
    out = np.full(len(ticket_id), -1, dtype=np.int8)
    for i, name in enumerate(ticket_id):
        for label in known.get(name, ()):
            if label.at_ms < known_before_ms[i]:
                out[i] = -1 if label.anomaly is None else label.anomaly
    return out


def missing_verdicts(anomalies: int, normals: int) -> int:
    """Return how many more verdicts are needed before a detector learns from them.

    >>> missing_verdicts(40, 400), missing_verdicts(10, 500), missing_verdicts(40, 460)
    (60, 20, 0)
    """
    of_each = max(FEWEST_OF_EACH - anomalies, 0) + max(FEWEST_OF_EACH - normals, 0)
    return max(FEWEST_VERDICTS - anomalies - normals, of_each)
