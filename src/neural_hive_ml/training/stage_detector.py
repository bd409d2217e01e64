"""Learn what is normal at one stage: tails of its signals, and a forest or an autoencoder over their rarities."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.evaluation.trial import Value
from neural_hive_ml.scoring import behaviour
from neural_hive_ml.scoring.autoencoder import PackedAutoencoder
from neural_hive_ml.scoring.forest import PackedForest
from neural_hive_ml.scoring.forest_pack import pack_forest
from neural_hive_ml.scoring.stage import StageDetector
from neural_hive_ml.scoring.tails import fit_tails
from neural_hive_ml.training.autoencoder import fit_autoencoder
from neural_hive_ml.training.provenance import skops_bytes

Floats = npt.NDArray[np.float64]
# The least step beyond its own tail that counts: a forest's score moves by hundredths, an error by tenths.
_FOREST_SCALE = 0.05
_ERROR_SCALE = 0.2
_FEWEST = 50


@dataclass(frozen=True, slots=True)
class ForestSettings:
    """What a search may change of the forest."""

    trees: int = 100
    subsample: int = 1024

    @staticmethod
    def of(values: Iterable[tuple[str, Value]]) -> "ForestSettings":
        """Return the defaults with some (name, value) in their place."""
        named: dict[str, Any] = dict(values)
        return replace(ForestSettings(), **named)


def fit_stage(
    signals: Floats, stage: str, seed: int, algorithm: str, forest: ForestSettings | None = None
) -> tuple[StageDetector, bytes]:
    """Fit on the signals [n, len(SIGNALS)] of one stage; returns the detector, its curve still flat, and the
    library's own forest or autoencoder as skops bytes.

    Raises
    ------
    NotEnoughData
        When there are fewer than 50 rows.
    """
    if len(signals) < _FEWEST:
        raise NotEnoughData(
            f"{len(signals)} rows at stage {stage}, {_FEWEST} needed",
            have=len(signals),
            need=_FEWEST,
            remedy="a longer --training-window-days",
        )
    positions = behaviour.positions(stage)
    scales = np.array([behaviour.SIGNALS[i].scale for i in positions])
    tails = fit_tails(signals[:, positions], scales)
    rarities = tails.rarity(signals[:, positions])
    whole: PackedForest | PackedAutoencoder
    if algorithm == "autoencoder":
        whole, estimator = fit_autoencoder(rarities, seed)
        scale = _ERROR_SCALE
    else:
        whole, estimator = _fit_forest(rarities, seed, forest or ForestSettings())
        scale = _FOREST_SCALE
    whole_tail = fit_tails(whole.score(rarities)[:, None], np.array([scale]))
    return StageDetector(positions, tails, whole, whole_tail, slope=1.0, intercept=0.0), skops_bytes(estimator)


def _fit_forest(rarities: Floats, seed: int, settings: ForestSettings) -> tuple[PackedForest, Any]:
    from sklearn.ensemble import IsolationForest

    estimator = IsolationForest(
        n_estimators=settings.trees,
        max_samples=min(settings.subsample, len(rarities)),
        random_state=seed,
        n_jobs=1,
    ).fit(rarities.astype(np.float32))
    return pack_forest(estimator), estimator
