"""Is a ticket anomalous, how sure, and why: isolation forest and tail rarities of its behaviour, at any stage of its life.

A row becomes one-sided signals (`behaviour`), each signal a rarity (`tails`); the isolation forest over all rarities is one
more: how strange the row is as a whole. The raw score is the greatest rarity plus half of the second greatest, so that one
outrageous signal suffices and two that agree count more; a logistic curve fitted on the validation window maps it to [0, 1].
The threshold is policy, kept apart (`policy["thresholds"]`, one a stage).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.spec import INDEX
from neural_hive_ml.scoring import behaviour
from neural_hive_ml.scoring.duration import DurationQuantiles
from neural_hive_ml.scoring.forest import PackedForest
from neural_hive_ml.scoring.packed import Arrays, PackedModel
from neural_hive_ml.scoring.tails import Tails

Floats = npt.NDArray[np.float64]
SECOND = 0.5


@dataclass(frozen=True, slots=True)
class StageDetector:
    """What is normal at one stage: tails of the signals known then, the forest over them, its own tail, the curve."""

    positions: npt.NDArray[np.intp]
    tails: Tails
    forest: PackedForest
    forest_tail: Tails
    slope: float
    intercept: float

    def rarities(self, signals: Floats) -> Floats:
        """Return [n, m + 1]: the rarity of each known signal and, last, of the row as a whole."""
        each = self.tails.rarity(signals[:, self.positions])
        whole = self.forest_tail.rarity(self.forest.score(each)[:, None])
        return np.hstack([each, whole])

    def raw(self, rarities: Floats) -> Floats:
        """Return [n]: the greatest rarity and half of the second."""
        two = np.partition(rarities, rarities.shape[1] - 2, axis=1)[:, -2:]
        return np.asarray(two[:, 1] + SECOND * two[:, 0])

    def probability(self, raw: Floats) -> Floats:
        """Map raw scores to [0, 1], increasing."""
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(self.slope * raw + self.intercept, -500, 500))))

    def with_curve(self, slope: float, intercept: float) -> "StageDetector":
        """Return the same detector with another curve to [0, 1]."""
        return replace(self, slope=slope, intercept=intercept)

    def to_arrays(self, stage: str) -> Arrays:
        """Return the arrays of an artifact."""
        return {
            f"{stage}.positions": self.positions.astype(np.int64),
            f"{stage}.knots": self.tails.knots,
            f"{stage}.slope": self.tails.slope,
            f"{stage}.forest_knots": self.forest_tail.knots,
            f"{stage}.forest_slope": self.forest_tail.slope,
            f"{stage}.curve": np.array([self.slope, self.intercept]),
            **self.forest.to_arrays(f"{stage}.forest"),
        }

    @staticmethod
    def from_arrays(arrays: Arrays, stage: str) -> "StageDetector":
        """Read the arrays of an artifact. Raises `ArtifactRefused`."""
        try:
            positions = np.asarray(arrays[f"{stage}.positions"], dtype=np.intp)
            if len(positions) == 0 or positions.min() < 0 or positions.max() >= len(behaviour.SIGNALS):
                raise ArtifactRefused(f"{stage}: unknown signals", remedy="train the model again")
            slope, intercept = (float(v) for v in arrays[f"{stage}.curve"])
            forest = PackedForest.from_arrays(arrays, f"{stage}.forest")
            tails = Tails.checked(arrays[f"{stage}.knots"], arrays[f"{stage}.slope"], len(positions))
            whole = Tails.checked(arrays[f"{stage}.forest_knots"], arrays[f"{stage}.forest_slope"], 1)
        except (KeyError, ValueError) as error:
            raise ArtifactRefused(
                f"{stage} arrays are incomplete: {error}", remedy="train the model again"
            ) from error
        if forest.columns != len(positions) or not (0 < slope < np.inf and np.isfinite(intercept)):
            raise ArtifactRefused(f"{stage} arrays do not fit each other", remedy="train the model again")
        return StageDetector(positions, tails, forest, whole, slope, intercept)


@dataclass(frozen=True, slots=True)
class Contribution:
    """One reason: the signal's name, its rarity (2: one in a hundred), and plain words."""

    signal: str
    rarity: float
    words: str


@dataclass(frozen=True, slots=True)
class AnomalyVerdict:
    """The detector's answer about one row.

    `score` in [0, 1] is calibrated on the validation window; `is_anomaly` is score >= `threshold`. `severity`: low below the
    threshold, medium from it, high from halfway to 1, critical from nine tenths of the way. `confidence` is the score where
    anomalous, else 1 - score.
    """

    is_anomaly: bool
    score: float
    threshold: float
    anomaly_type: str
    severity: str
    confidence: float
    explanation: str
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class AnomalyScorer:
    """A loaded anomaly detector."""

    binding: FeatureBinding
    duration: DurationQuantiles
    stages: Mapping[str, StageDetector]
    thresholds: Mapping[str, float]

    @staticmethod
    def load(model: PackedModel) -> "AnomalyScorer":
        """Load from an artifact. Raises `ArtifactRefused`."""
        thresholds = model.policy.get("thresholds", {})
        numbers = all(isinstance(t, int | float) and 0 <= t <= 1 for t in thresholds.values())
        if set(thresholds) != set(behaviour.STAGES) or not numbers:
            raise ArtifactRefused(
                f"policy lacks a threshold in [0, 1] for each stage: {thresholds}", remedy="train the model again"
            )
        return AnomalyScorer(
            FeatureBinding.from_document(model.documents["binding"]),
            DurationQuantiles.from_arrays(model.arrays, "duration"),
            {stage: StageDetector.from_arrays(model.arrays, stage) for stage in behaviour.STAGES},
            {stage: float(value) for stage, value in thresholds.items()},
        )

    def score(self, rows: Floats) -> Floats:
        """Return [n] scores in [0, 1] for feature rows [n, COLUMN_COUNT] of any stages."""
        log_quantiles = self.duration.log_quantiles(rows)
        signals = behaviour.signals(rows, log_quantiles)
        out = np.empty(len(rows))
        stage = stages_of(rows)
        for name, detector in self.stages.items():
            mine = stage == name
            if mine.any():
                out[mine] = detector.probability(detector.raw(detector.rarities(signals[mine])))
        return out

    def flagged(self, rows: Floats) -> npt.NDArray[np.bool_]:
        """Return [n]: whether each row's score reaches the threshold of its stage."""
        limits = np.array([self.thresholds[s] for s in stages_of(rows)])
        return np.asarray(self.score(rows) >= limits)

    def decide(self, row: Floats) -> AnomalyVerdict:
        """Judge one feature row [COLUMN_COUNT] and say why."""
        rows = row[None]
        log_quantiles = self.duration.log_quantiles(rows)
        signals = behaviour.signals(rows, log_quantiles)
        name = str(stages_of(rows)[0])
        detector = self.stages[name]
        rarities = detector.rarities(signals)
        score = float(detector.probability(detector.raw(rarities))[0])
        threshold = self.thresholds[name]
        anomalous = score >= threshold
        reasons = (
            contributions(row, log_quantiles[0], signals[0], rarities[0], detector.positions) if anomalous else ()
        )
        return AnomalyVerdict(
            is_anomaly=anomalous,
            score=score,
            threshold=threshold,
            anomaly_type=anomaly_type(reasons) if anomalous else "",
            severity=severity(score, threshold),
            confidence=score if anomalous else 1.0 - score,
            explanation="; ".join(r.words for r in reasons) if reasons else "within what is usual",
            contributions=reasons,
        )

    def reproduce(self, rows: Floats) -> Floats:
        """Return what golden rows expect: [g] scores."""
        return self.score(rows)


def stages_of(rows: Floats) -> npt.NDArray[np.str_]:
    """Return the stage name of each row, from its own flags."""
    ended, running = rows[:, INDEX["is_ended"]] > 0, rows[:, INDEX["is_running"]] > 0
    return np.where(ended, behaviour.ENDED, np.where(running, behaviour.RUNNING, behaviour.CREATED))


def severity(score: float, threshold: float) -> str:
    """Name how far beyond the threshold a score lies; see `AnomalyVerdict`."""
    if score < threshold:
        return "low"
    way = (score - threshold) / max(1.0 - threshold, 1e-9)
    return "critical" if way >= 0.9 else "high" if way >= 0.5 else "medium"


def contributions(
    row: Floats,
    log_quantiles: Floats,
    signals: Floats,
    rarities: Floats,
    positions: npt.NDArray[np.intp],
    most: int = 3,
) -> tuple[Contribution, ...]:
    """Return the rarest signals of a row, rarest first, in plain words; at least one."""
    from neural_hive_ml.scoring.explain import words_for

    order = np.argsort(-rarities[:-1], kind="stable")[:most]
    out = []
    for rank, k in enumerate(order):
        if rank > 0 and rarities[k] < 1.5:
            break
        signal = behaviour.SIGNALS[positions[k]]
        words = words_for(signal, row, log_quantiles, float(signals[positions[k]]))
        out.append(Contribution(signal.name, float(rarities[k]), words))
    return tuple(out)


def anomaly_type(reasons: tuple[Contribution, ...]) -> str:
    """Return the anomaly type that the rarest signal speaks for."""
    if not reasons:
        return "unknown"
    return behaviour.SIGNALS[behaviour.NAMES.index(reasons[0].signal)].anomaly_type
