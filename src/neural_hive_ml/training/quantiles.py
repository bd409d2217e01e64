"""Quantile trees of the log run time, a direct and a relative model mixed, with a conformal adjustment."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.features.spec import CREATION_COUNT, INDEX
from neural_hive_ml.scoring.adaptive import PACE
from neural_hive_ml.scoring.duration import DurationQuantiles
from neural_hive_ml.training.quantile_boosters import BOOSTERS, QuantileParameters
from neural_hive_ml.training.search import Report

Floats = npt.NDArray[np.float64]
# Enough for a surprise, which needs the shape of run times more than the last percent of their error.
MOST_ROWS = 60_000
# The direct and the relative model err differently; their mean was best or within 0.1 % of it on every log.
_MIX = 0.5


@dataclass(frozen=True, slots=True)
class FittedQuantiles:
    """Packed quantiles with the library's own models (bytes by file name) and the rounds that validation chose."""

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
    algorithm: str = "xgboost",
) -> FittedQuantiles:
    """Fit on the newest rows outside `validation` (which is later), stop and calibrate on it.

    `rows` is [n, >= CREATION_COUNT] in order of time, `log_duration` [n] log1p ms. The conformal adjustment is made on
    rows that no tree has seen. `report` is told the loss of every 25th round and may end a booster early.
    """
    chosen, boost = parameters or QuantileParameters(), BOOSTERS[algorithm]
    x = np.ascontiguousarray(rows[:, :CREATION_COUNT], dtype=np.float32)
    reference = rows[:, INDEX["same_fast_mean"]]
    fit = np.flatnonzero(~validation)[-most_rows:]
    watch = np.flatnonzero(validation)[-most_rows:]
    outputs, packed, rounds = {}, {}, {}
    provenance: dict[str, bytes] = {}
    for name, target in (("direct", log_duration), ("relative", log_duration - reference)):
        boosted = boost(x[fit], target[fit], x[watch], target[watch], chosen, seed, threads, report)
        packed[name] = boosted.trees
        provenance |= {f"duration-{name}{ending}": content for ending, content in boosted.files.items()}
        rounds[name] = boosted.rounds
        outputs[name] = np.asarray(packed[name].margin(x[watch]), dtype=np.float64)
    outputs["relative"] += reference[watch, None]
    outputs["mean of both"] = (1 - _MIX) * outputs["direct"] + _MIX * outputs["relative"]
    truth_ms = np.expm1(log_duration[watch])
    mae = {n: float(np.mean(np.abs(np.expm1(q[:, 1]) - truth_ms))) for n, q in outputs.items()}
    widen = conformal(log_duration[watch], outputs["mean of both"])
    width = outputs["mean of both"][:, 2] - outputs["mean of both"][:, 0]
    step = float(np.clip(PACE * np.median(width) / 2, 0.0, 1.0)) if len(width) else 0.0
    quantiles = DurationQuantiles(packed["direct"], packed["relative"], _MIX, widen, step)
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
