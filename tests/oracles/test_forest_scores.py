"""The packed forest against scikit-learn's own, and the compiled kernel against NumPy."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._iforest import _average_path_length
from tests.support.kernels import BOTH, NEEDS_KERNEL

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.scoring.forest import PackedForest
from neural_hive_ml.scoring.forest_pack import average_path_length, pack_forest

Floats = npt.NDArray[np.float64]
SHAPES = {
    "many trees": {"n_estimators": 100, "max_samples": 256},
    "lanes and a rest": {"n_estimators": 13, "max_samples": 64},
    "one tree": {"n_estimators": 1, "max_samples": 200},
    "two points a tree": {"n_estimators": 9, "max_samples": 2},
    "some columns": {"n_estimators": 20, "max_samples": 128, "max_features": 0.4},
    "drawn with replacement": {"n_estimators": 20, "max_samples": 128, "bootstrap": True},
}


def data(kind: str, n: int = 400, columns: int = 6) -> npt.NDArray[np.float32]:
    random = np.random.default_rng(len(kind))
    x = random.normal(size=(n, columns))
    if kind == "ties":
        x = np.round(x)
    if kind == "constant column":
        x[:, 2] = 7.0
    if kind == "scales apart":
        x *= 10.0 ** np.arange(-12, 13, 24 // (columns - 1))[:columns]
    return x.astype(np.float32)


@BOTH
@pytest.mark.parametrize("kind", ["plain", "ties", "constant column", "scales apart"])
@pytest.mark.parametrize("shape", SHAPES)
def test_scores_are_scikit_learn_s(shape: str, kind: str, compiled: bool) -> None:
    x = data(kind)
    fitted = IsolationForest(random_state=3, **SHAPES[shape]).fit(x)
    packed = pack_forest(fitted)
    unseen = np.vstack([x, data(kind + " unseen", 100) * np.float32(3.0), np.zeros((1, 6), dtype=np.float32)])
    difference = np.abs(packed.score(unseen, compiled=compiled) + fitted.score_samples(unseen))
    assert difference.max() <= 1e-12


def test_a_value_on_a_threshold_goes_where_the_library_sends_it() -> None:
    """Thresholds are float64 there and float32 here; each is tried itself, one step below and one above."""
    x = data("ties", 300, 2)
    fitted = IsolationForest(n_estimators=40, max_samples=128, random_state=1).fit(x)
    packed = pack_forest(fitted)
    near = np.unique(packed.threshold[np.isfinite(packed.threshold)])
    at = np.concatenate([near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))])
    rows = np.stack(np.meshgrid(at[::7], at[::7]), axis=-1).reshape(-1, 2).astype(np.float32)
    assert np.abs(packed.score(rows) + fitted.score_samples(rows)).max() <= 1e-12


@NEEDS_KERNEL
@given(
    st.lists(
        st.lists(st.floats(width=32, allow_nan=False) | st.sampled_from([0.0, -0.0]), min_size=3, max_size=3),
        min_size=1, max_size=9,
    )
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_compiled_and_numpy_give_the_same_bits(rows: list[list[float]]) -> None:
    packed = pack_forest(_FITTED)
    x = np.array(rows)
    assert packed.score(x, compiled=True).tobytes() == packed.score(x, compiled=False).tobytes()


_FITTED = IsolationForest(n_estimators=21, max_samples=64, random_state=2).fit(data("plain", 200, 3))


@BOTH
def test_scores_lie_in_0_1_and_blocks_do_not_show(compiled: bool) -> None:
    packed = pack_forest(_FITTED)
    x = data("plain", 9_000, 3)
    score = packed.score(x, compiled=compiled)
    assert ((score > 0) & (score < 1)).all()
    assert np.array_equal(score[4_090:4_100], packed.score(x[4_090:4_100], compiled=compiled))
    assert packed.score(x[:0], compiled=compiled).shape == (0,)


@BOTH
@pytest.mark.parametrize("columns", [2, 4])
def test_rows_of_another_width_are_not_scored(columns: int, compiled: bool) -> None:
    with pytest.raises(ValueError, match="3 columns"):
        pack_forest(_FITTED).score(np.zeros((6, columns)), compiled=compiled)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 256, 100_000])
def test_average_path_length_is_the_library_s(n: int) -> None:
    assert average_path_length(n) == pytest.approx(_average_path_length(np.array([n]))[0], abs=1e-15)


def test_arrays_and_back() -> None:
    packed = pack_forest(_FITTED)
    again = PackedForest.from_arrays(packed.to_arrays("x"), "x")
    x = data("plain", 50, 3)
    assert np.array_equal(again.score(x), packed.score(x))


@pytest.mark.parametrize(
    "damage",
    [
        lambda a: a.pop("forest.path"),
        lambda a: a.update({"forest.path": a["forest.path"][:-1]}),
        lambda a: a.update({"forest.roots": a["forest.roots"] + len(a["forest.child"])}),
        lambda a: a.update({"forest.roots": a["forest.roots"][:0]}),
        lambda a: a.update({"forest.feature": a["forest.feature"] + 3}),
        lambda a: a.update({"forest.child": a["forest.child"] - 1}),
        lambda a: a.update({"forest.normaliser": np.array([0.0])}),
        lambda a: a.update({"forest.normaliser": np.array([np.nan])}),
        lambda a: a.update({"forest.shape": np.array([3])}),
        lambda a: a.update({"forest.shape": np.array([2**40, 3])}),
        lambda a: a.update({"forest.shape": np.array([-1, 3])}),
        # A leaf that lets go of a large value would lead the kernel behind the last node.
        lambda a: a.update({"forest.threshold": np.zeros_like(a["forest.threshold"])}),
    ],
)
def test_damaged_arrays_are_refused(damage: object) -> None:
    arrays = pack_forest(_FITTED).to_arrays()
    damage(arrays)  # type: ignore[operator] - one of the lambdas above
    with pytest.raises(ArtifactRefused):
        PackedForest.from_arrays(arrays)


def test_a_forest_of_no_splits_is_still_a_forest() -> None:
    fitted = IsolationForest(n_estimators=8, max_samples=4, random_state=1).fit(np.ones((20, 2)))
    packed = replace(pack_forest(fitted))
    assert packed.depth == 0
    assert packed.score(np.ones((2, 2))) == pytest.approx(-fitted.score_samples(np.ones((2, 2))), abs=1e-12)
