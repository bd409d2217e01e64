"""What a forecaster looks at: the hourly counts of the four weeks before a moment, ending exactly there."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.errors import UsageError
from neural_hive_ml.features.series import CountSeries
from neural_hive_ml.scoring.load_memory import HISTORY_HOURS

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HistoryWindow:
    """`counts` [672] by hour, newest last, NaN where not known; the last ends at `end_ms`, at or before now."""

    end_ms: int
    counts: Floats

    @property
    def known_hours(self) -> int:
        """How many of the 672 hours are known."""
        return int(np.isfinite(self.counts).sum())

    @property
    def stale_hours(self) -> int:
        """Hours at the end that are not known."""
        known = np.flatnonzero(np.isfinite(self.counts))
        return len(self.counts) - int(known[-1]) - 1 if len(known) else len(self.counts)


def window_before(history: CountSeries, now_ms: int) -> HistoryWindow:
    """Cut the four weeks before `now_ms` into hours; the last ends at the newest bucket boundary by then.

    With 5-minute buckets the hours end within five minutes of now, wherever the clock stands. O(672 hour / bucket).

    Raises
    ------
    UsageError
        When the history's buckets do not add up to an hour.
    """
    bucket = history.bucket_ms
    if bucket <= 0 or HOUR_MS % bucket:
        raise UsageError(
            f"history in buckets of {bucket} ms does not add up to hours",
            remedy="count in buckets that divide an hour",
        )
    end = now_ms - (now_ms - history.start_ms) % bucket
    per_hour = HOUR_MS // bucket
    needed = HISTORY_HOURS * per_hour
    first = (end - history.start_ms) // bucket - needed
    grains = np.full(needed, np.nan)
    source = history.counts[max(first, 0) : max(first + needed, 0)]
    begin = max(-first, 0)
    grains[begin : begin + len(source)] = source[: max(needed - begin, 0)]
    return HistoryWindow(int(end), grains.reshape(HISTORY_HOURS, per_hour).sum(axis=1))


def histories(values: Floats, index: npt.NDArray[np.int64]) -> Floats:
    """Return the four weeks [n, 672] before hour `index` [n] of an hourly series; NaN before its start."""
    padded = np.concatenate([np.full(HISTORY_HOURS, np.nan), values])
    return np.asarray(sliding_window_view(padded, HISTORY_HOURS)[index])
