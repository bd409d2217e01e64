"""Two models on the same cases: by how much the one is better, with a paired interval, also slice by slice."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.intervals import block_sums, resample
from neural_hive_ml.evaluation.metrics import confusion, f1_of, precision_of, recall_of

Floats = npt.NDArray[np.float64]
Totals = Callable[[Floats], Floats]
# A slice is looked at from this many cases on (anomalies, where anomalies are judged).
FEWEST_IN_SLICE = 30
REPLICATES = 2000


@dataclass(frozen=True, slots=True)
class Harm:
    """A slice in which the candidate is worse beyond chance: relative `loss` (0.2: a fifth), its lower bound."""

    slice: str
    loss: float
    low: float
    n: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The relative gain of a candidate over the champion: 0.1 is a tenth better, whatever the direction.

    `low`, `high` and `error` (standard deviation) come from one paired block bootstrap; `n` counts cases and
    `cases` what the evidence is counted in: anomalies for the detector, cases elsewhere.
    """

    metric: str
    candidate: float
    champion: float
    gain: float
    low: float
    high: float
    error: float
    n: int
    cases: int
    harms: tuple[Harm, ...] = ()


@dataclass(frozen=True, slots=True)
class _Measure:
    """How a metric is made of per-case pieces [n, k]: `statistic` maps totals [r, k] to [r]."""

    pieces: Callable[[HoldoutCases], Floats]
    statistic: Totals
    higher_is_better: bool


def _mean(totals: Floats) -> Floats:
    return np.divide(totals[:, 0], totals[:, 1], out=np.zeros(len(totals)), where=totals[:, 1] > 0)


def _error_and(what: Callable[[HoldoutCases], Floats]) -> Callable[[HoldoutCases], Floats]:
    return lambda c: np.stack([np.abs(c.predicted - c.truth), what(c)], axis=1)


def _relative_errors(c: HoldoutCases) -> Floats:
    """|error| / truth and a count, of cases whose truth is above zero: MAPE is not defined on the others."""
    some = c.truth > 0
    error = np.divide(np.abs(c.predicted - c.truth), c.truth, out=np.zeros(len(c.truth)), where=some)
    return np.stack([error, some.astype(float)], axis=1)


def _confusion(c: HoldoutCases) -> Floats:
    return confusion(c.truth, c.predicted)


_MEASURES: dict[str, _Measure] = {
    "f1": _Measure(_confusion, f1_of, True),
    "precision": _Measure(_confusion, precision_of, True),
    "recall": _Measure(_confusion, recall_of, True),
    "mae": _Measure(_error_and(lambda c: np.ones(len(c.truth))), _mean, False),
    # Scaled by the same naive error on both sides, which a ratio of the two does not see.
    "mase": _Measure(_error_and(lambda c: np.ones(len(c.truth))), _mean, False),
    "relative_mae": _Measure(_error_and(lambda c: c.truth), _mean, False),
    "wape": _Measure(_error_and(lambda c: c.truth), _mean, False),
    "mape": _Measure(_relative_errors, _mean, False),
}


def compare(
    candidate: HoldoutCases, champion: HoldoutCases, metric: str, rng: np.random.Generator, harm: float = 0.10
) -> Comparison:
    """Compare two models case by case on one hold-out.

    Raises
    ------
    ValueError
        When the two answered different hold-outs, or the metric cannot be taken apart into cases.

    Notes
    -----
    Both models are resampled with the same blocks (paired bootstrap), so what is hard for both cancels. A slice is
    harmed when even the lower bound of its loss is above zero and the loss is above `harm`; bounds are widened for
    the number of slices looked at (Bonferroni).
    """
    if candidate.digest != champion.digest or len(candidate.truth) != len(champion.truth):
        raise ValueError("candidate and champion answered different hold-outs")
    if metric not in _MEASURES:
        raise ValueError(f"{metric} is not made of cases; one of {', '.join(_MEASURES)} is")
    return replace(_paired(candidate, champion, metric, rng), harms=_harms(candidate, champion, metric, rng, harm))


def _paired(
    candidate: HoldoutCases, champion: HoldoutCases, metric: str, rng: np.random.Generator, tail: float = 2.5
) -> Comparison:
    measure = _MEASURES[metric]
    mine, theirs = measure.pieces(candidate), measure.pieces(champion)
    k = mine.shape[1]
    sums = block_sums(candidate.block, np.hstack([mine, theirs]))
    total = sums.sum(axis=0)[None]
    value, other = float(measure.statistic(total[:, :k])[0]), float(measure.statistic(total[:, k:])[0])
    n = len(candidate.truth)
    cases = int(candidate.truth.sum()) if candidate.kind == "anomaly" else n
    point = _gain(np.array([value]), np.array([other]), measure.higher_is_better)[0]
    if len(sums) < 2:
        return Comparison(metric, value, other, float(point), -np.inf, np.inf, np.inf, n, cases)
    drawn = resample(sums, rng, REPLICATES)
    gains = _gain(measure.statistic(drawn[:, :k]), measure.statistic(drawn[:, k:]), measure.higher_is_better)
    low, high = np.percentile(gains, [tail, 100 - tail])
    return Comparison(metric, value, other, float(point), float(low), float(high), float(gains.std()), n, cases)


def _gain(mine: Floats, theirs: Floats, higher_is_better: bool) -> Floats:
    """Relative gain in [-1e6, 1e6]; where the champion's figure is zero, any difference is as large as can be."""
    ratio = np.divide(mine, theirs, out=np.where(mine > 0, 1e6, 1.0), where=theirs > 0)
    return np.asarray(np.clip(ratio - 1.0 if higher_is_better else 1.0 - ratio, -1e6, 1e6))


def _harms(
    candidate: HoldoutCases, champion: HoldoutCases, metric: str, rng: np.random.Generator, harm: float
) -> tuple[Harm, ...]:
    if candidate.slice_of is None:
        return ()
    weight = candidate.truth if candidate.kind == "anomaly" else np.ones(len(candidate.truth))
    names, index = np.unique(candidate.slice_of.astype(str), return_inverse=True)
    large = [i for i in range(len(names)) if weight[index == i].sum() >= FEWEST_IN_SLICE]
    if len(large) < 2:
        return ()
    out = []
    for i in large:
        keep = index == i
        part = _paired(_of(candidate, keep), _of(champion, keep), metric, rng, tail=2.5 / len(large))
        if -part.gain > harm and part.high < 0:
            out.append(Harm(str(names[i]), -part.gain, -part.high, part.n))
    return tuple(sorted(out, key=lambda h: -h.loss))


def _of(cases: HoldoutCases, keep: npt.NDArray[np.bool_]) -> HoldoutCases:
    return replace(
        cases, truth=cases.truth[keep], predicted=cases.predicted[keep], block=cases.block[keep],
        score=None if cases.score is None else cases.score[keep], slice_of=None,
    )  # fmt: skip
