"""Boosters of the three quantiles by XGBoost and LightGBM: early stopping in time, cut at the best iteration, packed."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import UsageError
from neural_hive_ml.scoring.booster import pack_booster
from neural_hive_ml.scoring.double_trees import pack_lightgbm
from neural_hive_ml.scoring.duration import LEVELS, Trees
from neural_hive_ml.training.search import Report, Value

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
# Measured on four logs: more rounds, more bins or deeper trees cost twice as much and gain under 1 %.
_MOST_ROUNDS = 250
_PATIENCE = 15
_BINS = 64


@dataclass(frozen=True, slots=True)
class QuantileParameters:
    """What tuning may change; defaults are those of small, regularised trees on a log target."""

    learning_rate: float = 0.1
    max_depth: int = 5
    min_child_weight: float = 20.0
    subsample: float = 0.7
    colsample_bytree: float = 0.3
    reg_lambda: float = 2.0

    @staticmethod
    def of(values: Iterable[tuple[str, Value]]) -> "QuantileParameters":
        """Return the defaults with some (name, value) in their place."""
        named: dict[str, Any] = dict(values)
        return replace(QuantileParameters(), **named)


@dataclass(frozen=True, slots=True)
class Boosted:
    """What serves, the library's own model by file ending, and how many rounds validation chose."""

    trees: Trees
    files: Mapping[str, bytes]
    rounds: int


Boost = Callable[[Matrix, Floats, Matrix, Floats, QuantileParameters, int, int, Report | None], Boosted]


def boost_xgboost(
    x: Matrix,
    y: Floats,
    x_stop: Matrix,
    y_stop: Floats,
    p: QuantileParameters,
    seed: int,
    threads: int,
    report: Report | None,
) -> Boosted:
    """Fit one booster of all quantiles; stop when the loss on the later rows `x_stop` no longer falls."""
    import xgboost as xgb

    from neural_hive_ml.training.booster_report import reporting

    settings = {
        "objective": "reg:quantileerror",
        "quantile_alpha": list(LEVELS),
        "tree_method": "hist",
        "learning_rate": p.learning_rate,
        "max_depth": p.max_depth,
        "min_child_weight": p.min_child_weight,
        "subsample": p.subsample,
        "colsample_bytree": p.colsample_bytree,
        "reg_lambda": p.reg_lambda,
        "max_bin": _BINS,
        "seed": seed,
        "nthread": threads,
    }
    data = xgb.QuantileDMatrix(x, y, max_bin=_BINS, nthread=threads)
    watch = xgb.QuantileDMatrix(x_stop, y_stop, ref=data, max_bin=_BINS, nthread=threads)
    booster = xgb.train(
        settings,
        data,
        _MOST_ROUNDS,
        evals=[(watch, "validation")],
        early_stopping_rounds=_PATIENCE,
        verbose_eval=False,
        callbacks=[] if report is None else [reporting(report)],
    )
    # Saved whole, a booster predicts with the trees after its best iteration too.
    booster = booster[: booster.best_iteration + 1]
    packed = pack_booster(bytes(booster.save_raw("json")))
    return Boosted(packed, {".ubj": bytes(booster.save_raw("ubj"))}, booster.num_boosted_rounds())


def boost_lightgbm(
    x: Matrix,
    y: Floats,
    x_stop: Matrix,
    y_stop: Floats,
    p: QuantileParameters,
    seed: int,
    threads: int,
    report: Report | None,
) -> Boosted:
    """Fit one booster a quantile, each stopped on its own. Raises `UsageError` where LightGBM is not installed."""
    try:
        import lightgbm as lgb
    except ImportError as error:
        raise UsageError("LightGBM is not installed", remedy="pip install neural-hive-ml[lightgbm]") from error
    models, text, rounds = [], [], 0
    for level in LEVELS:
        settings = {
            "objective": "quantile",
            "alpha": level,
            "learning_rate": p.learning_rate,
            "max_depth": p.max_depth,
            "num_leaves": min(2**p.max_depth - 1, 63),
            "min_data_in_leaf": max(round(p.min_child_weight), 1),
            "bagging_fraction": p.subsample,
            "bagging_freq": 1,
            "feature_fraction": p.colsample_bytree,
            "lambda_l2": p.reg_lambda,
            "max_bin": _BINS,
            "use_missing": False,
            "seed": seed,
            "num_threads": threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        data = lgb.Dataset(x, y, params={"max_bin": _BINS, "use_missing": False, "verbosity": -1})
        watch = lgb.Dataset(x_stop, y_stop, reference=data)
        callbacks: list[Any] = [lgb.early_stopping(_PATIENCE, verbose=False)]
        if report is not None and level == 0.5:
            callbacks.append(_reporting(report))
        booster = lgb.train(settings, data, _MOST_ROUNDS, valid_sets=[watch], callbacks=callbacks)
        best = booster.best_iteration or booster.current_iteration()
        models.append(booster.dump_model(num_iteration=best))
        text.append(booster.model_to_string(num_iteration=best))
        rounds = max(rounds, best)
    return Boosted(pack_lightgbm(models), {".lightgbm.json": json.dumps(text).encode()}, rounds)


def _reporting(report: Report) -> Any:
    from lightgbm.callback import EarlyStopException

    from neural_hive_ml.training.booster_report import EVERY

    def told(env: Any) -> None:
        done = env.iteration + 1
        if done % EVERY == 0 and report(done, float(env.evaluation_result_list[0][2])):
            raise EarlyStopException(env.iteration, env.evaluation_result_list)

    return told


BOOSTERS: dict[str, Boost] = {"xgboost": boost_xgboost, "lightgbm": boost_lightgbm}
