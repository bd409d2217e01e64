"""The load predictor: completions ahead from now, judged at rolling origins against repeating last week."""

import numpy as np

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.conventions import LOAD_ALGORITHMS, LOAD_HORIZONS_MINUTES, load_model_name
from neural_hive_ml.errors import NotEnoughData, UsageError
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.figure import Figure
from neural_hive_ml.evaluation.forecast_metrics import ForecastCases, load_baselines, load_metrics
from neural_hive_ml.evaluation.load_answers import load_answers
from neural_hive_ml.evaluation.load_profile import build_load_profile
from neural_hive_ml.evaluation.verdict import Evaluation
from neural_hive_ml.features.series import CountSeries, completions
from neural_hive_ml.features.spec import FEATURE_SET_VERSION
from neural_hive_ml.scoring.load import LoadForecaster, input_names, output_names
from neural_hive_ml.scoring.load_replay import replay_load
from neural_hive_ml.scoring.packed import GoldenRows, PackedModel
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.training.lineage import lineage_of
from neural_hive_ml.training.load_backtest import Backtest
from neural_hive_ml.training.load_choice import TRIED, Choice, choose
from neural_hive_ml.training.load_fit import FittedLoad, LoadSettings, LoadTask, backtest_load, fit_load
from neural_hive_ml.training.load_holidays import checked_country
from neural_hive_ml.training.load_origins import (
    Origins,
    holdout_origins,
    hour_of_week_level,
    last_hour,
    seasonal_naive,
    split_hours,
)
from neural_hive_ml.training.load_prophet import ProphetSettings
from neural_hive_ml.training.request import Candidate, Progress, TrainingRequest, silent

_GOLDEN = 8


def train_load(columns: TicketColumns, request: TrainingRequest, progress: Progress = silent) -> Candidate:
    """Train and measure a load predictor on completions up to `request.as_of_ms`; 1 to 5 s.

    Without an algorithm asked for, Prophet, trees on lags and the seasonal mean are backtested inside the training
    hours, and the card says which was chosen and why.

    Raises
    ------
    NotEnoughData
        When there are fewer than `min_samples` completed tickets or the series is shorter than about two weeks.
    TrainingFailed
        When the forecasting library fails.
    UsageError
        For an algorithm or horizon that there is not.
    """
    ahead = _hours_ahead(request)
    hours = hours_of(columns, request)
    first = split_hours(hours, ahead)
    progress(f"load {ahead} h: {len(hours):,} hours, the last {len(hours) - first:,} held out")
    fitted, choice = choose_and_fit(training_task(columns, request), request.algorithm, settings_of(request))
    progress(f"load {ahead} h: {choice.reason}")
    forecaster = fitted.forecaster
    origins = holdout_origins(hours, first, ahead)
    cases = _answers(forecaster, origins)
    rng = np.random.default_rng(request.seed)
    name = load_model_name(forecaster.horizon_minutes)
    evaluation = Evaluation(
        model_name=name,
        primary="wape",
        metrics=load_metrics(cases, rng),
        baselines=load_baselines(
            cases.truth,
            {
                "seasonal_naive_168h": cases.naive,
                "hour_of_week_level": hour_of_week_level(origins).sum(axis=1),
                "last_value": last_hour(origins).sum(axis=1),
            },
        ),
        holdout_from_ms=int(origins.at_ms[0]),
        holdout_until_ms=hours.end_ms,
        notes=(
            f"{len(origins.at_ms)} rolling origins; figures are of {ahead} h totals of completed tickets",
            f"algorithm {choice.reason}",
        ),
    )
    # The model learned nothing of the hold-out, so what it says there is what it will say of hours to come.
    answers = load_answers(hours.counts, replay_load(forecaster, hours, first), hours.start_ms)
    model = PackedModel(
        name=name,
        family="load",
        algorithm=choice.algorithm,
        feature_set_version=FEATURE_SET_VERSION,
        arrays=forecaster.to_arrays(),
        documents={
            "timezone": forecaster.timezone,
            "inputs": input_names(),
            "outputs": output_names(forecaster.horizon_minutes),
        },
        policy={"coverage": 0.8},
        golden=_golden(forecaster, origins),
        profile=build_load_profile(hours.counts, hours.start_ms, request.timezone, answers=answers),
        lineage={
            **lineage_of(columns, request),
            "backtest_wape": dict(choice.wapes),
            "learned_until_ms": hours.start_ms + first * HOUR_MS,
        },
        provenance=fitted.provenance,
        horizon_minutes=forecaster.horizon_minutes,
    )
    return Candidate(model, evaluation, _cases(cases, origins), _figures(cases, origins))


def rescore_load(model: PackedModel, columns: TicketColumns, request: TrainingRequest) -> HoldoutCases:
    """Let an existing model answer at the origins that `train_load` of the same request judges at."""
    hours, ahead = hours_of(columns, request), _hours_ahead(request)
    origins = holdout_origins(hours, split_hours(hours, ahead), ahead)
    return _cases(_answers(LoadForecaster.load(model), origins), origins)


def hours_of(columns: TicketColumns, request: TrainingRequest) -> CountSeries:
    """Count completions by hour of the UTC clock up to the request's moment; an empty hour is zero."""
    earlier = request.earlier
    hours = completions(columns, request.as_of_ms, bucket_ms=HOUR_MS) if earlier is None else earlier.hours
    done = int(hours.counts.sum())
    if done < request.min_samples:
        raise NotEnoughData(
            f"{done:,} completed tickets in the window, {request.min_samples:,} needed",
            have=done,
            need=request.min_samples,
            remedy="a longer --training-window-days, or a smaller --min-samples",
        )
    return hours.since(request.as_of_ms - request.window_days * DAY_MS)


def training_task(columns: TicketColumns, request: TrainingRequest) -> LoadTask:
    """Return what a request's model may learn from: the hours before its hold-out. Raises as `train_load` does."""
    ahead = _hours_ahead(request)
    hours = hours_of(columns, request)
    task = LoadTask(hours, ahead, request.timezone, request.seed, request.threads)
    return task.before(split_hours(hours, ahead))


def settings_of(request: TrainingRequest) -> LoadSettings:
    """Return the settings of a request: defaults, the holidays asked for, the parameters in their place."""
    prophet = ProphetSettings(holidays=checked_country(request.holidays))
    return LoadSettings(prophet=prophet).having(request.parameters)


def choose_algorithm(
    task: LoadTask, algorithm: str | None = None, settings: LoadSettings | None = None
) -> tuple[Choice, Backtest]:
    """Return the algorithm that was asked for, or the one that the backtest chooses, with its backtest."""
    tried = TRIED if algorithm is None else (algorithm,)
    backtests = {name: backtest_load(task, name, settings) for name in tried}
    if algorithm is None:
        choice = choose(backtests)
    else:
        wape = backtests[algorithm].wape
        choice = Choice(algorithm, f"{algorithm}: asked for (WAPE in the backtest {wape:.3f})", {algorithm: wape})
    return choice, backtests[choice.algorithm]


def choose_and_fit(
    task: LoadTask, algorithm: str | None = None, settings: LoadSettings | None = None
) -> tuple[FittedLoad, Choice]:
    """Choose and fit on the task's hours; nothing after them is seen."""
    choice, found = choose_algorithm(task, algorithm, settings)
    return fit_load(task, choice.algorithm, settings, found), choice


def _answers(forecaster: LoadForecaster, origins: Origins) -> ForecastCases:
    total = forecaster.hourly(origins.counts, origins.at_ms).sum(axis=1)
    lower, upper = forecaster.total_interval(origins.counts, origins.at_ms, total)
    return ForecastCases(origins.totals, total, lower, upper, seasonal_naive(origins).sum(axis=1), origins.day)


def _cases(cases: ForecastCases, origins: Origins) -> HoldoutCases:
    return HoldoutCases("load", origins.digest, cases.truth, cases.forecast, cases.block)


def _golden(forecaster: LoadForecaster, origins: Origins) -> GoldenRows:
    at = np.unique(np.linspace(0, len(origins.at_ms) - 1, _GOLDEN).astype(int))
    rows = np.column_stack([origins.at_ms[at].astype(np.float64), origins.counts[at]])
    return GoldenRows(rows, forecaster.reproduce(rows), tolerance=1e-6)


def _figures(cases: ForecastCases, origins: Origins) -> tuple[Figure, ...]:
    days = (origins.at_ms - origins.at_ms[0]) / DAY_MS
    return (
        Figure(
            "Load: forecast against actual, horizon totals at rolling origins",
            "line",
            {
                "x": days,
                "actual": cases.truth,
                "forecast": cases.forecast,
                "lower": cases.lower,
                "upper": cases.upper,
            },
            "days into the hold-out",
            "completed tickets",
        ),
    )


def _hours_ahead(request: TrainingRequest) -> int:
    horizon = request.horizon_minutes
    if horizon not in LOAD_HORIZONS_MINUTES:
        raise UsageError(f"no load horizon of {horizon} minutes", remedy=f"choose one of {LOAD_HORIZONS_MINUTES}")
    if request.algorithm is not None and request.algorithm not in LOAD_ALGORITHMS:
        known = ", ".join(LOAD_ALGORITHMS)
        raise UsageError(f"no load algorithm {request.algorithm!r}", remedy=f"choose one of {known}")
    return horizon // 60
