"""What a load forecaster says of hours that are past: every forecast made again from the history before it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.features.series import CountSeries
from neural_hive_ml.scoring.load import LoadForecaster
from neural_hive_ml.scoring.load_base import WEEK_HOURS
from neural_hive_ml.scoring.load_window import histories

Floats = npt.NDArray[np.float64]
# With less than about a week before it a forecast is the base's alone, and is not compared with those that had more.
LEAST_HISTORY_HOURS: Final = 144


@dataclass(frozen=True, slots=True)
class LoadReplay:
    """What was `said` of each hour of a series and what `repeated` weeks would have said, [h]; NaN where not known.

    An hour is told at every lead of the horizon, by the forecasts of the `hours_ahead` moments before its end; `said` is
    their mean, so that hours add up to a window that is compared as a whole. `repeated` is the mean of the same hour of the
    four weeks before.
    """

    said: Floats
    repeated: Floats

    def part(self, hours: slice) -> "LoadReplay":
        """Return the same of some of the hours."""
        return LoadReplay(self.said[hours], self.repeated[hours])


def replay_load(forecaster: LoadForecaster, hours: CountSeries, first: int) -> LoadReplay:
    """Make the forecasts of the hours from `first` of a series again; NaN before it, and where less than six days are known
    before a forecast. Point-in-time: each sees the hours before its moment only. O(h (672 + ahead)).
    """
    ahead = forecaster.hours_ahead
    said, repeated = np.full(len(hours), np.nan), np.full(len(hours), np.nan)
    index = np.arange(max(first - ahead + 1, 0), len(hours), dtype=np.int64)
    if not len(index):
        return LoadReplay(said, repeated)
    before = histories(hours.counts, index)
    told = forecaster.hourly(before, hours.start_ms + index * HOUR_MS)
    told[np.isfinite(before).sum(axis=1) < LEAST_HISTORY_HOURS] = np.nan
    # Forecast i tells hour index[i] + lead: the leads of one hour lie on a diagonal.
    for hour in range(max(first, int(index[0]) + ahead - 1), len(hours)):
        row = hour - int(index[0]) - np.arange(ahead)
        said[hour] = told[row, np.arange(ahead)].mean()
    weeks = before[max(first - int(index[0]), 0) :, ::WEEK_HOURS]
    known = np.isfinite(weeks)
    total = np.where(known, weeks, 0.0).sum(axis=1)
    repeated[len(hours) - len(weeks) :] = np.where(
        known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan
    )
    return LoadReplay(said, repeated)
