"""Fit quantile trees of the log run time: XGBoost, early stopping in time, cut at the best iteration, conformal."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.features.spec import CREATION_COUNT, INDEX
from neural_hive_ml.scoring.booster import pack_booster
from neural_hive_ml.scoring.duration import LEVELS, DurationQuantiles

Floats = npt.NDArray[np.float64]
_MOST_ROUNDS = 600
_PATIENCE = 30


@dataclass(frozen=True, slots=True)
class QuantileParameters:
    """What tuning may change; defaults are those of small, regularised trees on a log target."""

    learning_rate: float = 0.06
    max_depth: int = 6
    min_child_weight: float = 20.0
    subsample: float = 0.8
    colsample_bytree: float = 0.5
    reg_lambda: float = 2.0


@dataclass(frozen=True, slots=True)
class FittedQuantiles:
    """Packed quantiles with the library's own models (UBJ bytes by part) and how they were chosen."""

    quantiles: DurationQuantiles
    provenance: dict[str, bytes]
    rounds: dict[str, int]
    validation_mae_ms: dict[str, float]


def fit_quantiles(
    rows: Floats, log_duration: Floats, validation: npt.NDArray[np.bool_], *, seed: int, threads: int,
    parameters: QuantileParameters | None = None, refit: bool = True,
) -> FittedQuantiles:
    """Fit on the rows outside `validation` (earlier), choose on it, calibrate on it, then refit on all of them.

    `rows` is [n, >= CREATION_COUNT], `log_duration` [n] log1p ms. The mix of the direct and the relative model is the
    one of least validation MAE in ms.
    """
    chosen = parameters or QuantileParameters()
    x = np.ascontiguousarray(rows[:, :CREATION_COUNT], dtype=np.float32)
    reference = rows[:, INDEX["same_fast_mean"]]
    fit = ~validation
    targets = {"direct": log_duration, "relative": log_duration - reference}
    boosters, outputs, rounds = {}, {}, {}
    for name, target in targets.items():
        booster = _train(x[fit], target[fit], x[validation], target[validation], chosen, seed, threads)
        boosters[name], rounds[name] = booster, booster.num_boosted_rounds()
        outputs[name] = _predict(booster, x[validation])
    outputs["relative"] = outputs["relative"] + reference[validation, None]
    truth_ms = np.expm1(log_duration[validation])
    mixes = {w: (1 - w) * outputs["direct"] + w * outputs["relative"] for w in (0.0, 0.5, 1.0)}
    mae = {w: float(np.mean(np.abs(np.expm1(q[:, 1]) - truth_ms))) for w, q in mixes.items()}
    weight = min(mae, key=lambda w: mae[w])
    widen = conformal(log_duration[validation], mixes[weight])
    names = [n for n, w in (("direct", 1 - weight), ("relative", weight)) if w > 0]
    if refit:
        boosters = {n: _train_rounds(x, targets[n], chosen, rounds[n], seed, threads) for n in names}
    packed = {n: pack_booster(bytes(boosters[n].save_raw("json"))) for n in names}
    return FittedQuantiles(
        DurationQuantiles(packed.get("direct"), packed.get("relative"), weight, widen),
        {f"duration-{n}.ubj": bytes(boosters[n].save_raw("ubj")) for n in names},
        {n: rounds[n] for n in names},
        {f"weight {w:g}": value for w, value in mae.items()},
    )


def conformal(truth: Floats, quantiles: Floats, level: float = 0.1) -> tuple[float, float]:
    """How far to move each outer quantile so that it holds on the calibration part (Romano et al. 2019, one-sided each)."""
    n = len(truth)
    if n == 0:
        return 0.0, 0.0
    rank = min((1 - level) * (1 + 1 / n), 1.0)
    low = float(np.quantile(quantiles[:, 0] - truth, rank))
    high = float(np.quantile(truth - quantiles[:, 2], rank))
    return low, high


def _settings(parameters: QuantileParameters, seed: int, threads: int) -> dict[str, Any]:
    return {
        "objective": "reg:quantileerror", "quantile_alpha": list(LEVELS), "tree_method": "hist",
        "learning_rate": parameters.learning_rate, "max_depth": parameters.max_depth,
        "min_child_weight": parameters.min_child_weight, "subsample": parameters.subsample,
        "colsample_bytree": parameters.colsample_bytree, "reg_lambda": parameters.reg_lambda,
        "max_bin": 128, "seed": seed, "nthread": threads,
    }


def _train(x: Any, y: Floats, x_stop: Any, y_stop: Floats, p: QuantileParameters, seed: int, threads: int) -> Any:
    import xgboost as xgb

    data = xgb.QuantileDMatrix(x, y, max_bin=128, nthread=threads)
    watch = xgb.QuantileDMatrix(x_stop, y_stop, ref=data, max_bin=128, nthread=threads)
    booster = xgb.train(_settings(p, seed, threads), data, _MOST_ROUNDS, evals=[(watch, "validation")],
                        early_stopping_rounds=_PATIENCE, verbose_eval=False)
    # Saved whole, a booster predicts with the trees after its best iteration too.
    return booster[: booster.best_iteration + 1]


def _train_rounds(x: Any, y: Floats, p: QuantileParameters, rounds: int, seed: int, threads: int) -> Any:
    import xgboost as xgb

    data = xgb.QuantileDMatrix(x, y, max_bin=128, nthread=threads)
    return xgb.train(_settings(p, seed, threads), data, rounds, verbose_eval=False)


def _predict(booster: Any, x: Any) -> Floats:
    return np.asarray(pack_booster(bytes(booster.save_raw("json"))).margin(x), dtype=np.float64)
