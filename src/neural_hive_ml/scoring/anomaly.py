"""Is a ticket anomalous, how sure, and why: tail rarities of its behaviour, alone and as a whole, at any stage of its life.

A row becomes one-sided signals (`behaviour`), each signal a rarity (`tails`); an isolation forest or an autoencoder over all
rarities is one more: how strange the row is as a whole. The raw score is the greatest rarity plus half of the second
greatest, so that one outrageous signal suffices and two that agree count more; verdicts may correct it (`correction`); a
logistic curve fitted on the validation window maps it to [0, 1]. The threshold is policy, kept apart
(`policy["thresholds"]`, one a stage).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.spec import INDEX
from neural_hive_ml.scoring import behaviour
from neural_hive_ml.scoring.duration import DurationQuantiles
from neural_hive_ml.scoring.explain import words_for
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.scoring.stage import StageDetector

Floats = npt.NDArray[np.float64]
_ENDED_COLUMN, _RUNNING_COLUMN = INDEX["is_ended"], INDEX["is_running"]


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
        # Detectors point into this list: one written for another list would read the wrong columns.
        if list(model.documents.get("signals", ())) != list(behaviour.NAMES):
            raise ArtifactRefused(
                "it reads other signals than this release makes",
                remedy="train the model again",
                kind="feature_set",
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
        return np.asarray(self.score(rows) >= self.limits(rows))

    def limits(self, rows: Floats) -> Floats:
        """Return [n]: the threshold of each row's stage."""
        return np.array([self.thresholds[s] for s in stages_of(rows)])

    def decide(self, row: Floats) -> AnomalyVerdict:
        """Judge one feature row [COLUMN_COUNT] and say why."""
        rows = row[None]
        log_quantiles = self.duration.log_quantiles(rows)
        signals = behaviour.signals(rows, log_quantiles)
        name = stage_of(row)
        detector = self.stages[name]
        rarities = detector.rarities(signals)
        score = detector.probability_of(float(detector.raw(rarities)[0]))
        threshold = self.thresholds[name]
        anomalous = score >= threshold
        reasons = (
            contributions(
                row, log_quantiles[0], signals[0], rarities[0], detector.positions, self.binding.parameter_names
            )
            if anomalous
            else ()
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


def stage_of(row: Floats) -> str:
    """Return the stage name of one row."""
    if row[_ENDED_COLUMN] > 0:
        return behaviour.ENDED
    return behaviour.RUNNING if row[_RUNNING_COLUMN] > 0 else behaviour.CREATED


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
    parameters: Sequence[str] = (),
    most: int = 3,
) -> tuple[Contribution, ...]:
    """Return the rarest signals of a row, rarest first, in plain words; at least one."""
    rare, place = rarities[:-1].tolist(), positions.tolist()
    at, usual, values = row.tolist(), log_quantiles.tolist(), signals.tolist()
    out: list[Contribution] = []
    for k in sorted(range(len(rare)), key=rare.__getitem__, reverse=True)[:most]:
        if out and rare[k] < 1.5:
            break
        signal = behaviour.SIGNALS[place[k]]
        words = words_for(signal, at, usual, values[place[k]], parameters)
        out.append(Contribution(signal.name, rare[k], words))
    return tuple(out)


def anomaly_type(reasons: tuple[Contribution, ...]) -> str:
    """Return the anomaly type that the rarest signal speaks for."""
    if not reasons:
        return "unknown"
    return behaviour.SIGNALS[behaviour.NAMES.index(reasons[0].signal)].anomaly_type
