"""One comparison of hourly load with what is expected of it, as a feature of a report."""

from math import exp, expm1, sqrt

from neural_hive_ml.drift.report import FeatureDrift
from neural_hive_ml.evaluation.chance import t_tail
from neural_hive_ml.evaluation.load_quiet import QuietLoad, log_shape


def level_feature(
    name: str,
    unit: str,
    quiet: QuietLoad,
    level: float,
    *,
    means: tuple[float, float],
    usual: float = 0.0,
    least_spread: float = 1e-6,
) -> FeatureDrift:
    """Judge the log of observed over expected against that of quiet windows, both ways.

    `means` are what to show in `unit`: expected and observed. The effect is how far the level is from `usual`, beyond one
    usual deviation: so a score near zero means "as ever". Deviations of `least_spread` are no news, however alike the
    quiet windows are.
    """
    # Windows that take after each other lie closer together than to one of another month.
    n, known = quiet.windows, max(quiet.of_mean, 2.0)
    shown = (1.0 - 1.0 / known) / (1.0 - 1.0 / n) if quiet.level_kept else 1.0
    limit = max(quiet.level_spread * sqrt((1.0 + 1.0 / known) / shown), least_spread)
    p_value = 2.0 * t_tail(abs(level - quiet.level_mean) / limit, max(quiet.of_spread - 1.0, 1.0))
    off = level - usual
    far = abs(expm1(off)) if off > 0 else -expm1(off)
    beyond = max(far - expm1(quiet.level_spread), 0.0)
    return FeatureDrift(
        name, unit, "numeric", min(p_value, 1.0), beyond, far, None, False, float(means[0]), float(means[1]), "",
        0.0, 0.0, 0.0,
    )  # fmt: skip


def shape_feature(name: str, quiet: QuietLoad, shape: float) -> FeatureDrift:
    """Judge a misplaced share against that of quiet windows: only more of it is unlikely."""
    wider = sqrt(1.0 + 1.0 / quiet.windows)
    moved = log_shape(shape) - quiet.shape_mean
    p_value = t_tail(moved / max(quiet.shape_spread * wider, 1e-6), quiet.windows - 1.0)
    usual = exp(quiet.shape_mean + quiet.shape_spread)
    return FeatureDrift(
        name, "share in other hours", "numeric", p_value, max(shape - usual, 0.0), shape, None, False, usual, shape,
        "", 0.0, 0.0, 0.0,
    )  # fmt: skip
