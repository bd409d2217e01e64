"""What a load forecast is measured against: gradient boosting on lags as it is usually built, and two plain methods.

The plain ones are the package's own baselines (`training.load_origins`). The boosting is built here, of nothing of the
package: LightGBM, one hour ahead on raw counts, fed back hour by hour, refitted when the package's models are.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.features.series import CountSeries

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LAGS = (1, 2, 3, 24, 48, 72, 144, 168, 336)
LONGEST = max(LAGS)


def boosted_lags(series: CountSeries, refits: Sequence[int], index: Ints, hours_ahead: int) -> Floats:
    """Forecast [n, ahead] from hour `index` [n] on, each by the model fitted at the last of `refits` before it."""
    import lightgbm

    padded = np.concatenate([np.full(LONGEST, np.nan), series.counts])
    windows = sliding_window_view(padded, LONGEST)
    out = np.zeros((len(index), hours_ahead))
    for begin, end in zip(refits, [*refits[1:], len(series)], strict=True):
        asked = np.flatnonzero((index >= begin) & (index < end))
        if not len(asked):
            continue
        learned = np.arange(min(168, begin // 3), begin)
        model = lightgbm.LGBMRegressor(n_estimators=200, learning_rate=0.05, n_jobs=1, random_state=0, verbose=-1)
        model.fit(_features(series, windows[learned], learned), series.counts[learned])
        history, hour = windows[index[asked]].copy(), index[asked].copy()
        for lead in range(hours_ahead):
            said = np.maximum(model.booster_.predict(_features(series, history, hour)), 0.0)
            out[asked, lead] = said
            history = np.concatenate([history[:, 1:], said[:, None]], axis=1)
            hour += 1
    return out


def _features(series: CountSeries, history: Floats, hour: Ints) -> Floats:
    of_week = (series.start_ms // HOUR_MS + hour + 72) % 168
    means = [history[:, -24:].mean(axis=1), history[:, -168:].mean(axis=1)]
    return np.column_stack([*(history[:, -lag] for lag in LAGS), *means, of_week % 24, of_week // 24])
