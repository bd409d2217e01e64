"""Load forecasts at rolling origins: what the gate would serve and Prophet as configured, beside three peers.

    python -m benchmarks.load [--origins 48] [--refits 2] [--only NAME] [--json FILE]

Origins are spread over the last 30 % of each hourly series; every model is fitted on what lies before, again at up to two
moments, the peers at the same ones. The algorithm is chosen as training chooses it: by the backtest inside the hours it
may learn from. WAPE is of the load of the whole window (1, 6, 24 h). Series weigh the same: geometric means.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.load_data import hourly_series
from benchmarks.load_peers import boosted_lags
from neural_hive_ml.evaluation.forecast_metrics import poisson_mape, ratio_of_sums
from neural_hive_ml.evaluation.intervals import block_sums, bootstrap_interval, resample
from neural_hive_ml.features.series import CountSeries
from neural_hive_ml.training.load import choose_and_fit
from neural_hive_ml.training.load_fit import LoadTask, fit_load
from neural_hive_ml.training.load_origins import hour_of_week_level, origins_at, seasonal_naive

Floats = npt.NDArray[np.float64]
HORIZONS = (1, 6, 24)
# What a geometric mean of WAPE over the seasonal naive's must not exceed.
BARS = {"gate": {1: 0.85, 6: 0.85, 24: 0.92}, "prophet": {1: 1.0, 6: 1.0, 24: 1.0}}
METHODS = ("gate", "prophet", "lightgbm_lags", "hour_of_week_level", "seasonal_naive")


@dataclass(frozen=True, slots=True)
class Row:
    """One series and horizon: WAPE by method, and of what the gate serves interval, coverage, MAPE (%) and size."""

    id: str
    series: str
    hours_ahead: int
    origins: int
    refits: int
    mean_per_hour: float
    chosen: str
    wape: dict[str, float]
    wape_low: float
    wape_high: float
    coverage_80: float
    prophet_coverage_80: float
    mape: float
    mape_poisson_bound: float
    fit_seconds: float
    artifact_kb: float


@dataclass(frozen=True, slots=True)
class Judged:
    """A row with its errors [n, methods] by origin and the epoch day [n] of each, for intervals over series."""

    row: Row
    errors: Floats
    day: npt.NDArray[np.int64]


def judge(name: str, series: CountSeries, hours_ahead: int, origins: int, refits: int) -> Judged:
    """Measure every method on one series and horizon."""
    index, moments = schedule(len(series), hours_ahead, origins, refits)
    laid = origins_at(series, index, hours_ahead)
    truth = laid.totals
    said = {method: np.zeros(len(index)) for method in METHODS}
    inside = {method: np.zeros(len(index), dtype=bool) for method in ("gate", "prophet")}
    chosen: Counter[str] = Counter()
    seconds, size = [], []
    for begin, end in zip(moments, [*moments[1:], len(series)], strict=True):
        asked = np.flatnonzero((index >= begin) & (index < end))
        if not len(asked):
            continue
        task = LoadTask(series, hours_ahead, threads=1).before(begin)
        began = time.perf_counter()
        served, choice = choose_and_fit(task)
        seconds.append(time.perf_counter() - began)
        chosen[choice.algorithm] += 1
        size.append(sum(a.nbytes for a in served.forecaster.to_arrays().values()) / 1e3)
        prophet = served if choice.algorithm == "prophet" else fit_load(task, "prophet")
        for method, fitted in (("gate", served), ("prophet", prophet)):
            total = fitted.forecaster.hourly(laid.counts[asked], laid.at_ms[asked]).sum(axis=1)
            low, high = fitted.forecaster.total_interval(laid.counts[asked], laid.at_ms[asked], total)
            said[method][asked] = total
            inside[method][asked] = (truth[asked] >= low) & (truth[asked] <= high)
    said["lightgbm_lags"] = boosted_lags(series, moments, index, hours_ahead).sum(axis=1)
    said["hour_of_week_level"] = hour_of_week_level(laid).sum(axis=1)
    said["seasonal_naive"] = seasonal_naive(laid).sum(axis=1)
    errors = np.stack([np.abs(said[method] - truth) for method in METHODS], axis=1)
    some = truth > 0
    interval = bootstrap_interval(
        laid.day, np.stack([errors[:, 0], truth], axis=1), ratio_of_sums, np.random.default_rng(7)
    )
    low, high = (interval.low, interval.high) if interval is not None else (np.nan, np.nan)
    row = Row(
        f"load.{name}.{hours_ahead}h",
        name,
        hours_ahead,
        len(index),
        len(seconds),
        float(series.counts.mean()),
        ", ".join(f"{algorithm} {times}" for algorithm, times in chosen.most_common()),
        {method: float(errors[:, i].sum() / truth.sum()) for i, method in enumerate(METHODS)},
        low,
        high,
        float(inside["gate"].mean()),
        float(inside["prophet"].mean()),
        float(np.mean(errors[some, 0] / truth[some]) * 100.0),
        poisson_mape(truth[some]),
        float(np.mean(seconds)),
        float(np.max(size)),
    )
    return Judged(row, errors, laid.day)


def schedule(
    hours: int, hours_ahead: int, origins: int, refits: int
) -> tuple[npt.NDArray[np.int64], Sequence[int]]:
    """Return the hours that are forecast from, and the hours at which models are fitted (a week apart at least).

    The step is coprime to 24, so that every hour of the day is met.
    """
    first = int(hours * 0.7)
    room = hours - first - hours_ahead
    step = max(room // origins, 1)
    while step > 1 and np.gcd(step, 24) != 1:
        step -= 1
    every = max(168, -(-(hours - first) // refits))
    return np.arange(first, first + room + 1, step), list(range(first, hours, every))


def summary(judged: Sequence[Judged], hours_ahead: int) -> Iterator[dict[str, object]]:
    """Geometric means over series of WAPE relative to the seasonal naive's, with the bars."""
    group = [j for j in judged if j.row.hours_ahead == hours_ahead]
    ratios = {m: np.array([j.row.wape[m] / j.row.wape["seasonal_naive"] for j in group]) for m in METHODS}
    mean = {m: float(np.exp(np.log(r).mean())) for m, r in ratios.items()}
    rng = np.random.default_rng(11)
    drawn = np.mean([np.log(resample(block_sums(j.day, j.errors), rng)) for j in group], axis=0)
    relative = np.exp(drawn - drawn[:, -1:])
    bars = {"gate": min(mean["lightgbm_lags"], mean["hour_of_week_level"])}
    hindsight = np.minimum(ratios["lightgbm_lags"], ratios["hour_of_week_level"])
    for i, method in enumerate(METHODS[:-1]):
        low, high = np.percentile(relative[:, i], [2.5, 97.5])
        bar = min(BARS.get(method, {}).get(hours_ahead, np.inf), bars.get(method, np.inf))
        yield {
            "id": f"load.geomean.{hours_ahead}h.{method}",
            "relative_wape": mean[method],
            "low": float(low),
            "high": float(high),
            "bar": bar if np.isfinite(bar) else None,
            "met": bool(mean[method] <= bar) if np.isfinite(bar) else None,
        }
    coverage = [j.row.coverage_80 for j in group]
    yield {
        "id": f"load.coverage.{hours_ahead}h",
        "mean": float(np.mean(coverage)),
        "least": min(coverage),
        "most": max(coverage),
    }
    yield {
        "id": f"load.hindsight.{hours_ahead}h",
        "better_of_lags_and_level_chosen_per_series_afterwards": float(np.exp(np.log(hindsight).mean())),
    }


def tables(judged: Sequence[Judged], summaries: Sequence[dict[str, object]], console: Console) -> None:
    """Print the rows by series, then the means."""
    table = Table(title="WAPE of the window's load at rolling origins")
    for heading in (
        "series",
        "h",
        "n",
        "chosen",
        "gate [95 %]",
        *METHODS[1:],
        "cover",
        "MAPE %",
        "Poisson %",
        "fit s",
        "kB",
    ):
        table.add_column(heading, overflow="fold")
    for j in judged:
        r = j.row
        table.add_row(
            r.series,
            str(r.hours_ahead),
            str(r.origins),
            r.chosen,
            f"{r.wape['gate']:.3f} [{r.wape_low:.3f}, {r.wape_high:.3f}]",
            *(f"{r.wape[m]:.3f}" for m in METHODS[1:]),
            f"{r.coverage_80:.2f}",
            f"{r.mape:.0f}",
            f"{r.mape_poisson_bound:.1f}",
            f"{r.fit_seconds:.1f}",
            f"{r.artifact_kb:.0f}",
        )
    console.print(table)
    means = Table(title="Geometric means relative to the seasonal naive of 168 h, and coverage")
    for heading in ("id", "figure", "bar"):
        means.add_column(heading)
    for s in summaries:
        if "relative_wape" in s:
            bar = "-" if s["bar"] is None else f"{s['bar']:.3f} {'met' if s['met'] else 'missed'}"
            means.add_row(str(s["id"]), f"{s['relative_wape']:.3f} [{s['low']:.3f}, {s['high']:.3f}]", bar)
        elif "least" in s:
            means.add_row(str(s["id"]), f"{s['mean']:.3f} ({s['least']:.2f} to {s['most']:.2f})", "0.80 nominal")
        else:
            means.add_row(str(s["id"]), f"{list(s.values())[1]:.3f}", "-")
    console.print(means)


def main(arguments: Sequence[str]) -> int:
    """Run, print, and write JSON when asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load")
    parser.add_argument("--origins", type=int, default=48)
    parser.add_argument("--refits", type=int, default=2)
    parser.add_argument("--only", action="append")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    console = Console(width=210, highlight=False)
    judged: list[Judged] = []
    absent = []
    for name, series in hourly_series():
        if given.only and name not in given.only:
            continue
        if series is None:
            console.print(f"{name}: not run, HIVE_BENCH_DATA does not hold it")
            absent.append(f"load.{name}")
            continue
        judged.extend(judge(name, series, h, given.origins, given.refits) for h in HORIZONS)
        told = ", ".join(f"{j.row.hours_ahead} h {j.row.wape['gate']:.3f}" for j in judged[-len(HORIZONS) :])
        console.print(f"{name}: {len(series):,} hours of {series.counts.mean():,.0f} on average: {told}")
    summaries = [s for h in HORIZONS for s in summary(judged, h)] if judged else []
    tables(judged, summaries, console)
    if given.json:
        document = {"rows": [asdict(j.row) for j in judged], "summary": summaries, "not_run": absent}
        given.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
