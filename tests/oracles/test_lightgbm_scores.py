"""The packed quantiles against LightGBM itself: 1e-12, on thresholds too, and from the artifact's own files."""

import json

import lightgbm as lgb
import numpy as np
import pytest
from tests.support.trained import generated, request

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.features.spec import CREATION_COUNT
from neural_hive_ml.registry.files import write_artifact
from neural_hive_ml.scoring.double_trees import DoubleTrees, pack_lightgbm
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.training.families import train_family
from neural_hive_ml.training.quantile_boosters import QuantileParameters, boost_lightgbm
from neural_hive_ml.training.request import Candidate


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    columns = generated()
    return train_family(columns, request("scheduling", columns, algorithm="lightgbm"))


def test_packed_trees_answer_as_the_library_does() -> None:
    rng = np.random.default_rng(3)
    # Few distinct values, so that rows fall on thresholds.
    x = np.round(rng.normal(size=(800, 6)), 1).astype(np.float32)
    y = 9.0 + x[:, 0] * x[:, 1] + rng.normal(size=800)
    boosted = boost_lightgbm(
        x[:600], y[:600], x[600:], y[600:], QuantileParameters(min_child_weight=3.0), 1, 1, None
    )
    texts = json.loads(boosted.files[".lightgbm.json"])
    models = [lgb.Booster(model_str=text) for text in texts]
    # Beside zero LightGBM's own reader of its text is an ulp off what it wrote; nothing real lies there.
    sizes = np.abs(boosted.trees.threshold)
    thresholds = boosted.trees.threshold[np.isfinite(sizes) & (sizes > 1e-30)]
    on_edges = np.nextafter(rng.choice(thresholds, (300, 6)), -np.inf).astype(np.float32)
    odd = np.array([[np.nan] * 6, [np.inf] * 6, [-np.inf] * 6, [0.0] * 6], dtype=np.float32)
    rows = np.vstack([x, on_edges, np.nextafter(on_edges, np.inf), rng.normal(size=(500, 6)) * 3, odd]).astype(
        "f4"
    )
    expected = np.column_stack([model.predict(rows, num_threads=1) for model in models])
    assert np.abs(boosted.trees.margin(rows) - expected).max() <= 1e-12
    one_by_one = np.vstack([boosted.trees.margin(row[None]) for row in rows[:50]])
    assert np.abs(one_by_one - expected[:50]).max() <= 1e-12


def test_a_lightgbm_model_is_one_of_its_own_that_serves_what_it_was_judged_by(candidate: Candidate) -> None:
    model = candidate.model
    assert (model.name, model.algorithm) == ("scheduling-predictor-lightgbm", "lightgbm")
    assert candidate.evaluation.model_name == model.name
    scorer = DurationScorer.load(model)
    assert np.array_equal(scorer.reproduce(model.golden.rows), model.golden.expected)
    direct = json.loads(model.provenance["duration-direct.lightgbm.json"])
    rows = model.golden.rows[:, :CREATION_COUNT].astype(np.float32)
    theirs = np.column_stack([lgb.Booster(model_str=text).predict(rows, num_threads=1) for text in direct])
    assert scorer.quantiles.direct is not None
    assert np.abs(scorer.quantiles.direct.margin(rows) - theirs).max() <= 1e-12


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
def test_the_same_data_and_seed_give_the_same_bytes(algorithm: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    columns = generated()
    digests = set()
    for i in range(2):
        made = train_family(columns, request("scheduling", columns, algorithm=algorithm))
        digests.add(write_artifact(made.model, tmp_path / str(i), None).digest)
    assert len(digests) == 1


def test_arrays_that_lead_astray_are_refused(candidate: Candidate) -> None:
    arrays = {k: v for k, v in candidate.model.arrays.items() if k.startswith("duration.direct.")}
    DoubleTrees.from_arrays(arrays, "duration.direct")
    for name, broken in (("child", -1), ("feature", 10_000), ("group", 7), ("leaf", np.nan)):
        changed = dict(arrays)
        changed[f"duration.direct.{name}"] = np.full_like(arrays[f"duration.direct.{name}"], broken)
        with pytest.raises(ArtifactRefused):
            DoubleTrees.from_arrays(changed, "duration.direct")
    del arrays["duration.direct.leaf"]
    with pytest.raises(ArtifactRefused, match="incomplete"):
        DoubleTrees.from_arrays(arrays, "duration.direct")


def test_splits_without_a_packed_form_are_refused() -> None:
    leaf = {"leaf_value": 1.0}
    split = {"split_feature": 0, "threshold": 1.0, "left_child": leaf, "right_child": leaf}
    for odd in ({"decision_type": "==", "missing_type": "None"}, {"decision_type": "<=", "missing_type": "NaN"}):
        with pytest.raises(ArtifactRefused, match="no packed form"):
            pack_lightgbm([{"max_feature_idx": 0, "tree_info": [{"tree_structure": {**split, **odd}}]}])
