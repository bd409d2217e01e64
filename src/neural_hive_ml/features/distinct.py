"""Distinct values of a column of objects, so that what depends on a value is worked out once for each."""

from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.intp]


def codes_of(values: npt.NDArray[np.object_], key: Callable[[Any], Hashable] | None = None) -> tuple[Codes, Codes]:
    """Return (codes [n], first [d]): equal values have one code, counted from 0 in order of appearance at `first`.

    `key` makes a value hashable. O(n).

    >>> codes, first = codes_of(np.array(["b", "a", "b"], dtype=object))
    >>> codes.tolist(), first.tolist()
    ([0, 1, 0], [0, 1])
    """
    known: defaultdict[Hashable, int] = defaultdict()
    # A value not met before gets as its number how many were: no Python a row.
    known.default_factory = known.__len__
    hashable = values.tolist() if key is None else map(key, values.tolist())
    codes = np.fromiter(map(known.__getitem__, hashable), dtype=np.intp, count=len(values))
    first = np.empty(len(known), dtype=np.intp)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return codes, first


def combined(parts: list[Codes]) -> tuple[Codes, Codes]:
    """Return (codes [n], one row of each [d]) of combinations of codes. O(n log n)."""
    joined = parts[0]
    for part in parts[1:]:
        joined = joined * (int(part.max(initial=0)) + 1) + part
    _, first, codes = np.unique(joined, return_index=True, return_inverse=True)
    return codes, first
