"""The load predictor: completions ahead from now, judged at rolling origins against repeating last week."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.conventions import LOAD_HORIZONS_MINUTES, load_model_name
from neural_hive_ml.errors import NotEnoughData, UsageError
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.figure import Figure
from neural_hive_ml.evaluation.forecast_metrics import ForecastCases, load_baselines, load_metrics
from neural_hive_ml.evaluation.load_profile import build_load_profile
from neural_hive_ml.evaluation.verdict import Evaluation
from neural_hive_ml.features.series import CountSeries, completions, local_ms, week_slot
from neural_hive_ml.features.spec import FEATURE_SET_VERSION
from neural_hive_ml.scoring.load import LoadForecaster, input_names, output_names
from neural_hive_ml.scoring.load_base import LoadBase
from neural_hive_ml.scoring.load_memory import ResidualMemory
from neural_hive_ml.scoring.load_mix import WAYS, mix, ways_of
from neural_hive_ml.scoring.load_spread import Spread, fit_spread
from neural_hive_ml.scoring.packed import GoldenRows, PackedModel
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.training.lineage import lineage_of
from neural_hive_ml.training.load_memory import fit_memory
from neural_hive_ml.training.load_mix import fit_weights
from neural_hive_ml.training.load_origins import (
    Origins,
    holdout_origins,
    hour_of_week_level,
    last_hour,
    origins_at,
    seasonal_naive,
    split_hours,
)
from neural_hive_ml.training.load_prophet import ProphetSettings, fit_prophet
from neural_hive_ml.training.load_shape import week_shape
from neural_hive_ml.training.request import Candidate, Progress, TrainingRequest, silent

Floats = npt.NDArray[np.float64]

# The part of the training hours that the base learns from before its residuals are measured on the rest.
_BASE_SHARE = 0.65
_GOLDEN = 8


def train_load(columns: TicketColumns, request: TrainingRequest, progress: Progress = silent) -> Candidate:
    """Train and measure a load predictor on completions up to `request.as_of_ms`; 1 to 5 s.

    Raises
    ------
    NotEnoughData
        When there are fewer than `min_samples` completed tickets or the series is shorter than about two weeks.
    TrainingFailed
        When the forecasting library fails.
    """
    hours, ahead = hours_of(columns, request), _hours_ahead(request)
    first = split_hours(hours, ahead)
    progress(f"load {ahead} h: {len(hours):,} hours, the last {len(hours) - first:,} held out")
    forecaster = fit_load(CountSeries(hours.start_ms, HOUR_MS, hours.counts[:first]), request)
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
        notes=(f"{len(origins.at_ms)} rolling origins; figures are of {ahead} h totals of completed tickets",),
    )
    model = PackedModel(
        name=name,
        family="load",
        algorithm=request.algorithm or "prophet",
        feature_set_version=FEATURE_SET_VERSION,
        arrays=pack(forecaster),
        documents={
            "timezone": forecaster.timezone,
            "inputs": input_names(),
            "outputs": output_names(forecaster.horizon_minutes),
        },
        policy={"coverage": 0.8},
        golden=_golden(forecaster, origins),
        profile=build_load_profile(hours.counts, hours.start_ms, request.timezone),
        lineage=lineage_of(columns, request),
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
    hours = completions(columns, request.as_of_ms, bucket_ms=HOUR_MS)
    done = int(hours.counts.sum())
    if done < request.min_samples:
        raise NotEnoughData(
            f"{done:,} completed tickets in the window, {request.min_samples:,} needed",
            have=done,
            need=request.min_samples,
            remedy="a longer --training-window-days, or a smaller --min-samples",
        )
    return hours.since(request.as_of_ms - request.window_days * DAY_MS)


def fit_load(hours: CountSeries, request: TrainingRequest) -> LoadForecaster:
    """Fit a forecaster on hourly counts; nothing after their end is looked at."""
    ahead = _hours_ahead(request)
    learned = int(len(hours) * _BASE_SHARE)
    early = _fit_base(CountSeries(hours.start_ms, HOUR_MS, hours.counts[:learned]), request)
    memory = _memory(early, hours, learned, ahead, request.timezone)
    raw = _forecaster(early, memory, request)
    origins = origins_at(hours, np.arange(learned, len(hours) - ahead + 1), ahead)
    modelled = raw.modelled(origins.counts, origins.at_ms)
    factor = centre_factor(origins.totals, modelled.sum(axis=1))
    ways = ways_of(origins.counts, modelled * factor)
    weights = fit_weights(origins.totals, ways.sum(axis=2))
    forecast = mix(weights, ways)
    return replace(
        raw,
        base=_fit_base(hours, request),
        spread=fit_spread(origins.totals, forecast.sum(axis=1)),
        bucket_spread=fit_spread(origins.truth.ravel(), forecast.ravel()),
        factor=factor,
        weights=weights,
    )


def centre_factor(truth: Floats, forecast: Floats) -> float:
    """Return c that makes sum |truth - c forecast| least (a weighted median of ratios), within [0.5, 2]."""
    some = forecast > 0
    if not some.any():
        return 1.0
    ratio, weight = truth[some] / forecast[some], forecast[some]
    order = np.argsort(ratio)
    middle = int(np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2.0))
    return float(np.clip(ratio[order][min(middle, len(order) - 1)], 0.5, 2.0))


def pack(forecaster: LoadForecaster) -> dict[str, npt.NDArray[np.generic]]:
    """Return the arrays of an artifact, which `LoadForecaster.load` reads."""
    return {
        **forecaster.base.to_arrays(),
        "memory.weights": forecaster.memory.weights,
        "memory.intercept": forecaster.memory.intercept,
        "spread.total": forecaster.spread.to_array(),
        "spread.bucket": forecaster.bucket_spread.to_array(),
        "factor": np.array([forecaster.factor]),
        "mix.weights": forecaster.weights,
    }


def _fit_base(hours: CountSeries, request: TrainingRequest) -> LoadBase:
    match request.algorithm:
        case None | "prophet":
            return fit_prophet(hours, request.timezone, ProphetSettings(), request.seed)
        case "seasonal_mean":
            local, value = local_ms(hours.times_ms(), request.timezone), np.log1p(hours.counts)
            shape = week_shape(value, week_slot(local, HOUR_MS))
            return LoadBase(local[-1:], np.array([float(np.nanmean(value[-672:]))]), shape)
        case other:
            raise UsageError(f"no load algorithm {other!r}", remedy="choose prophet or seasonal_mean")


def _memory(base: LoadBase, hours: CountSeries, first: int, ahead: int, timezone: str) -> ResidualMemory:
    usual = base.at(local_ms(hours.times_ms(), timezone))
    return fit_memory(np.log1p(hours.counts) - usual, np.expm1(usual).clip(0.0), first, ahead)


def _forecaster(base: LoadBase, memory: ResidualMemory, request: TrainingRequest) -> LoadForecaster:
    none = Spread(1.0, 1.0, 0.0, 0.0)
    only_model = np.eye(1, len(WAYS))[0]
    return LoadForecaster(base, memory, none, none, 1.0, only_model, _horizon(request), request.timezone)


def _answers(forecaster: LoadForecaster, origins: Origins) -> ForecastCases:
    total = forecaster.hourly(origins.counts, origins.at_ms).sum(axis=1)
    lower, upper = forecaster.spread.interval(total)
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
    return _horizon(request) // 60


def _horizon(request: TrainingRequest) -> int:
    if request.horizon_minutes not in LOAD_HORIZONS_MINUTES:
        raise UsageError(
            f"no load horizon of {request.horizon_minutes} minutes",
            remedy=f"choose one of {LOAD_HORIZONS_MINUTES}",
        )
    return request.horizon_minutes
