"""The scheduling predictor: how long a ticket will take, judged against what its history alone would say."""

from hashlib import sha256

import numpy as np
import numpy.typing as npt

from neural_hive_ml.conventions import scheduling_model_name
from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.figure import Figure
from neural_hive_ml.evaluation.metrics import duration_metrics
from neural_hive_ml.evaluation.profile import model_profile
from neural_hive_ml.evaluation.verdict import BaselineFigure, Evaluation
from neural_hive_ml.features.binding import bind
from neural_hive_ml.features.frame import FeatureFrame
from neural_hive_ml.features.spec import FEATURE_SET_VERSION, INDEX, NAMES
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.adaptive import adapted
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.scoring.packed import GoldenRows, PackedModel
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.tickets.ticket import TASK_TYPES
from neural_hive_ml.training.durations import DurationRows, duration_rows
from neural_hive_ml.training.lineage import lineage_of
from neural_hive_ml.training.quantile_boosters import QuantileParameters
from neural_hive_ml.training.quantiles import fit_quantiles
from neural_hive_ml.training.request import Candidate, Progress, TrainingRequest, silent
from neural_hive_ml.training.split import TimeSplit, split_by_time
from neural_hive_ml.training.window import window_frame

Floats = npt.NDArray[np.float64]
FEWEST_HOLDOUT = 30
_SIX_HOURS_MS = 21_600_000
# Newest rows to learn from (0008 in docs/adr): a year of 280,000 flights taught 4 % more than its newest 60,000 rows.
_MOST_ROWS = 250_000


def train_duration(columns: TicketColumns, request: TrainingRequest, progress: Progress = silent) -> Candidate:
    """Train and measure the scheduling predictor on tickets known as of `request.as_of_ms`.

    Raises
    ------
    NotEnoughData
        When there are fewer than `min_samples` tickets, or too few with a run time in a part of the split.
    """
    split = split_by_time(columns, request.as_of_ms, request.min_samples)
    binding = bind(columns, request.timezone)
    frame, statistics = window_frame(columns, binding, ("created", "ended"), request.earlier)
    data = duration_rows(columns, frame.of_stage("created"), split)
    check_parts(data)
    use = data.fit | data.validation
    progress(f"scheduling: {int(use.sum()):,} tickets to learn from, {int(data.holdout.sum()):,} held out")
    fitted = fit_quantiles(
        data.rows[use],
        data.log_duration[use],
        data.validation[use],
        seed=request.seed,
        threads=request.threads,
        parameters=QuantileParameters.of(request.parameters),
        most_rows=_MOST_ROWS,
        algorithm=request.algorithm or "xgboost",
    )
    scorer = DurationScorer(fitted.quantiles, binding)
    cases, forecast = _judge(scorer, data, columns)
    answers = as_served(scorer, data, columns)
    fixed = float(np.mean((cases.truth >= forecast[:, 0]) & (cases.truth <= forecast[:, 2])))
    rng = np.random.default_rng(request.seed)
    evaluation = Evaluation(
        model_name=scheduling_model_name(request.algorithm or "xgboost"),
        primary="mae",
        metrics=duration_metrics(cases.truth, answers, cases.block, rng),
        baselines=baselines(data),
        holdout_from_ms=split.holdout_from_ms,
        holdout_until_ms=split.until_ms,
        notes=(
            f"validation MAE of the mixes, ms: { {k: round(v) for k, v in fitted.validation_mae_ms.items()} }",
            f"the interval moves with outcomes, known at each ticket's end; left where it was it covers {fixed:.3f}",
            "tickets still open at the end of the window are not judged: their run time is not known",
        ),
    )
    model = _pack(scorer, fitted.provenance, frame, statistics, data, columns, request, split)
    return Candidate(model, evaluation, cases, _figures(cases.truth, forecast))


def rescore_duration(model: PackedModel, columns: TicketColumns, request: TrainingRequest) -> HoldoutCases:
    """Let an existing model answer on the hold-out that `train_duration` of the same request judges on."""
    split = split_by_time(columns, request.as_of_ms, request.min_samples)
    scorer = DurationScorer.load(model)
    frame, _ = window_frame(columns, scorer.binding, ("created",), request.earlier)
    return _judge(scorer, duration_rows(columns, frame, split), columns)[0]


def as_served(scorer: DurationScorer, data: DurationRows, columns: TicketColumns) -> Floats:
    """Return [n, 3] ms that a service would have said of the hold-out, its interval moved by each ticket that had ended."""
    held = data.holdout
    log_quantiles = adapted(
        scorer.quantiles.log_quantiles(data.rows[held]),
        data.log_duration[held],
        columns.created_at_ms[data.ticket[held]],
        data.ended_at_ms[held],
        scorer.quantiles.step,
    )
    return np.asarray(np.expm1(log_quantiles))


def baselines(data: DurationRows) -> tuple[BaselineFigure, ...]:
    """Return the MAE in ms of what one would say without a model, on the hold-out, point in time."""
    truth = data.duration_ms[data.holdout]
    out = [
        BaselineFigure(name, "mae", float(np.mean(np.abs(guess - truth))))
        for name, guess in guesses_of(data).items()
    ]
    mean = max(float(truth.mean()), 1.0)
    return (*out, *(BaselineFigure(b.name, "relative_mae", b.value / mean) for b in out))


def guesses_of(data: DurationRows) -> dict[str, Floats]:
    """Return what each simple method says of the hold-out tickets, in ms, from what was known at their creation."""
    truth, rows = data.duration_ms[data.holdout], data.rows[data.holdout]
    known = data.duration_ms[data.fit | data.validation]
    guesses = {
        "global_median": np.full(len(truth), np.median(known)),
        "task_median": np.expm1(rows[:, INDEX["task_median"]]),
        "last_two_of_owner": np.expm1(rows[:, INDEX["owner_last_two"]]),
        "ew_log_mean_of_task": np.expm1(rows[:, INDEX["task_slow_mean"]]),
    }
    stated = rows[:, INDEX["has_estimate"]] > 0
    if stated.mean() > 0.5:
        estimate = np.where(stated, np.expm1(rows[:, INDEX["log_estimate"]]), guesses["task_median"])
        guesses["published_estimate"] = estimate
    return guesses


def check_parts(data: DurationRows) -> None:
    """Raise `NotEnoughData` when a part of the split has too few known run times."""
    for name, mask, need in (
        ("fit", data.fit, 100),
        ("validation", data.validation, FEWEST_HOLDOUT),
        ("hold-out", data.holdout, FEWEST_HOLDOUT),
    ):
        if int(mask.sum()) < need:
            raise NotEnoughData(
                f"{int(mask.sum())} completed tickets in the {name} part, {need} needed",
                have=int(mask.sum()),
                need=need,
                remedy="a longer --training-window-days",
            )


def _judge(scorer: DurationScorer, data: DurationRows, columns: TicketColumns) -> tuple[HoldoutCases, Floats]:
    forecast = scorer.forecast(data.rows[data.holdout])
    ticket = data.ticket[data.holdout]
    digest = sha256("\n".join(map(str, columns.ticket_id[ticket])).encode()).hexdigest()
    types = np.array(TASK_TYPES, dtype=object)[columns.task_type[ticket]]
    return HoldoutCases(
        "scheduling",
        digest,
        data.duration_ms[data.holdout],
        forecast[:, 1],
        columns.created_at_ms[ticket] // _SIX_HOURS_MS,
        slice_of=types,
    ), forecast


def _pack(
    scorer: DurationScorer,
    provenance: dict[str, bytes],
    frame: FeatureFrame,
    statistics: Statistics,
    data: DurationRows,
    columns: TicketColumns,
    request: TrainingRequest,
    split: TimeSplit,
) -> PackedModel:
    golden = golden_rows(data.rows[data.holdout])
    return PackedModel(
        name=scheduling_model_name(request.algorithm or "xgboost"),
        family="scheduling",
        algorithm=request.algorithm or "xgboost",
        feature_set_version=FEATURE_SET_VERSION,
        arrays=scorer.quantiles.to_arrays("duration"),
        documents={
            "binding": scorer.binding.to_document(),
            "inputs": list(NAMES),
            "outputs": ["duration_ms_p10", "duration_ms_p50", "duration_ms_p90"],
        },
        policy={"coverage": 0.8},
        golden=GoldenRows(golden, scorer.reproduce(golden), tolerance=1e-6),
        lineage=lineage_of(columns, request, split),
        statistics=statistics.snapshot(),
        profile=model_profile(frame, predictions=_out_of_sample(scorer, frame, data), timezone=request.timezone),
        provenance=provenance,
    )


def _out_of_sample(scorer: DurationScorer, frame: FeatureFrame, data: DurationRows) -> Floats:
    """Log forecasts of the hold-out tickets at their ended rows, NaN elsewhere: what drift compares residuals with."""
    answers = np.full(len(frame.rows), np.nan)
    log_forecast = np.full(int(frame.ticket.max()) + 1 if len(frame.ticket) else 0, np.nan)
    log_forecast[data.ticket[data.holdout]] = scorer.quantiles.log_quantiles(data.rows[data.holdout])[:, 1]
    ended = frame.stage == 2
    answers[ended] = log_forecast[frame.ticket[ended]]
    return answers


def golden_rows(rows: Floats, most: int = 64) -> Floats:
    """Return at most 64 rows, evenly spread."""
    return np.array(rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))])


def _figures(truth: Floats, forecast: Floats) -> tuple[Figure, ...]:
    some = np.unique(np.linspace(0, len(truth) - 1, min(2000, len(truth))).astype(int))
    return (
        Figure(
            "Duration: predicted against actual",
            "scatter",
            {"x": truth[some] / 1000, "y": forecast[some, 1] / 1000},
            "actual, s",
            "predicted, s",
        ),
    )
