"""Prophet fits the base; its components leave it as arrays, so that no service ever imports it.

Prophet (Taylor and Letham 2018) on log1p of hourly counts, with an hour-of-week shape as a regressor and daily
seasons apart for weekdays and weekends: its defaults give one day's shape to all days, and lose to last week's.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.errors import TrainingFailed
from neural_hive_ml.features.series import CountSeries, Ints, local_ms, week_slot
from neural_hive_ml.scoring.load_base import WEEK_HOURS, LoadBase, Season
from neural_hive_ml.training.load_holidays import holiday_effects
from neural_hive_ml.training.load_shape import week_shape

Floats = npt.NDArray[np.float64]

_FRIDAY_END = 120


@dataclass(frozen=True, slots=True)
class ProphetSettings:
    """What a search may change, and the country of `holidays`, or none.

    `history_days` bounds the fit: older weeks say little about the next hours.
    """

    growth: Literal["linear", "flat"] = "linear"
    changepoint_prior_scale: float = 0.05
    daily_order: int = 6
    seasonality_prior_scale: float = 1.0
    history_days: int = 120
    holidays: str = ""


def fit_prophet(hours: CountSeries, timezone: str, settings: ProphetSettings, seed: int) -> LoadBase:
    """Fit on hourly counts (NaN is left out) and return the components; 0.1 to 0.5 s for 120 days.

    Raises
    ------
    TrainingFailed
        When Prophet or Stan fails.
    """
    recent = hours.since(hours.end_ms - settings.history_days * DAY_MS)
    local, value = local_ms(recent.times_ms(), timezone), np.log1p(recent.counts)
    shape = week_shape(value, week_slot(local, HOUR_MS))
    if float(np.nanstd(value)) == 0.0:  # Stan divides by the scale; a constant needs no fit
        return LoadBase(local[-1:], np.array([float(np.nanmean(value))]), shape)
    model = _model(settings)
    frame = _frame(local, value, shape)
    try:
        with _quiet():
            model.fit(frame, seed=seed)
    except (RuntimeError, ValueError, OSError) as error:
        raise TrainingFailed(
            f"Prophet could not be fitted to {len(frame)} hours: {error}",
            remedy="check `python -c 'import prophet'`, or train with --model-algorithm seasonal_mean",
        ) from error
    return components(model, shape, settings.holidays)


def _model(settings: ProphetSettings) -> Any:
    from prophet import Prophet

    model = Prophet(
        growth=settings.growth,
        changepoint_prior_scale=settings.changepoint_prior_scale,
        seasonality_prior_scale=settings.seasonality_prior_scale,
        uncertainty_samples=0,
        holidays_prior_scale=settings.seasonality_prior_scale,
        daily_seasonality=False,
        weekly_seasonality=False,
        yearly_seasonality="auto",
    )
    for condition in ("weekday", "weekend"):
        model.add_seasonality(f"daily_{condition}", 1, settings.daily_order, condition_name=condition)
    if settings.holidays:
        model.add_country_holidays(country_name=settings.holidays)
    # A prior around the shape's own scale: its coefficient is about one.
    model.add_regressor("shape", prior_scale=1.0, standardize=False)
    return model


def _frame(local: Ints, value: Floats, shape: Floats) -> Any:
    import pandas as pd

    slot = week_slot(local, HOUR_MS)
    return pd.DataFrame(
        {
            "ds": local.astype("datetime64[ms]").astype("datetime64[ns]"),
            "y": value,
            "shape": shape[slot],
            "weekday": slot < _FRIDAY_END,
            "weekend": slot >= _FRIDAY_END,
        }
    )


def components(model: Any, shape: Floats, country: str = "") -> LoadBase:
    """Read a fitted Prophet (Fourier seasons, the regressor ``shape``, holidays of `country`) into arrays.

    Of the trend its last value is kept: it parts growth from season while fitting, and the level of the weeks before a
    forecast is measured when it is made. A slope inside those weeks would be there after a fit and gone four weeks later.
    """
    beta = np.asarray(model.params["beta"]).mean(axis=0) * model.y_scale
    columns = list(model.train_component_cols.index)
    names = model.train_component_cols
    seasons = []
    for name, season in model.seasonalities.items():
        at = [i for i in columns if names[name][i]]
        condition = season["condition_name"] or "always"
        seasons.append(Season(float(season["period"]), condition, beta[at]))
    weight = float(beta[[i for i in columns if names["shape"][i]]].sum()) if "shape" in names else 0.0
    effects = {
        str(name): float(beta[[i for i in columns if names[name][i]]].sum())
        for name in (model.train_holiday_names if model.train_holiday_names is not None else ())
        if name in names
    }
    knot_ms, knot_value = _last_trend(model)
    day, day_effect = holiday_effects(effects, country, int(knot_ms[0]))
    shape = shape * weight if weight else np.zeros(WEEK_HOURS)
    return LoadBase(knot_ms, knot_value, shape, tuple(seasons), day, day_effect)


def _last_trend(model: Any) -> tuple[Ints, Floats]:
    import pandas as pd

    end = model.history["ds"].iloc[-1]
    frame = pd.DataFrame({"ds": [end], "t": [(end - model.start) / model.t_scale], "floor": 0.0})
    at = np.array([end.to_datetime64().astype("datetime64[ms]").astype(np.int64)])
    return at, np.asarray(model.predict_trend(frame), dtype=np.float64)


@contextmanager
def _quiet() -> Iterator[None]:
    """Stan reports each optimisation at INFO and Prophet its defaults: noise here, failures still raise."""
    # Disabled, not set to a level: cmdstanpy sets its own level and handler at its first message.
    loggers = [logging.getLogger(name) for name in ("cmdstanpy", "prophet")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
