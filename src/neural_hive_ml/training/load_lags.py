"""Fit gradient boosting on lags: XGBoost on rows (origin, hour ahead), packed for serving."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import TrainingFailed
from neural_hive_ml.features.series import CountSeries
from neural_hive_ml.scoring.booster import pack_booster
from neural_hive_ml.scoring.load_lags import LagModel, lag_rows
from neural_hive_ml.training.load_origins import ahead_ms, origins_at

Floats = npt.NDArray[np.float64]

# More rows cost time and gain nothing measurable: hours ahead of neighbouring origins say almost the same.
_MOST_ROWS = 20_000
_BINS = 64
# Before this the lags of a week are unknown; a shorter history begins earlier.
_FIRST_HOUR = 168


@dataclass(frozen=True, slots=True)
class LagSettings:
    """What a search may change; defaults are those of small, regularised trees."""

    rounds: int = 120
    learning_rate: float = 0.06
    max_depth: int = 5
    min_child_weight: float = 10.0
    subsample: float = 0.7
    colsample_bytree: float = 0.5
    reg_lambda: float = 3.0


@dataclass(frozen=True, slots=True)
class FittedLags:
    """Packed trees and the library's own model in its binary JSON."""

    model: LagModel
    ubj: bytes


def fit_lags(
    hours: CountSeries, hours_ahead: int, timezone: str, settings: LagSettings, *, seed: int, threads: int
) -> FittedLags:
    """Fit on hourly counts, absolute error in log1p weighted by the level; 0.1 to 1 s.

    The absolute error finds the median, which is what WAPE asks for; the weight, because WAPE counts tickets. Raises
    `TrainingFailed` where there is no hour to learn from.
    """
    import xgboost as xgb

    last = len(hours) - hours_ahead
    index = np.arange(min(_FIRST_HOUR, max(last // 3, 1)), last + 1)
    most = max(_MOST_ROWS // hours_ahead, 1)
    if len(index) > most:
        index = np.sort(np.random.default_rng([seed, hours_ahead]).choice(index, most, replace=False))
    origins = origins_at(hours, index, hours_ahead)
    rows, level = lag_rows(origins.counts, ahead_ms(origins.at_ms, hours_ahead, timezone))
    target = (np.log1p(origins.truth) - level[:, None]).ravel()
    known = np.isfinite(target)
    if not known.any():
        raise TrainingFailed(
            f"no hour of {len(hours)} to learn lags from", remedy="a longer --training-window-days"
        )
    x = rows.reshape(-1, rows.shape[2]).astype(np.float32)[known]
    weight = np.exp(np.repeat(level, hours_ahead))[known]
    data = xgb.QuantileDMatrix(x, target[known], weight=weight / weight.mean(), max_bin=_BINS, nthread=threads)
    parameters = {
        "objective": "reg:absoluteerror",
        "tree_method": "hist",
        "learning_rate": settings.learning_rate,
        "max_depth": settings.max_depth,
        "min_child_weight": settings.min_child_weight,
        "subsample": settings.subsample,
        "colsample_bytree": settings.colsample_bytree,
        "reg_lambda": settings.reg_lambda,
        "max_bin": _BINS,
        "seed": seed,
        "nthread": threads,
    }
    booster = xgb.train(parameters, data, settings.rounds)
    return FittedLags(LagModel(pack_booster(bytes(booster.save_raw("json")))), bytes(booster.save_raw("ubj")))
