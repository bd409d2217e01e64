"""Has what a load model says changed: its forecasts against the weeks before, and the load that came against them."""

from math import exp
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.drift.load_feature import level_feature, shape_feature
from neural_hive_ml.drift.report import FeatureDrift
from neural_hive_ml.evaluation.load_answers import LoadAnswers
from neural_hive_ml.evaluation.load_quiet import compare_load, quiet_of
from neural_hive_ml.scoring.load_replay import LoadReplay

Floats = npt.NDArray[np.float64]
# A hold-out holds few wide windows: a level is rather judged by narrower ones, of which there are enough.
_ENOUGH_WINDOWS: Final = 20
# Of a timetable forecasts miss nothing, until the next one: a hundredth off is not news.
_LEAST_SPREAD: Final = 0.01


def answer_features(answers: LoadAnswers, came: Floats, replay: LoadReplay) -> list[FeatureDrift]:
    """Judge hours of a window, all of them known, with the load that `came` [h] and what was said of it.

    `load_forecast` is prediction drift: forecasts follow load, whose level is judged as such, so it is what they make of
    the four weeks before that is compared. `load_residual` and `load_residual_shape` are residual drift: by how much
    forecasts miss as a whole, and the share of the load that is in other hours than they said.
    """
    n = len(came)
    forecast = quiet_of(answers.forecast, n, _ENOUGH_WINDOWS)
    residual = quiet_of(answers.residual, n, _ENOUGH_WINDOWS)
    of_shape = quiet_of(answers.residual, n)
    if forecast is None or residual is None or of_shape is None:
        return []
    follows, _ = compare_load(replay.said, replay.repeated)
    missed, shape = compare_load(came, replay.said)
    found = [
        level_feature(
            "load_forecast", "times the weeks before", forecast, follows,
            means=(exp(forecast.level_mean), exp(follows)), usual=forecast.level_mean, least_spread=_LEAST_SPREAD,
        ),
        level_feature(
            "load_residual", "times the forecast", residual, missed,
            means=(exp(residual.level_mean), exp(missed)), usual=residual.level_mean, least_spread=_LEAST_SPREAD,
        ),
    ]  # fmt: skip
    # Days that differ misplace more load in a window of many days than in a narrow one.
    if 2 * of_shape.width_hours >= n:
        found.append(shape_feature("load_residual_shape", of_shape, shape))
    return found
