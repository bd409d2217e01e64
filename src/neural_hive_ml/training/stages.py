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
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]


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
        For too few rows.
    """
    taught = (judged.verdict >= 0) & (judged.part >= 0) & (judged.part < 2)
    out = FittedStages()
    stage_names = np.array(behaviour.STAGES)[judged.frame.stage]
    for stage in behaviour.STAGES:
        mine = stage_names == stage
        # What people called an anomaly is not learned as normal.
        normal = mine & (judged.part == 0) & (judged.label == 0)
        chosen_on = mine & (judged.part == 1)
        detector, library = fit_stage(signals[normal], stage, seed, algorithm, forest)
        kind = "autoencoder" if algorithm == "autoencoder" else "forest"
        out.provenance[f"{kind}-{stage}.skops"] = library
        label = judged.label[chosen_on]
        raw = detector.raw(detector.rarities(signals[chosen_on]))
        if algorithm == "learned":
            detector, raw, library = _taught(detector, signals, judged, mine & taught, chosen_on, seed)
            out.provenance[f"learned-{stage}.ubj"] = library
        _choose(out, stage, detector, raw, label)
    return out


def _choose(out: FittedStages, stage: str, detector: StageDetector, raw: Floats, label: Floats) -> None:
    detector = detector.with_curve(*fit_curve(label, raw))
    chosen = choose_threshold(label, raw)
    out.detectors[stage] = detector
    out.thresholds[stage] = float(detector.probability(np.array([chosen.raw]))[0])
    out.rules.append(
        f"{stage}: {chosen.rule} (validation precision {chosen.precision:.2f}, recall {chosen.recall:.2f})"
    )


def _taught(
    detector: StageDetector, signals: Floats, judged: JudgedRows, taught: Bools, chosen_on: Bools, seed: int
) -> tuple[StageDetector, Floats, bytes]:
    """Return the detector corrected by all verdicts, its raw scores of the rows that choose the threshold, XGBoost's model.

    A row of those that people judged is scored by a correction that has not seen its half of the verdicts: scored by one
    that has, it would look easier than it was; left out, the hard ones would be missing.
    """
    plain = detector.raw(detector.rarities(signals[chosen_on]))
    curve = fit_curve(judged.label[chosen_on], plain)
    where = np.flatnonzero(taught)

    def corrected(rows: Ints) -> tuple[StageDetector, bytes]:
        rarities = detector.rarities(signals[rows])
        anomaly = (judged.verdict[rows] == 1).astype(np.float64)
        correction, library = fit_correction(rarities, detector.raw(rarities), anomaly, curve, seed)
        return replace(detector, correction=correction), library

    final, library = corrected(where)
    raw = np.full(len(signals), np.nan)
    raw[chosen_on] = final.raw(final.rarities(signals[chosen_on]))
    # Halves in turn by place, so that both are of the same time; rows of one ticket have one place a stage.
    for half in (0, 1):
        held = np.intersect1d(where[half::2], np.flatnonzero(chosen_on))
        if len(held):
            other, _ = corrected(where[1 - half :: 2])
            raw[held] = other.raw(other.rarities(signals[held]))
    return final, raw[chosen_on], library


def check_verdicts(judged: JudgedRows) -> None:
    """Raise `NotEnoughData` with the number missing when people judged too few tickets before the hold-out."""
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
