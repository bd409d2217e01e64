"""Fit a load forecaster by one algorithm: backtest inside the training hours, then learn from all of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.features.series import CountSeries
from neural_hive_ml.scoring.load import LoadForecaster, SecondModel
from neural_hive_ml.training.load_backtest import Backtest, backtest
from neural_hive_ml.training.load_bases import fit_base
from neural_hive_ml.training.load_lags import LagSettings, fit_lags
from neural_hive_ml.training.load_prophet import ProphetSettings
from neural_hive_ml.training.load_statsforecast import fit_ets
from neural_hive_ml.training.search import Value

# The part of the training hours that the base learns from before its residuals are measured on the rest.
_BASE_SHARE = 0.65


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What a search may change, by algorithm."""

    prophet: ProphetSettings = field(default_factory=ProphetSettings)
    lags: LagSettings = field(default_factory=LagSettings)

    def having(self, values: Iterable[tuple[str, Value]]) -> "LoadSettings":
        """Return these settings with some (name, value) in their place; names are unique among the algorithms'."""
        named = dict(values)
        parts: dict[str, Any] = {}
        for part in fields(self):
            before = getattr(self, part.name)
            known = {f.name for f in fields(before)}
            parts[part.name] = replace(before, **{n: v for n, v in named.items() if n in known})
        return LoadSettings(**parts)


@dataclass(frozen=True, slots=True)
class LoadTask:
    """What is to be fitted: the hours (nothing after them is looked at), how far ahead, by which clock."""

    hours: CountSeries
    hours_ahead: int
    timezone: str = "UTC"
    seed: int = 42
    threads: int = 2

    @property
    def learned(self) -> int:
        """The first hour of the backtest."""
        return int(len(self.hours) * _BASE_SHARE)

    def before(self, hour: int) -> "LoadTask":
        """The same task with the hours before `hour` only."""
        return replace(self, hours=CountSeries(self.hours.start_ms, HOUR_MS, self.hours.counts[:hour]))


@dataclass(frozen=True, slots=True)
class FittedLoad:
    """A forecaster with the library's own model (file name -> bytes), where it has a form without pickle."""

    forecaster: LoadForecaster
    provenance: dict[str, bytes]


def backtest_load(task: LoadTask, algorithm: str, settings: LoadSettings | None = None) -> Backtest:
    """Judge an algorithm at the rolling origins of the last third of the training hours."""
    settings = settings or LoadSettings()
    early = task.before(task.learned)
    base = fit_base(early.hours, algorithm, task.timezone, settings.prophet, task.seed)
    second, _ = _second(early, algorithm, settings)
    return backtest(base, second, task.hours, task.learned, task.hours_ahead, task.timezone)


def fit_load(
    task: LoadTask, algorithm: str, settings: LoadSettings | None = None, judged: Backtest | None = None
) -> FittedLoad:
    """Fit on all hours what the backtest (run here unless given) found to serve best."""
    settings = settings or LoadSettings()
    found = judged or backtest_load(task, algorithm, settings)
    base = fit_base(task.hours, algorithm, task.timezone, settings.prophet, task.seed)
    second, provenance = _second(task, algorithm, settings)
    if second is not None:
        second = replace(second, factor=found.second_factor)
    forecaster = LoadForecaster(
        base,
        found.memory,
        found.spread,
        found.bucket_spread,
        found.factor,
        found.weights,
        task.hours_ahead * 60,
        task.timezone,
        second,
    )
    return FittedLoad(forecaster, provenance)


def _second(task: LoadTask, algorithm: str, settings: LoadSettings) -> tuple[SecondModel | None, dict[str, bytes]]:
    match algorithm:
        case "lags":
            fitted = fit_lags(
                task.hours,
                task.hours_ahead,
                task.timezone,
                settings.lags,
                seed=task.seed,
                threads=task.threads,
            )
            return fitted.model, {"lags.ubj": fitted.ubj}
        case "ets":
            return fit_ets(task.hours, task.timezone), {}
    return None, {}
