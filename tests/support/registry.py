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
