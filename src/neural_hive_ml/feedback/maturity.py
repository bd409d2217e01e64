"""When predictions may be judged: their cohort is old enough, or has (nearly) all the labels it will ever have. Pure.

Young cohorts hold the labels that come early (short tickets, what people liked to judge first): a figure of them would
be of those only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
# A cohort with this share of its labels is mature at once.
COMPLETE_SHARE: Final = 0.99


@dataclass(frozen=True, slots=True)
class Cohort:
    """The predictions of one UTC day: how many, how many ask for a label, have one, got it late, are mature."""

    day_ms: int
    predictions: int
    asked: int
    labelled: int
    late: int
    mature: int


def mature(at_ms: Ints, asked: Mask, labelled: Mask, *, now_ms: int, maturity_ms: int) -> Mask:
    """Return [n] which predictions, made at `at_ms`, may be judged at `now_ms`.

    Those older than `maturity_ms`, and all of a UTC day in which 99 % of what asks for a label has one. O(n).

    >>> at = np.array([0, 10])
    >>> mature(at, np.array([True, True]), np.array([True, False]), now_ms=20, maturity_ms=15).tolist()
    [True, False]
    """
    old = at_ms <= now_ms - maturity_ms
    if not len(at_ms):
        return old
    day = at_ms // DAY_MS - int(at_ms.min()) // DAY_MS
    wanted = np.bincount(day, weights=asked)
    got = np.bincount(day, weights=asked & labelled)
    complete = (wanted > 0) & (got >= COMPLETE_SHARE * wanted)
    return np.asarray(old | complete[day])


def cohorts(at_ms: Ints, asked: Mask, labelled: Mask, late: Mask, ripe: Mask) -> Sequence[Cohort]:
    """Count predictions by UTC day, oldest first. O(n log n)."""
    out = []
    for day in np.unique(at_ms // DAY_MS):
        of = at_ms // DAY_MS == day
        counts = (of, of & asked, of & labelled, of & late, of & ripe)
        out.append(Cohort(int(day) * DAY_MS, *(int(c.sum()) for c in counts)))
    return out
