"""A small packed model with a real (linear) scorer, and the figures that go with it."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.verdict import BaselineFigure, Evaluation, FloorCheck, Metric, Outcome, Verdict
from neural_hive_ml.scoring.packed import GoldenRows, PackedModel

NAME = "anomaly-detector-isolation_forest"


class LinearScorer:
    """score = 1 / (1 + exp(-rows @ weights)); enough of a model to have golden rows that mean something."""

    def __init__(self, model: PackedModel) -> None:
        self._weights = model.arrays["weights"]

    def reproduce(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        scores: npt.NDArray[np.float64] = 1.0 / (1.0 + np.exp(-(rows @ self._weights)))
        return scores


def linear_model(name: str = NAME, seed: int = 1, **changes: Any) -> PackedModel:
    """Make a model; another seed makes another one."""
    random = np.random.default_rng(seed)
    weights = random.normal(size=3)
    rows = random.normal(size=(4, 3))
    model = PackedModel(
        name=name,
        family="anomaly",
        algorithm="isolation_forest",
        feature_set_version="1",
        arrays={"weights": weights, "nodes": np.arange(6, dtype=np.int32).reshape(2, 3)},
        documents={"inputs": ["risk_weight", "retry_count", "surprise"], "outputs": ["score"]},
        policy={"threshold": 0.6},
        golden=GoldenRows(rows=rows, expected=1.0 / (1.0 + np.exp(-(rows @ weights)))),
        lineage={
            "window_from_ms": 1_357_000_000_000,
            "window_until_ms": 1_372_000_000_000,
            "data_digest": "d1" * 32,
            "tickets": 4,
            "seed": seed,
            "environment": {"python": "3.11.2", "numpy": "2.4.6"},
        },
        statistics={"medians": random.normal(size=5)},
        profile={"features": {"surprise": {"edges": [0.0, 1.0], "share": [0.5, 0.5]}}},
        provenance={"model.skops": b"\x00\x01not a pickle"},
    )
    return replace(model, **changes)


def evaluation(name: str = NAME, f1: float = 0.81) -> Evaluation:
    """Figures of a candidate on its hold-out."""
    return Evaluation(
        model_name=name,
        primary="f1",
        metrics=(
            Metric("f1", f1, 900, f1 - 0.03, f1 + 0.03, positives=40),
            Metric("precision", 0.86, 900, 0.8, 0.9, positives=40),
        ),
        baselines=(BaselineFigure("flag_longest", "f1", 0.31),),
        holdout_from_ms=1_370_000_000_000,
        holdout_until_ms=1_372_000_000_000,
        slices=(Metric("f1[task_type=BUILD]", 0.78, 300),),
        notes=("truth: seeded injections",),
    )


def verdict(outcome: Outcome = Outcome.PROMOTE) -> Verdict:
    """A gate's answer."""
    return Verdict(
        outcome=outcome,
        reasons=("f1 0.81 is above the floor 0.65", "no champion yet"),
        floors=(FloorCheck("f1", 0.81, 0.65, ">", True, "guide"),),
    )


def duration_model(name: str = "scheduling-predictor-xgboost", seed: int = 1) -> PackedModel:
    """Train a very small real duration model, as serving would load it; takes about 0.2 s."""
    import xgboost as xgb

    from neural_hive_ml.features.binding import FeatureBinding
    from neural_hive_ml.features.spec import CREATION_COUNT, FEATURE_SET_VERSION, NAMES
    from neural_hive_ml.scoring.booster import pack_booster
    from neural_hive_ml.scoring.duration import LEVELS, DurationQuantiles, DurationScorer

    random = np.random.default_rng(seed)
    rows = random.normal(size=(200, len(NAMES)))
    settings = {"objective": "reg:quantileerror", "quantile_alpha": list(LEVELS), "max_depth": 3, "seed": seed,
                "nthread": 1}  # fmt: skip
    data = xgb.DMatrix(rows[:, :CREATION_COUNT].astype(np.float32), 8.0 + rows[:, 0])
    booster = xgb.train(settings, data, 5)
    packed = pack_booster(bytes(booster.save_raw("json")))
    scorer = DurationScorer(DurationQuantiles(packed, None, 0.0, (0.1, 0.1)), FeatureBinding())
    return PackedModel(
        name=name,
        family="scheduling",
        algorithm="xgboost",
        feature_set_version=FEATURE_SET_VERSION,
        arrays=scorer.quantiles.to_arrays("duration"),
        documents={
            "binding": scorer.binding.to_document(),
            "inputs": list(NAMES),
            "outputs": ["duration_ms_p10", "duration_ms_p50", "duration_ms_p90"],
        },
        policy={"coverage": 0.8},
        golden=GoldenRows(rows[:16], scorer.reproduce(rows[:16]), tolerance=1e-6),
        lineage={"data_digest": "d2" * 32, "seed": seed},
        provenance={"duration-direct.ubj": bytes(booster.save_raw("ubj"))},
    )
