"""How good load forecasts were over rolling origins, and what naive methods reach on the same origins.

All figures are of horizon totals. MAPE is in percent and leaves windows without load out (they are counted): for a
Poisson count of mean L even the true rate has about 100 sqrt(2 / (pi L)) % of it, which is printed beside.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.intervals import bootstrap_interval
from neural_hive_ml.evaluation.verdict import BaselineFigure, Metric

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ForecastCases:
    """Horizon totals at `n` origins: what came, the centre, the interval, and the seasonal naive's answer."""

    truth: Floats
    forecast: Floats
    lower: Floats
    upper: Floats
    naive: Floats
    block: Ints


def load_metrics(cases: ForecastCases, rng: np.random.Generator) -> tuple[Metric, ...]:
    """Return MAPE (%), WAPE, MASE, interval coverage, bias and the Poisson bound of MAPE (%).

    MASE is the mean absolute error over that of the seasonal naive on the same origins (not in sample: a hold-out
    of another level would mislead); below 1 is better than repeating last week.
    """
    truth, error = cases.truth, np.abs(cases.truth - cases.forecast)
    naive_error = np.abs(truth - cases.naive)
    some = truth > 0
    share = np.divide(error, truth, out=np.zeros_like(error), where=some) * 100.0
    covered = ((truth >= cases.lower) & (truth <= cases.upper)).astype(float)
    one = np.ones(len(truth))

    def metric(name: str, top: Floats, bottom: Floats, unit: str = "", *, higher: bool = False) -> Metric:
        interval = bootstrap_interval(cases.block, np.stack([top, bottom], axis=1), ratio_of_sums, rng)
        value = float(ratio_of_sums(np.array([[top.sum(), bottom.sum()]]))[0])
        low, high = (interval.low, interval.high) if interval is not None else (None, None)
        return Metric(name, value, int(np.count_nonzero(bottom)), low, high, unit, higher)

    bound = poisson_mape(truth[some])
    return (
        metric("mape", share, some.astype(float), "%"),
        metric("wape", error, truth),
        metric("mase", error, naive_error),
        metric("coverage_80", covered, one, higher=True),
        Metric(
            "bias",
            float((cases.forecast - truth).sum() / max(truth.sum(), 1.0)),
            len(truth),
            unit="",
            higher_is_better=False,
        ),
        Metric("mape_poisson_bound", bound, int(some.sum()), unit="%", higher_is_better=False),
        Metric("zero_windows", float(len(truth) - some.sum()), len(truth), higher_is_better=False),
    )


def ratio_of_sums(totals: Floats) -> Floats:
    """Return column 0 over column 1 of [r, 2], which counts as one at least: a finite figure in any case."""
    return np.asarray(totals[:, 0] / np.maximum(totals[:, 1], 1.0))


def poisson_mape(totals: Floats) -> float:
    """Return the MAPE in % that knowing the true rate would have, were counts Poisson; 0 for no windows.

    >>> round(poisson_mape(np.array([20.0])), 1)  # 17.8: the normal approximation of the simulated 19.5
    17.8
    """
    return float(np.mean(100.0 * np.sqrt(2.0 / (np.pi * totals)))) if len(totals) else 0.0


def load_baselines(truth: Floats, answers: dict[str, Floats]) -> tuple[BaselineFigure, ...]:
    """Return MAPE (%), WAPE and MASE of each naive method's totals on the same origins.

    MASE needs the answer ``seasonal_naive_168h``, which is its unit.
    """
    some = truth > 0
    figures = []
    unit = answers.get("seasonal_naive_168h")
    scale = float(np.abs(unit - truth).sum()) if unit is not None else 0.0
    for name, answer in answers.items():
        error = np.abs(answer - truth)
        figures.append(BaselineFigure(name, "wape", float(error.sum() / max(truth.sum(), 1.0))))
        if scale > 0:
            figures.append(BaselineFigure(name, "mase", float(error.sum() / scale)))
        if some.any():
            figures.append(BaselineFigure(name, "mape", float(np.mean(error[some] / truth[some]) * 100.0)))
    return tuple(figures)
