"""Drift of load models: false alarms on unchanged seasonal load, power against known changes.

    python -m benchmarks.drift_load [--replays 300] [--algorithm seasonal_mean] [--only NAME] [--json FILE]

Each replay draws a series of its own (a day's rhythm, quieter weekends; hours that are independent, or that share the luck
of their day), trains a model on twelve weeks of it, and checks windows of the four weeks after. Shares come with
Clopper-Pearson intervals of 95 %.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from benchmarks.drift import THRESHOLD
from benchmarks.drift_data import MONDAY_MS
from benchmarks.drift_rows import Row, row, table_of
from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.conventions import LOAD_ALGORITHMS, LOAD_HORIZONS_MINUTES
from neural_hive_ml.drift.load import check_load
from neural_hive_ml.drift.report import DriftReport
from neural_hive_ml.evaluation.load_answers import load_answers
from neural_hive_ml.evaluation.load_profile import LoadProfile, build_load_profile
from neural_hive_ml.features.series import CountSeries
from neural_hive_ml.scoring.load import LoadForecaster
from neural_hive_ml.scoring.load_replay import LoadReplay, replay_load
from neural_hive_ml.training.load_fit import LoadTask, fit_load
from neural_hive_ml.training.load_origins import split_hours

Floats = npt.NDArray[np.float64]
LEARNED_HOURS: Final = 12 * 168
LATER_HOURS: Final = 4 * 168
LEVEL: Final = 40.0
BIAS: Final = 1.3
# Standard deviation of a day's log level, what of it the next day keeps, and the same of an hour.
DAY_SPREAD, DAY_KEPT, HOUR_SPREAD = 0.1, 0.5, 0.2
KINDS: Final = ("independent", "clustered")


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with its profile, and the load it will see: expected `rate` [h] and `counts` [h] of the whole series."""

    forecaster: LoadForecaster
    profile: LoadProfile
    rate: Floats
    counts: Floats


def usual_rate(hours: int) -> Floats:
    """Return the expected completions of each hour from a Monday 00:00."""
    hour = np.arange(hours)
    day = 0.3 + np.clip(np.sin(2 * np.pi * (hour % 24 - 6) / 24), 0.0, None)
    weekend = np.where(hour % 168 >= 120, 0.4, 1.0)
    rate = day * weekend
    return np.asarray(LEVEL * rate / rate[:168].mean())


def luck(hours: int, kind: str, rng: np.random.Generator) -> Floats:
    """Return by what each hour's rate is multiplied: 1, or what its day and itself happen to have."""
    if kind == "independent":
        return np.ones(hours)
    days = np.zeros(-(-hours // 24))
    shocks = rng.normal(0.0, DAY_SPREAD, len(days))
    days[0] = shocks[0]
    for i in range(1, len(days)):
        days[i] = DAY_KEPT * days[i - 1] + np.sqrt(1 - DAY_KEPT**2) * shocks[i]
    return np.asarray(np.exp(np.repeat(days, 24)[:hours] + rng.normal(0.0, HOUR_SPREAD, hours)))


def trained(kind: str, horizon_minutes: int, algorithm: str, rng: np.random.Generator) -> Trained:
    """Draw a series, train on its first twelve weeks as `train_load` does, profile what the model says of its hold-out."""
    rate = usual_rate(LEARNED_HOURS + LATER_HOURS)
    rate = rate * luck(len(rate), kind, rng)
    counts = rng.poisson(rate).astype(np.float64)
    hours = CountSeries(MONDAY_MS, HOUR_MS, counts[:LEARNED_HOURS])
    ahead = horizon_minutes // 60
    first = split_hours(hours, ahead)
    forecaster = fit_load(LoadTask(hours, ahead, threads=1).before(first), algorithm).forecaster
    answers = load_answers(hours.counts, replay_load(forecaster, hours, first), hours.start_ms)
    document = build_load_profile(hours.counts, hours.start_ms, answers=answers)
    return Trained(forecaster, LoadProfile.from_document(document), rate, counts)


def checked(model: Trained, begin: int, hours: int, change: str, rng: np.random.Generator) -> DriftReport:
    """Check the window [begin, begin + hours) of the series, changed in one way from its first hour on."""
    window = slice(begin, begin + hours)
    counts = model.counts[: window.stop].copy()
    if change == "level":
        counts[window] = rng.poisson(1.5 * model.rate[window])
    elif change == "shape":
        counts[window] = rng.poisson(model.rate[begin - 6 : begin - 6 + hours])
    series = CountSeries(MONDAY_MS, HOUR_MS, counts)
    replay = replay_load(model.forecaster, series, begin).part(window)
    if change == "bias":
        replay = LoadReplay(BIAS * replay.said, replay.repeated)
    return check_load(model.profile, counts[window], MONDAY_MS + begin * HOUR_MS, replay=replay)


CASES: Final = {
    "false_alarms.24h": (24, "", "unchanged, 24 h"),
    "false_alarms.7d": (168, "", "unchanged, 7 d"),
    "power.level": (24, "level", "load 1.5 times as high, 24 h"),
    "power.bias": (24, "bias", "forecasts 30 % too high, load as ever, 24 h"),
    "power.shape": (24, "shape", "load six hours later, 24 h"),
}


def replays(kind: str, horizon_minutes: int, algorithm: str, n: int) -> Iterator[Row]:
    """Yield the shares of `n` replays that alarm, and of the changes those whose score would retrain."""
    found: dict[str, list[DriftReport]] = {case: [] for case in CASES}
    for k in track(range(n), description=f"{kind} {horizon_minutes}m", transient=True):
        rng = np.random.default_rng([17, KINDS.index(kind), horizon_minutes, k])
        model = trained(kind, horizon_minutes, algorithm, rng)
        for case, (hours, change, _) in CASES.items():
            begin = LEARNED_HOURS + int(rng.integers(0, LATER_HOURS - hours + 1))
            found[case].append(checked(model, begin, hours, change, rng))
    for case, (_, change, what) in CASES.items():
        bench, told = (
            f"drift.load.{case}.{kind}.{horizon_minutes}m",
            f"{what}; {horizon_minutes} min, {kind} hours",
        )
        yield row(bench, algorithm, told, sum(r.drift_detected for r in found[case]), n)
        if change:
            strong = sum(r.drift_detected and r.drift_score > THRESHOLD for r in found[case])
            yield row(f"{bench}.score", algorithm, f"{told}: score > {THRESHOLD}", strong, n)


def main(arguments: list[str]) -> int:
    """Print the table, and write it as JSON when asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replays", type=int, default=300)
    parser.add_argument("--algorithm", choices=LOAD_ALGORITHMS, default="seasonal_mean")
    parser.add_argument("--only", choices=KINDS, action="append", help="only series of this kind; may be repeated")
    parser.add_argument("--horizon", choices=LOAD_HORIZONS_MINUTES, type=int, action="append", help="minutes")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    rows: list[Row] = []
    for kind in given.only or KINDS:
        for horizon in given.horizon or LOAD_HORIZONS_MINUTES:
            rows += replays(kind, horizon, given.algorithm, given.replays)
    Console(width=150).print(table_of(rows))
    if given.json:
        given.json.write_text(json.dumps({"rows": [asdict(r) for r in rows]}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
