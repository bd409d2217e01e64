"""What a feature cache does; the adapters are `memory` and `redis`, one contract suite runs over both.

A cache is never needed: what cannot be had in time, or is older than the time to live, is missing and is computed
again. So nothing here raises once a cache is open.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# The labels of the metric: "stale" was there but too old or of another format, "error" could not be asked for.
CacheResult = Literal["hit", "miss", "stale", "error"]
Observe = Callable[[CacheResult], None]


@dataclass(frozen=True, slots=True)
class CachedRow:
    """A feature row [n], float64, read-only, with the number of the statistics it was made from."""

    values: Floats
    sequence: int


class FeatureCache(Protocol):
    """Rows by key for a time to live. The caller's key names all that a row depends on, its feature set included."""

    def describe(self) -> str:
        """Return what and where the cache is, credentials masked."""
        ...

    def find(self, keys: Sequence[str]) -> list[CachedRow | None]:
        """Return the rows of keys in their order, None for one that is missing, stale or cannot be had in time.

        Each key is observed once, by result.
        """
        ...

    def keep(self, rows: Mapping[str, CachedRow]) -> bool:
        """Keep rows for the time to live; False when they were not kept."""
        ...

    def close(self) -> None:
        """Release connections; a closed cache finds nothing and keeps nothing."""
        ...


def unobserved(_: CacheResult) -> None:
    """Count nothing."""
