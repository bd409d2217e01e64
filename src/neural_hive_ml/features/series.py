"""Load as a series: completed tickets a bucket of time, zero where nothing was completed.

An empty bucket is a count of zero, never a value to interpolate. Where nothing is known (an outage of the
store, history that was not kept) the count is NaN.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, MINUTE_MS, WEEK_MS
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns
from neural_hive_ml.tickets.ticket import STATUSES

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# The platform's own grain (compatibility.md: 5-minute buckets of completed_at, status COMPLETED).
GRAIN_MS = 5 * MINUTE_MS
_COMPLETED = STATUSES.index("COMPLETED")
# 1970-01-01 was a Thursday: Monday 00:00 lies three days before the epoch.
_MONDAY_MS = 3 * DAY_MS


@dataclass(frozen=True, slots=True)
class CountSeries:
    """`counts` [n] of the buckets that start at `start_ms`, `start_ms + bucket_ms`, ...; NaN is "not known"."""

    start_ms: int
    bucket_ms: int
    counts: Floats

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def end_ms(self) -> int:
        """End of the last bucket, exclusive."""
        return self.start_ms + len(self.counts) * self.bucket_ms

    def times_ms(self) -> Ints:
        """Return the start of each bucket, [n] int64 epoch ms."""
        return self.start_ms + np.arange(len(self.counts), dtype=np.int64) * self.bucket_ms

    def until(self, at_ms: int) -> "CountSeries":
        """Return the buckets that are complete at `at_ms`."""
        whole = max((at_ms - self.start_ms) // self.bucket_ms, 0)
        return CountSeries(self.start_ms, self.bucket_ms, self.counts[:whole])

    def since(self, at_ms: int) -> "CountSeries":
        """Return the buckets that start at or after `at_ms`."""
        skipped = min(max(-((self.start_ms - at_ms) // self.bucket_ms), 0), len(self.counts))
        return CountSeries(self.start_ms + skipped * self.bucket_ms, self.bucket_ms, self.counts[skipped:])

    def coarser(self, bucket_ms: int) -> "CountSeries":
        """Add buckets up to buckets of `bucket_ms` of the UTC clock, leaving partial ones at the ends out.

        A sum with an unknown part is unknown.

        >>> CountSeries(0, 1, np.arange(7.0)).coarser(2).counts.tolist()
        [1.0, 5.0, 9.0]

        Raises
        ------
        ValueError
            When `bucket_ms` is no multiple of the grain, or the grain is not aligned to it.
        """
        if bucket_ms == self.bucket_ms and self.start_ms % bucket_ms == 0:
            return self
        if bucket_ms % self.bucket_ms or self.start_ms % self.bucket_ms:
            raise ValueError(f"{self.bucket_ms} ms from {self.start_ms} do not add up to {bucket_ms} ms")
        factor = bucket_ms // self.bucket_ms
        skip = (-self.start_ms // self.bucket_ms) % factor
        whole = max((len(self.counts) - skip) // factor, 0)
        sums = self.counts[skip : skip + whole * factor].reshape(whole, factor).sum(axis=1)
        return CountSeries(self.start_ms + skip * self.bucket_ms, bucket_ms, sums)


def count_events(at_ms: Ints, since_ms: int, until_ms: int, bucket_ms: int = GRAIN_MS) -> CountSeries:
    """Count moments by bucket of the UTC clock, from the first whole bucket of the span to its last; O(n).

    >>> count_events(np.array([0, 1, 25]), 0, 39, 10).counts.tolist()
    [2.0, 0.0, 1.0]
    """
    first = -(-since_ms // bucket_ms)
    buckets = max(until_ms // bucket_ms - first, 0)
    index = at_ms // bucket_ms - first
    inside = (index >= 0) & (index < buckets)
    counts = np.bincount(index[inside], minlength=buckets).astype(np.float64)
    return CountSeries(first * bucket_ms, bucket_ms, counts)


def completions(
    columns: TicketColumns, until_ms: int, since_ms: int | None = None, bucket_ms: int = GRAIN_MS
) -> CountSeries:
    """Count completed tickets by bucket of their completion, up to the last whole bucket before `until_ms`.

    `since_ms` None starts at the first completion. Failed, rejected and open tickets are not load that was served.
    """
    at = columns.completed_at_ms[(columns.status == _COMPLETED) & (columns.completed_at_ms != MISSING_MS)]
    at = at[at < until_ms]
    start = since_ms if since_ms is not None else int(at.min()) // bucket_ms * bucket_ms if len(at) else until_ms
    return count_events(at, start, until_ms, bucket_ms)


def from_pairs(at_ms: Ints, values: Floats, bucket_ms: int, until_ms: int | None = None) -> CountSeries:
    """Lay (moment, count) pairs on a grid: values of one bucket are added up, buckets without a pair are zero.

    Ends before `until_ms`, by default with the last pair's bucket.

    >>> from_pairs(np.array([0, 20]), np.array([3.0, 4.0]), 10).counts.tolist()
    [3.0, 0.0, 4.0]
    """
    if not len(at_ms):
        return CountSeries(0, bucket_ms, np.zeros(0))
    first = int(at_ms.min()) // bucket_ms
    end = int(at_ms.max()) // bucket_ms + 1 if until_ms is None else until_ms // bucket_ms
    index = at_ms // bucket_ms - first
    inside = index < end - first
    sums = np.bincount(index[inside], weights=values[inside], minlength=max(end - first, 0))
    return CountSeries(first * bucket_ms, bucket_ms, sums.astype(np.float64))


def local_ms(times_ms: Ints, timezone: str) -> Ints:
    """Return wall-clock time in `timezone` as if it were UTC, [n] epoch ms; O(n / hour) zone look-ups.

    >>> local_ms(np.array([0]), "America/New_York").tolist()
    [-18000000]
    """
    if timezone == "UTC" or not len(times_ms):
        return times_ms
    zone = ZoneInfo(timezone)
    # Zones change their offset at whole quarters of an hour, all but a few at whole hours.
    unique, inverse = np.unique(times_ms // (15 * MINUTE_MS), return_inverse=True)
    shift = np.array([_offset_ms(int(q) * 15 * MINUTE_MS, zone) for q in unique], dtype=np.int64)
    return np.asarray(times_ms + shift[inverse], dtype=np.int64)


def _offset_ms(at_ms: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).utcoffset()
    return round(offset.total_seconds() * 1000) if offset is not None else 0


def week_slot(local: npt.NDArray[Any], bucket_ms: int) -> npt.NDArray[np.intp]:
    """Return each bucket's place in the week, 0 for Monday 00:00, in [0, WEEK_MS / bucket_ms).

    >>> week_slot(np.array([0]), 3_600_000).tolist()  # Thursday 00:00
    [72]
    """
    return (((local + _MONDAY_MS) % WEEK_MS) // bucket_ms).astype(np.intp)
