"""From a feature row to a verdict: the kernels are NumPy's definition to the last bit, one row is what many are."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.trained import anomaly_candidate, duration_candidate

from neural_hive_ml import _kernels
from neural_hive_ml.features.spec import CREATION_COUNT, INDEX
from neural_hive_ml.scoring import behaviour
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.scoring.forest import PackedForest

Floats = npt.NDArray[np.float64]
SEEDS = st.integers(0, 2**32 - 1)
FLAGS = ("has_duration", "is_ended", "is_running", "failed", "error_message")


def scorer() -> AnomalyScorer:
    return AnomalyScorer.load(anomaly_candidate().model)


def odd_rows(seed: int, count: int = 24, *, far: bool = True) -> Floats:
    """Real rows, moved a little, some of them far out; few distinct values, so that ties and knots are met."""
    rng = np.random.default_rng(seed)
    golden = anomaly_candidate().model.golden.rows
    rows = golden[rng.integers(0, len(golden), count)] + np.round(rng.normal(size=(count, golden.shape[1])), 1)
    if far:
        rows[0] *= 1e6
        rows[1] *= -1e30
        rows[2] = 0.0
    for name in FLAGS:
        rows[:, INDEX[name]] = rng.integers(0, 2, count)
    return rows


def same(ours: npt.NDArray[np.generic], definition: npt.NDArray[np.generic]) -> bool:
    return ours.shape == definition.shape and ours.dtype == definition.dtype and bool((ours == definition).all())


@given(SEEDS, st.floats(0, 1), st.tuples(st.floats(-20, 20), st.floats(-20, 20)))
@settings(max_examples=60, deadline=None)
def test_quantiles(seed: int, weight: float, widen: tuple[float, float]) -> None:
    quantiles = replace(DurationScorer.load(duration_candidate().model).quantiles, weight=weight, widen=widen)
    rows = odd_rows(seed)
    for mix in (
        quantiles,
        replace(quantiles, direct=None, weight=1.0),
        replace(quantiles, relative=None, weight=0.0),
    ):
        for asked in (rows, rows[:1], rows[:0], rows[:, : CREATION_COUNT + 1], rows[::2]):
            assert same(mix.log_quantiles(asked), mix.log_quantiles(asked, compiled=False))


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_signals_rarities_and_raw_scores(seed: int) -> None:
    detector, rows = scorer(), odd_rows(seed)
    log_quantiles = np.sort(np.round(np.random.default_rng(seed).normal(10, 2, (len(rows), 3)), 1), axis=1)
    signals = behaviour.signals(rows, log_quantiles)
    assert same(signals, behaviour.signals(rows, log_quantiles, compiled=False))
    for stage in detector.stages.values():
        rarities = stage.rarities(signals)
        assert same(rarities, stage.rarities(signals, compiled=False))
        raw = stage.raw(rarities)
        assert same(raw, stage.raw(rarities, compiled=False))
        probability = stage.probability(raw)
        for i in range(len(rows)):
            assert same(stage.rarities(signals[i : i + 1])[0], rarities[i])
            assert stage.probability_of(float(raw[i])) == probability[i]


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_one_row_is_judged_as_among_many(seed: int) -> None:
    detector, rows = scorer(), odd_rows(seed, far=False)
    scores, flagged = detector.score(rows), detector.flagged(rows)
    for row, score, anomalous in zip(rows, scores, flagged, strict=True):
        verdict = detector.decide(row)
        assert (verdict.score, verdict.is_anomaly) == (score, anomalous)
        assert bool(verdict.contributions) == anomalous


def test_a_kernel_refuses_what_would_lead_it_out_of_its_tables() -> None:
    stage = scorer().stages["ended"]
    forest = stage.whole
    assert isinstance(forest, PackedForest)
    rows, three, out = np.zeros((2, 4)), np.zeros((2, 3)), np.zeros((2, 3))
    bounds = np.zeros(4)
    table = (*tuple(np.zeros(n, dtype=np.int64) for n in (10, 7)), np.zeros(4))
    sides = (*tuple(np.zeros(1, dtype=np.int64) for _ in range(2)), np.zeros(1), np.zeros(1))
    beyond = (np.full(1, 4, dtype=np.int64), *sides[1:])
    for refused, call in (
        (IndexError, lambda: _kernels.quantiles(rows, 4, 5, None, None, 0.5, 0, bounds, out)),
        (IndexError, lambda: _kernels.quantiles(rows, 4, 4, None, None, 0.5, 4, bounds, out)),
        (ValueError, lambda: _kernels.quantiles(rows, 4, 4, None, None, 0.5, 0, bounds[:3], out)),
        (ValueError, lambda: _kernels.quantiles(rows, 4, 4, None, None, 0.5, 0, bounds, out[:1])),
        (TypeError, lambda: _kernels.quantiles(rows, 4, 4, (1, 2), None, 0.5, 0, bounds, out)),
        (ValueError, lambda: _kernels.signals(rows, 4, three[:1], (*table, *sides), 1, rows.copy(), 4)),
        (IndexError, lambda: _kernels.signals(rows, 4, three, (*table, *beyond), 1, rows.copy(), 4)),
        (IndexError, lambda: _kernels.signals(rows, 4, three, (*table, *sides), 5, rows.copy(), 4)),
        (ValueError, lambda: _kernels.last_rarity(three[0], three[0], three[0], three[0], 8.0, out, 3)),
        (ValueError, lambda: _kernels.last_rarity(three[0], three[0], three[0], three[0], 8.0, out, 0)),
        (ValueError, lambda: _kernels.top_two(three, 1, 0.5, out)),
        (ValueError, lambda: _kernels.top_two(three, 3, 0.5, out[0, :1])),
        (ValueError, lambda: _kernels.forest(three.astype(np.float32), forest.trees, 1, out[0, :1], 3)),
    ):
        with pytest.raises(refused):
            call()
    assert _kernels.signals(rows, 4, three, (*table, *sides), 1, rows.copy(), 4) is None, "what fits is taken"
