"""Packed boosted trees against XGBoost's own prediction, to the last float32 bit."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.kernels import BOTH, NEEDS_KERNEL

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.scoring.booster import PackedBooster, pack_booster

Rows = npt.NDArray[np.float32]
QUANTILES = {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}
KINDS: dict[str, dict[str, Any]] = {
    "quantiles": QUANTILES,
    "one quantile": {"objective": "reg:quantileerror", "quantile_alpha": 0.5},
    "squared error": {"objective": "reg:squarederror"},
    "absolute error": {"objective": "reg:absoluteerror"},
    "pseudo huber": {"objective": "reg:pseudohubererror"},
    "logistic": {"objective": "binary:logistic"},
    "logistic, rare": {"objective": "binary:logistic", "base_score": 0.003},
    "stumps": {"objective": "reg:squarederror", "max_depth": 1},
    "leaves only": {"objective": "reg:squarederror", "gamma": 1e9},
    "forests of trees": {"objective": "reg:squarederror", "num_parallel_tree": 3},
    "lossguide": {"objective": "reg:squarederror", "grow_policy": "lossguide", "max_leaves": 9, "max_depth": 0},
}


def data(seed: int = 0, n: int = 500, columns: int = 5, missing: float = 0.2) -> tuple[Rows, Rows]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, columns)).astype(np.float32)
    x[:, 1] = np.round(x[:, 1])
    y = x[:, 0] + np.sin(3 * x[:, 2]) + random.normal(0, 0.2, n)
    x[random.random(x.shape) < missing] = np.nan
    return x, y.astype(np.float32)


def fitted(rounds: int = 30, **settings: Any) -> xgb.Booster:
    x, y = data()
    if settings["objective"] == "binary:logistic":
        y = (y > 1).astype(np.float32)
    common = {"max_depth": 4, "learning_rate": 0.3, "nthread": 1, "seed": 7, "max_bin": 64}
    return xgb.train(common | settings, xgb.DMatrix(x, y), rounds)


def theirs(booster: xgb.Booster, x: Rows) -> Rows:
    return np.asarray(booster.predict(xgb.DMatrix(x), output_margin=True), dtype=np.float32).reshape(len(x), -1)


def pack(booster: xgb.Booster) -> PackedBooster:
    return pack_booster(bytes(booster.save_raw("json")))


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_margins_are_xgboost_s_to_the_bit(kind: str, compiled: bool) -> None:
    booster = fitted(**KINDS[kind])
    packed = pack(booster)
    for missing in (0.0, 0.2, 1.0):
        x, _ = data(seed=9, n=300, missing=missing)
        mine = packed.margin(x, compiled=compiled)
        assert mine.dtype == np.float32
        assert mine.tobytes() == theirs(booster, x).tobytes()


@BOTH
@pytest.mark.parametrize("rounds", [1, 3, 8, 17])
def test_any_number_of_trees(rounds: int, compiled: bool) -> None:
    """Eight trees are walked at once; what is left over is walked alone."""
    booster = fitted(rounds=rounds, objective="reg:squarederror")
    x, _ = data(seed=2, n=50)
    assert pack(booster).margin(x, compiled=compiled).tobytes() == theirs(booster, x).tobytes()


def test_early_stopping_is_cut_at_the_best_round() -> None:
    """Saved whole, a booster predicts with the trees after its best round too: a known trap."""
    x, y = data(missing=0.0)
    noise = np.random.default_rng(1).normal(size=len(y)).astype(np.float32)
    whole = xgb.train(
        {"objective": "reg:squarederror", "learning_rate": 0.5, "max_depth": 6, "nthread": 1},
        xgb.DMatrix(x[:300], y[:300] + 2 * noise[:300]),
        80,
        evals=[(xgb.DMatrix(x[300:], y[300:]), "later")],
        early_stopping_rounds=10,
        verbose_eval=False,
    )
    best = whole.best_iteration
    assert best + 1 < whole.num_boosted_rounds(), "the case needs rounds beyond the best"
    cut = whole[: best + 1]
    expected = np.asarray(whole.predict(xgb.DMatrix(x), iteration_range=(0, best + 1)), dtype=np.float32)
    assert len(pack(cut).roots) == best + 1
    assert pack(cut).margin(x)[:, 0].tobytes() == expected.tobytes()
    assert pack(whole).margin(x)[:, 0].tobytes() != expected.tobytes()


def test_quantile_trees_are_cut_where_training_stopped() -> None:
    """The trainer's own: rounds times three trees, and its answers are those of the provenance it keeps."""
    from neural_hive_ml.features.spec import CREATION_COUNT, NAMES
    from neural_hive_ml.training.quantiles import fit_quantiles

    random = np.random.default_rng(4)
    rows = random.normal(size=(600, len(NAMES)))
    later = np.arange(600) >= 450
    fit = fit_quantiles(rows, 9.0 + rows[:, 0] + random.normal(size=600), later, seed=1, threads=1)
    for name, packed in (("direct", fit.quantiles.direct), ("relative", fit.quantiles.relative)):
        assert packed is not None
        assert len(packed.roots) == 3 * fit.rounds[name]
        kept = xgb.Booster()
        kept.load_model(bytearray(fit.provenance[f"duration-{name}.ubj"]))
        x = rows[:, :CREATION_COUNT].astype(np.float32)
        assert packed.margin(x).tobytes() == theirs(kept, x).tobytes()


@NEEDS_KERNEL
@given(
    st.lists(st.lists(st.floats(width=32), min_size=5, max_size=5), min_size=1, max_size=7)
)  # infinities and NaN included
@settings(max_examples=80, deadline=None)
def test_compiled_and_numpy_give_the_same_bits(rows: list[list[float]]) -> None:
    x = np.array(rows, dtype=np.float32)
    assert _PACKED.margin(x, compiled=True).tobytes() == _PACKED.margin(x, compiled=False).tobytes()


_BOOSTER = fitted(rounds=19, **QUANTILES)
_PACKED = pack(_BOOSTER)


@BOTH
def test_infinite_is_as_large_as_can_be(compiled: bool) -> None:
    largest = np.finfo(np.float32).max
    for column in range(5):
        x = np.zeros((2, 5), dtype=np.float32)
        x[0, column], x[1, column] = np.inf, largest
        got = _PACKED.margin(x, compiled=compiled)
        assert got[0].tobytes() == got[1].tobytes()
        assert got[1].tobytes() == theirs(_BOOSTER, x[1:]).tobytes()


@BOTH
@pytest.mark.parametrize("columns", [4, 6])
def test_rows_of_another_width_are_not_scored(columns: int, compiled: bool) -> None:
    with pytest.raises(ValueError, match="5 columns"):
        _PACKED.margin(np.zeros((10, columns)), compiled=compiled)


def test_arrays_and_back() -> None:
    x, _ = data(seed=3, n=40)
    again = PackedBooster.from_arrays(_PACKED.to_arrays("x"), "x")
    assert again.margin(x).tobytes() == _PACKED.margin(x).tobytes()
    assert _PACKED.margin(x[:0]).shape == (0, 3)


@pytest.mark.parametrize(
    "damage",
    [
        lambda a: a.pop("booster.leaf"),
        lambda a: a.update({"booster.leaf": a["booster.leaf"][1:]}),
        lambda a: a.update({"booster.group": a["booster.group"] + 1}),
        lambda a: a.update({"booster.group": a["booster.group"][1:]}),
        lambda a: a.update({"booster.child": a["booster.child"] * 0}),
        lambda a: a.update({"booster.feature": a["booster.feature"] - 1}),
        lambda a: a.update({"booster.columns": np.array([1])}),
        lambda a: a.update({"booster.depths": a["booster.depths"] * 0 + 2**30}),
        lambda a: a.update({"booster.threshold": np.zeros_like(a["booster.threshold"])}),
        lambda a: a.update({"booster.threshold": np.full_like(a["booster.threshold"], np.nan)}),
        # A leaf that sends missing values right would lead the kernel behind the last node.
        lambda a: a.update({"booster.default_left": a["booster.default_left"] * 0}),
        lambda a: a.update({"booster.default_left": a["booster.default_left"] * 0 + 2}),
    ],
)
def test_damaged_arrays_are_refused(damage: object) -> None:
    arrays = _PACKED.to_arrays()
    damage(arrays)  # type: ignore[operator] - one of the lambdas above
    with pytest.raises(ArtifactRefused):
        PackedBooster.from_arrays(arrays)


def test_what_has_no_packed_form_is_refused() -> None:
    x, y = data(missing=0.0)
    classes = np.arange(len(y)) % 3
    several = np.stack([y, -y], axis=1)
    categories = xgb.DMatrix(np.abs(np.round(x)), y, feature_types=["c"] * 5, enable_categorical=True)
    refused = [
        xgb.train({"objective": "multi:softprob", "num_class": 3, "nthread": 1}, xgb.DMatrix(x, classes), 2),
        xgb.train({"objective": "count:poisson", "nthread": 1}, xgb.DMatrix(x, np.abs(y)), 2),
        xgb.train({"booster": "gblinear", "nthread": 1}, xgb.DMatrix(x, y), 2),
        xgb.train({"booster": "dart", "rate_drop": 0.5, "nthread": 1}, xgb.DMatrix(x, y), 4),
        xgb.train({"multi_strategy": "multi_output_tree", "tree_method": "hist", "nthread": 1}, xgb.DMatrix(x, several), 2),
        xgb.train({"nthread": 1, "max_cat_to_onehot": 1}, categories, 2),
    ]  # fmt: skip
    for booster in refused:
        with pytest.raises(ArtifactRefused):
            pack(booster)
    for text in ("{}", "no JSON", json.dumps({"learner": {}})):
        with pytest.raises(ArtifactRefused):
            pack_booster(text)
