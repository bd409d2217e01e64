"""Metrics of the anomaly class and of durations, each with its block-bootstrap interval."""

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.intervals import Interval, bootstrap_interval
from neural_hive_ml.evaluation.verdict import Metric

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def _bounds(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)


def precision_of(totals: Floats) -> Floats:
    """Precision from totals [r, 3] of true and false positives and false negatives; 0 where none was flagged."""
    return _ratio(totals[:, 0], totals[:, 0] + totals[:, 1])


def recall_of(totals: Floats) -> Floats:
    """Recall from the same totals; 0 where there was nothing to find."""
    return _ratio(totals[:, 0], totals[:, 0] + totals[:, 2])


def f1_of(totals: Floats) -> Floats:
    """F1 from the same totals."""
    return _ratio(2 * totals[:, 0], 2 * totals[:, 0] + totals[:, 1] + totals[:, 2])


def confusion(truth: Floats, flagged: Floats) -> Floats:
    """Return [n, 3] indicators of true positive, false positive, false negative."""
    return np.stack([truth * flagged, (1 - truth) * flagged, truth * (1 - flagged)], axis=1)


def anomaly_metrics(
    truth: Floats, flagged: Floats, score: Floats, block: Ints, rng: np.random.Generator
) -> tuple[Metric, ...]:
    """Return precision, recall, F1, average precision and flagged share of the anomaly class.

    `truth` and `flagged` are 0/1 [n], `score` [n] high where anomalous.
    """
    values = confusion(truth, flagged)
    total = values.sum(axis=0)[None]
    n, positives = len(truth), int(truth.sum())
    out = []
    for name, statistic in (("f1", f1_of), ("precision", precision_of), ("recall", recall_of)):
        interval = bootstrap_interval(block, values, statistic, rng)
        low, high = _bounds(interval)
        out.append(Metric(name, float(statistic(total)[0]), n, low, high, positives=positives))
    out.append(Metric("average_precision", average_precision(truth, score), n, positives=positives))
    out.append(Metric("flagged_share", float(flagged.mean()) if n else 0.0, n, higher_is_better=False))
    return tuple(out)


def average_precision(truth: Floats, score: Floats) -> float:
    """Area under precision over recall by steps, ties together (scikit-learn's average_precision_score)."""
    positives = truth.sum()
    if positives == 0:
        return 0.0
    order = np.argsort(-score, kind="stable")
    hits, ranked = np.cumsum(truth[order]), score[order]
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    hits, seen = hits[last_of_tie], np.flatnonzero(last_of_tie) + 1
    gained = np.diff(np.concatenate([[0.0], hits])) / positives
    return float(np.sum(gained * hits / seen))


def duration_metrics(
    truth_ms: Floats, quantiles_ms: Floats, block: Ints, rng: np.random.Generator
) -> tuple[Metric, ...]:
    """Return MAE, relative MAE, median absolute error, pinball loss and 80 % coverage.

    `quantiles_ms` is [n, 3] at 0.1, 0.5, 0.9; `relative_mae` is MAE over the mean duration.
    """
    n = len(truth_ms)
    error = np.abs(truth_ms - quantiles_ms[:, 1])
    covered = ((truth_ms >= quantiles_ms[:, 0]) & (truth_ms <= quantiles_ms[:, 2])).astype(float)
    one = np.ones(n)
    mae = bootstrap_interval(block, np.stack([error, one], axis=1), lambda t: _ratio(t[:, 0], t[:, 1]), rng)
    relative = bootstrap_interval(
        block, np.stack([error, truth_ms], axis=1), lambda t: _ratio(t[:, 0], t[:, 1]), rng
    )
    coverage = bootstrap_interval(block, np.stack([covered, one], axis=1), lambda t: _ratio(t[:, 0], t[:, 1]), rng)
    return (
        Metric("mae", float(error.mean()), n, *_bounds(mae), "ms", higher_is_better=False),
        Metric(
            "relative_mae",
            float(error.sum() / max(truth_ms.sum(), 1.0)),
            n,
            *_bounds(relative),
            higher_is_better=False,
        ),
        Metric("median_ae", float(np.median(error)), n, unit="ms", higher_is_better=False),
        Metric("pinball", pinball(truth_ms, quantiles_ms), n, unit="ms", higher_is_better=False),
        Metric("coverage_80", float(covered.mean()), n, *_bounds(coverage)),
    )


def pinball(truth: Floats, quantiles: Floats, levels: tuple[float, ...] = (0.1, 0.5, 0.9)) -> float:
    """Mean pinball loss over the levels (Koenker and Bassett 1978), in the unit of `truth`."""
    total = 0.0
    for k, level in enumerate(levels):
        gap = truth - quantiles[:, k]
        total += float(np.mean(np.maximum(level * gap, (level - 1) * gap)))
    return total / len(levels)
