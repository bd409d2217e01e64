"""The detectors of all stages with their thresholds: normal from fit, curve and threshold from validation, verdicts last."""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.scoring import behaviour
from neural_hive_ml.scoring.stage import StageDetector
from neural_hive_ml.training.correction import fit_correction
from neural_hive_ml.training.judged import JudgedRows
from neural_hive_ml.training.labels import missing_verdicts
from neural_hive_ml.training.stage_detector import ForestSettings, fit_stage
from neural_hive_ml.training.threshold import choose_threshold, fit_curve

Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class FittedStages:
    """Detectors and thresholds by stage, the rules that chose them in words, the libraries' own models as bytes."""

    detectors: dict[str, StageDetector] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)
    provenance: dict[str, bytes] = field(default_factory=dict)


def fit_stages(
    signals: Floats, judged: JudgedRows, algorithm: str, seed: int, forest: ForestSettings | None = None
) -> FittedStages:
    """Fit every stage on the signals [n, len(SIGNALS)] of `judged`.

    Raises
    ------
    NotEnoughData
        For too few rows, and for `learned` with too few verdicts before the hold-out, with the number missing.
    """
    taught = (judged.verdict >= 0) & (judged.part >= 0) & (judged.part < 2)
    if algorithm == "learned":
        _check_verdicts(judged)
    out = FittedStages()
    stage_names = np.array(behaviour.STAGES)[judged.frame.stage]
    for stage in behaviour.STAGES:
        mine = stage_names == stage
        # What people called an anomaly is not learned as normal, and what was learned from sets no threshold.
        normal = mine & (judged.part == 0) & (judged.label == 0)
        chosen_on = mine & (judged.part == 1)
        detector, library = fit_stage(signals[normal], stage, seed, algorithm, forest)
        kind = "autoencoder" if algorithm == "autoencoder" else "forest"
        out.provenance[f"{kind}-{stage}.skops"] = library
        if algorithm == "learned":
            chosen_on &= ~taught
            detector, library = _taught(detector, signals, judged, mine & taught, chosen_on, seed)
            out.provenance[f"learned-{stage}.ubj"] = library
        _choose(out, stage, detector, signals[chosen_on], judged.label[chosen_on])
    return out


def _choose(out: FittedStages, stage: str, detector: StageDetector, signals: Floats, label: Floats) -> None:
    raw = detector.raw(detector.rarities(signals))
    detector = detector.with_curve(*fit_curve(label, raw))
    chosen = choose_threshold(label, raw)
    out.detectors[stage] = detector
    out.thresholds[stage] = float(detector.probability(np.array([chosen.raw]))[0])
    out.rules.append(
        f"{stage}: {chosen.rule} (validation precision {chosen.precision:.2f}, recall {chosen.recall:.2f})"
    )


def _taught(
    detector: StageDetector,
    signals: Floats,
    judged: JudgedRows,
    taught: npt.NDArray[np.bool_],
    chosen_on: npt.NDArray[np.bool_],
    seed: int,
) -> tuple[StageDetector, bytes]:
    curve = fit_curve(judged.label[chosen_on], detector.raw(detector.rarities(signals[chosen_on])))
    rarities = detector.rarities(signals[taught])
    anomaly = (judged.verdict[taught] == 1).astype(np.float64)
    correction, library = fit_correction(rarities, detector.raw(rarities), anomaly, curve, seed)
    return replace(detector, correction=correction), library


def _check_verdicts(judged: JudgedRows) -> None:
    # One row a ticket: each has a row of its creation.
    mine = (judged.frame.stage == 0) & (judged.part >= 0) & (judged.part < 2)
    anomalies, normals = int((judged.verdict[mine] == 1).sum()), int((judged.verdict[mine] == 0).sum())
    missing = missing_verdicts(anomalies, normals)
    if missing:
        raise NotEnoughData(
            f"{anomalies + normals} settled verdicts before the hold-out ({anomalies} anomaly, {normals} normal): "
            f"{missing} more are needed",
            have=anomalies + normals,
            need=anomalies + normals + missing,
            remedy="judge tickets at approval-service /review, or train isolation_forest",
        )
