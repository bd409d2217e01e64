"""The anomaly detector: learn what is normal from the fit part, set the threshold on validation, judge on the hold-out."""

import numpy as np
import numpy.typing as npt

from neural_hive_ml.conventions import anomaly_model_name
from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.figure import Figure
from neural_hive_ml.evaluation.metrics import anomaly_metrics
from neural_hive_ml.evaluation.profile import model_profile
from neural_hive_ml.evaluation.verdict import Evaluation, Metric
from neural_hive_ml.features.binding import FeatureBinding, bind
from neural_hive_ml.features.frame import FeatureFrame
from neural_hive_ml.features.spec import FEATURE_SET_VERSION, NAMES
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring import behaviour
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.scoring.packed import GoldenRows, PackedModel
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.training.anomaly_baselines import raw_forest_baseline
from neural_hive_ml.training.duration import golden_rows
from neural_hive_ml.training.durations import DurationRows, duration_rows
from neural_hive_ml.training.judged import JudgedRows, judged_rows
from neural_hive_ml.training.lineage import lineage_of
from neural_hive_ml.training.quantiles import FittedQuantiles, fit_quantiles
from neural_hive_ml.training.request import Candidate, Progress, TrainingRequest, silent
from neural_hive_ml.training.split import TimeSplit, split_by_time
from neural_hive_ml.training.stage_detector import ForestSettings
from neural_hive_ml.training.stages import check_verdicts, fit_stages
from neural_hive_ml.training.window import window_frame

Floats = npt.NDArray[np.float64]
_SIX_HOURS_MS = 21_600_000


def train_anomaly(columns: TicketColumns, request: TrainingRequest, progress: Progress = silent) -> Candidate:
    """Train and measure the anomaly detector on tickets known as of `request.as_of_ms`.

    Raises
    ------
    NotEnoughData
        When there are fewer than `min_samples` tickets or too few with a known run time; for `learned`, when too few
        verdicts were settled before the hold-out.
    """
    algorithm = request.algorithm or "isolation_forest"
    split = split_by_time(columns, request.as_of_ms, request.min_samples)
    binding = bind(columns, request.timezone)
    frame, statistics = window_frame(columns, binding, ("created", "ended"), request.earlier)
    data = duration_rows(columns, frame.of_stage("created"), split)
    progress(f"anomaly: run times of {int(data.fit.sum()):,} tickets, to know a surprise by")
    frozen = frozen_durations(data, request)
    judged = judged_of(columns, binding, split, request)
    progress(
        f"anomaly: {int((judged.part == 0).sum()):,} rows to learn from, {int((judged.kind != '').sum()):,} of anomalies"
    )
    if algorithm == "learned":
        check_verdicts(judged)
    signals = behaviour.signals(judged.frame.rows, frozen.quantiles.log_quantiles(judged.frame.rows))
    fitted = fit_stages(signals, judged, algorithm, request.seed, ForestSettings.of(request.parameters))
    provenance = {**frozen.provenance, **fitted.provenance}
    scorer = AnomalyScorer(binding, frozen.quantiles, fitted.detectors, fitted.thresholds)
    cases = _judge(scorer, judged)
    evaluation = _evaluate(scorer, judged, cases, split, request, fitted.rules)
    model = _pack(scorer, provenance, frame, statistics, judged, columns, request, split, fitted.rules)
    return Candidate(model, evaluation, cases, _figures(scorer, cases))


def rescore_anomaly(model: PackedModel, columns: TicketColumns, request: TrainingRequest) -> HoldoutCases:
    """Let an existing detector answer on the hold-out that `train_anomaly` of the same request judges on."""
    split = split_by_time(columns, request.as_of_ms, request.min_samples)
    scorer = AnomalyScorer.load(model)
    return _judge(scorer, judged_of(columns, scorer.binding, split, request))


def judged_of(
    columns: TicketColumns, binding: FeatureBinding, split: TimeSplit, request: TrainingRequest
) -> JudgedRows:
    """Return the rows that judge the detectors of a request."""
    return judged_rows(columns, binding, split, request.seed, labels=request.labels, earlier=request.earlier)


def frozen_durations(data: DurationRows, request: TrainingRequest) -> FittedQuantiles:
    """Quantiles of run time for the surprise: fitted on the earlier part of fit, so that most rows are out of sample."""
    check_known_durations(data)
    ended = data.ended_at_ms[data.fit]
    later = ended >= np.quantile(ended, 0.8)
    return fit_quantiles(
        data.rows[data.fit], data.log_duration[data.fit], later, seed=request.seed, threads=request.threads
    )


def check_known_durations(data: DurationRows) -> None:
    """Raise `NotEnoughData` when too few run times are known to tell a surprise by."""
    known = int(data.fit.sum())
    if known < 100:
        raise NotEnoughData(
            f"{known} completed tickets in the fit part, 100 needed",
            have=known,
            need=100,
            remedy="a longer --training-window-days",
        )


def _judge(scorer: AnomalyScorer, judged: JudgedRows) -> HoldoutCases:
    """Answers on the ended rows of the hold-out: the stage at which everything injected can be seen."""
    mine = (judged.part == 2) & (judged.frame.stage == 2)
    rows = judged.frame.rows[mine]
    score = scorer.score(rows)
    flagged = (score >= scorer.thresholds[behaviour.ENDED]).astype(float)
    return HoldoutCases(
        "anomaly",
        judged.digest,
        judged.label[mine],
        flagged,
        judged.created_at_ms[mine] // _SIX_HOURS_MS,
        score,
        np.where(judged.kind[mine] == "", "untouched", judged.kind[mine]),
    )


def _evaluate(
    scorer: AnomalyScorer,
    judged: JudgedRows,
    cases: HoldoutCases,
    split: TimeSplit,
    request: TrainingRequest,
    rules: list[str],
) -> Evaluation:
    assert cases.score is not None
    assert cases.slice_of is not None
    rng = np.random.default_rng(request.seed)
    metrics = anomaly_metrics(cases.truth, cases.predicted, cases.score, cases.block, rng)
    slices = []
    for kind in sorted(set(cases.slice_of.tolist()) - {"untouched"}):
        mine = cases.slice_of == kind
        slices.append(Metric(f"recall of {kind}", float(cases.predicted[mine].mean()), int(mine.sum())))
    for stage, code in (("created", 0), ("running", 1)):
        mine = (judged.part == 2) & (judged.frame.stage == code)
        if judged.label[mine].sum() == 0:
            continue
        score = scorer.score(judged.frame.rows[mine])
        flagged = (score >= scorer.thresholds[stage]).astype(float)
        block = judged.created_at_ms[mine] // _SIX_HOURS_MS
        at_stage = anomaly_metrics(judged.label[mine], flagged, score, block, rng)
        slices += [
            Metric(f"{m.name} at stage {stage}", m.value, m.n, m.low, m.high, positives=m.positives)
            for m in at_stage[:4]
        ]
    return Evaluation(
        model_name=anomaly_model_name(request.algorithm or "isolation_forest"),
        primary="f1",
        metrics=metrics,
        baselines=raw_forest_baseline(judged, request.seed),
        holdout_from_ms=split.holdout_from_ms,
        holdout_until_ms=split.until_ms,
        slices=tuple(slices),
        notes=(
            "truth: injected anomalies of named kinds, 2 % of tickets; genuine outliers count as false alarms",
            *_of_verdicts(judged),
            *rules,
        ),
    )


def _of_verdicts(judged: JudgedRows) -> tuple[str, ...]:
    mine = (judged.part == 2) & (judged.frame.stage == 2)
    named, cleared = int((judged.verdict[mine] == 1).sum()), int((judged.verdict[mine] == 0).sum())
    if not named + cleared:
        return ()
    return (
        f"{named} tickets of the hold-out that people called anomalies are truth too; {cleared} they called normal",
    )


def _pack(
    scorer: AnomalyScorer,
    provenance: dict[str, bytes],
    frame: FeatureFrame,
    statistics: Statistics,
    judged: JudgedRows,
    columns: TicketColumns,
    request: TrainingRequest,
    split: TimeSplit,
    rules: list[str],
) -> PackedModel:
    arrays = scorer.duration.to_arrays("duration")
    for stage, detector in scorer.stages.items():
        arrays.update(detector.to_arrays(stage))
    golden = golden_rows(judged.frame.rows[judged.part == 2])
    algorithm = request.algorithm or "isolation_forest"
    return PackedModel(
        name=anomaly_model_name(algorithm),
        family="anomaly",
        algorithm=algorithm,
        feature_set_version=FEATURE_SET_VERSION,
        arrays=arrays,
        documents={
            "binding": scorer.binding.to_document(),
            "inputs": list(NAMES),
            "outputs": ["anomaly_score"],
            "signals": list(behaviour.NAMES),
        },
        policy={"thresholds": dict(scorer.thresholds), "rules": rules},
        golden=GoldenRows(golden, scorer.reproduce(golden), tolerance=1e-9),
        lineage=lineage_of(columns, request, split),
        statistics=statistics.snapshot(),
        profile=model_profile(
            frame,
            predictions=_out_of_sample(scorer, frame, columns, split),
            of_durations=False,
            timezone=request.timezone,
        ),
        provenance=provenance,
    )


def _out_of_sample(scorer: AnomalyScorer, frame: FeatureFrame, columns: TicketColumns, split: TimeSplit) -> Floats:
    """Scores of tickets that no detector learned from at their ended rows, NaN elsewhere: what drift compares with."""
    scores = np.full(len(frame.rows), np.nan)
    unseen = (frame.stage == 2) & (columns.created_at_ms[frame.ticket] >= split.validation_from_ms)
    scores[unseen] = scorer.score(frame.rows[unseen])
    return scores


def _figures(scorer: AnomalyScorer, cases: HoldoutCases) -> tuple[Figure, ...]:
    assert cases.score is not None
    logit = np.log10(np.clip(cases.score, 1e-6, 1))
    return (
        Figure(
            "Anomaly score on the hold-out",
            "histogram",
            {"untouched": logit[cases.truth == 0], "injected": logit[cases.truth == 1]},
            "log10 of the score",
            "tickets",
            marks={"threshold": float(np.log10(max(scorer.thresholds[behaviour.ENDED], 1e-6)))},
        ),
    )
