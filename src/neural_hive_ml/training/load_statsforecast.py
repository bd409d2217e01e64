"""ETS and MSTL by statsforecast (an extra): its smoothing parameters, or its seasons, leave it as arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.errors import TrainingFailed
from neural_hive_ml.features.series import CountSeries, local_ms, week_slot
from neural_hive_ml.scoring.load_base import WEEK_HOURS, LoadBase
from neural_hive_ml.scoring.load_ets import DAY_HOURS, EtsModel
from neural_hive_ml.training.load_shape import week_shape

Floats = npt.NDArray[np.float64]

# Older weeks change a smoothing's parameters little and cost as much as new ones.
_MOST_DAYS = 60
# A spread below this is rounding: there is nothing to smooth.
_STILL = 1e-9
_INSTALL = "pip install 'neural-hive-ml[statsforecast]', or train with --model-algorithm lags"


def fit_ets(hours: CountSeries, timezone: str) -> EtsModel:
    """Fit additive ETS, with or without an hour-of-day season by AICc, to log counts off their weekly shape; 1 to 3 s.

    Raises `TrainingFailed` when statsforecast is absent or fails.
    """
    value, slot = _recent(hours, timezone)
    shape = week_shape(value, slot)
    off = value - shape[slot]
    off = np.where(np.isfinite(off), off, np.nanmean(off))
    if float(np.std(off)) < _STILL:
        return EtsModel(0.0, 0.0, np.zeros(DAY_HOURS), shape)
    ets = _library("AutoETS")
    fits = [_fitted(ets(season_length=DAY_HOURS, model=model), off) for model in ("ANN", "ANA")]
    best = min((fit.model_ for fit in fits), key=lambda m: float(m["aicc"]))
    if best["components"][2] == "N":
        return EtsModel(float(best["par"][0]), 0.0, np.zeros(DAY_HOURS), shape)
    # States hold the newest hour's season first, so the oldest comes next.
    season = np.zeros(DAY_HOURS)
    season[(slot[-1] + 1 + np.arange(DAY_HOURS)) % DAY_HOURS] = np.asarray(best["states"])[-1, 1:][::-1]
    return EtsModel(float(best["par"][0]), float(best["par"][1]), season, shape)


def fit_mstl(hours: CountSeries, timezone: str) -> LoadBase:
    """Fit MSTL's daily and weekly seasons and keep their last week over the last trend; 1 to 3 s.

    Raises `TrainingFailed` when statsforecast is absent or fails, or two weeks are not known.
    """
    value, slot = _recent(hours, timezone)
    if len(value) < 2 * WEEK_HOURS:
        raise TrainingFailed(
            f"{len(value)} hours: MSTL's weekly season needs {2 * WEEK_HOURS}",
            remedy="a longer --training-window-days, or --model-algorithm seasonal_mean",
        )
    value = np.where(np.isfinite(value), value, np.nanmean(value))
    local = local_ms(hours.times_ms(), timezone)
    if float(np.std(value)) < _STILL:
        return LoadBase(local[-1:], value[-1:], np.zeros(WEEK_HOURS))
    parts = _fitted(_library("MSTL")(season_length=[DAY_HOURS, WEEK_HOURS]), value).model_
    seasons = (parts[f"seasonal{DAY_HOURS}"] + parts[f"seasonal{WEEK_HOURS}"]).to_numpy(dtype=np.float64)
    shape = np.zeros(WEEK_HOURS)
    shape[slot[-WEEK_HOURS:]] = seasons[-WEEK_HOURS:]
    return LoadBase(local[-1:], parts["trend"].to_numpy(dtype=np.float64)[-1:], shape)


def _recent(hours: CountSeries, timezone: str) -> tuple[Floats, npt.NDArray[np.intp]]:
    recent = hours.since(hours.end_ms - _MOST_DAYS * DAY_MS)
    return np.log1p(recent.counts), week_slot(local_ms(recent.times_ms(), timezone), HOUR_MS)


def _library(name: str) -> Any:
    try:
        from statsforecast import models
    except ImportError as error:
        raise TrainingFailed(f"{name} needs statsforecast, which is not installed", remedy=_INSTALL) from error
    return getattr(models, name)


def _fitted(model: Any, value: Floats) -> Any:
    try:
        return model.fit(value)
    except (ValueError, RuntimeError, ZeroDivisionError, np.linalg.LinAlgError) as error:
        raise TrainingFailed(
            f"statsforecast could not be fitted to {len(value)} hours: {error}", remedy=_INSTALL
        ) from error
