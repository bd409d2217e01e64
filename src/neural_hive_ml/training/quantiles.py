"""Fit quantile trees of the log run time: XGBoost, early stopping in time, cut at the best iteration, conformal."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.features.spec import CREATION_COUNT, INDEX
from neural_hive_ml.scoring.booster import pack_booster
from neural_hive_ml.scoring.duration import LEVELS, DurationQuantiles
from neural_hive_ml.training.search import Report, Value

Floats = npt.NDArray[np.float64]
# Measured on four logs: more rounds, more bins or deeper trees cost twice as much and gain under 1 %.
_MOST_ROUNDS = 250
_PATIENCE = 15
_BINS = 64
# The newest rows: older ones say less about tomorrow, and cost the same.
MOST_ROWS = 60_000
# The direct and the relative model err differently; their mean was best or within 0.1 % of it on every log.
_MIX = 0.5


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
class FittedQuantiles:
    """Packed quantiles with the library's own models (UBJ bytes by part) and the rounds that validation chose."""

    quantiles: DurationQuantiles
    provenance: dict[str, bytes]
    rounds: dict[str, int]
    validation_mae_ms: dict[str, float]


def fit_quantiles(
    rows: Floats,
    log_duration: Floats,
    validation: npt.NDArray[np.bool_],
    *,
    seed: int,
    threads: int,
    parameters: QuantileParameters | None = None,
    most_rows: int = MOST_ROWS,
    report: Report | None = None,
) -> FittedQuantiles:
    """Fit on the newest rows outside `validation` (which is later), stop and calibrate on it.

    `rows` is [n, >= CREATION_COUNT] in order of time, `log_duration` [n] log1p ms. The conformal adjustment is made on
    rows that no tree has seen. `report` is told the loss of every 25th round and may end a booster early.
    """
    chosen = parameters or QuantileParameters()
    x = np.ascontiguousarray(rows[:, :CREATION_COUNT], dtype=np.float32)
    reference = rows[:, INDEX["same_fast_mean"]]
    fit = np.flatnonzero(~validation)[-most_rows:]
    watch = np.flatnonzero(validation)[-most_rows:]
    outputs, packed, provenance, rounds = {}, {}, {}, {}
    for name, target in (("direct", log_duration), ("relative", log_duration - reference)):
        booster = _train(x[fit], target[fit], x[watch], target[watch], chosen, seed, threads, report)
        packed[name] = pack_booster(bytes(booster.save_raw("json")))
        provenance[f"duration-{name}.ubj"] = bytes(booster.save_raw("ubj"))
        rounds[name] = booster.num_boosted_rounds()
        outputs[name] = np.asarray(packed[name].margin(x[watch]), dtype=np.float64)
    outputs["relative"] += reference[watch, None]
    outputs["mean of both"] = (1 - _MIX) * outputs["direct"] + _MIX * outputs["relative"]
    truth_ms = np.expm1(log_duration[watch])
    mae = {n: float(np.mean(np.abs(np.expm1(q[:, 1]) - truth_ms))) for n, q in outputs.items()}
    widen = conformal(log_duration[watch], outputs["mean of both"])
    quantiles = DurationQuantiles(packed["direct"], packed["relative"], _MIX, widen)
    return FittedQuantiles(quantiles, provenance, rounds, mae)


def conformal(truth: Floats, quantiles: Floats, level: float = 0.1) -> tuple[float, float]:
    """How far to move each outer quantile so that it holds on the calibration part (Romano et al. 2019, one-sided each)."""
    n = len(truth)
    if n == 0:
        return 0.0, 0.0
    rank = min((1 - level) * (1 + 1 / n), 1.0)
    low = float(np.quantile(quantiles[:, 0] - truth, rank))
    high = float(np.quantile(truth - quantiles[:, 2], rank))
    return low, high


def _train(
    x: Any,
    y: Floats,
    x_stop: Any,
    y_stop: Floats,
    p: QuantileParameters,
    seed: int,
    threads: int,
    report: Report | None,
) -> Any:
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
    return booster[: booster.best_iteration + 1]
