"""One feature of one window: how far from its reference, how likely that is, and what it means in the feature's
unit.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.drift.null import (
    ENOUGH_WINDOWS,
    allowance,
    hellinger_tail,
    ks_tail,
    nearest,
    novelty_tail,
    shift_tail,
)
from neural_hive_ml.drift.report import FeatureDrift
from neural_hive_ml.evaluation.directions import directions, shifts
from neural_hive_ml.evaluation.distances import (
    Expectation,
    hellinger,
    kolmogorov_smirnov,
    psi_parts,
    quantile_of,
)
from neural_hive_ml.evaluation.profile import FeatureProfile
from neural_hive_ml.evaluation.quiet import QuietWindows

Floats = npt.NDArray[np.float64]
# Where a distance's null is extrapolated from a handful of quiet windows, windows unlike any of them come by now and
# then: a change is told from a moderate effect on (Siddiqi 2006, Credit Risk Scorecards: below 0.1 nothing has changed).
MODERATE_PSI: Final = 0.1


@dataclass(frozen=True, slots=True)
class Distance:
    """A measured feature. `counts` and `expected.shares` are over the same bins; `psi` is bias-corrected, >= 0."""

    feature: FeatureProfile
    counts: Floats
    expected: Expectation
    p_value: float
    psi: float
    psi_raw: float
    ks: float | None


def distance(
    feature: FeatureProfile, counts: Floats, expected: Expectation, width_hours: float, rows: float
) -> Distance:
    """Measure one feature's bins [bins] against what the matched reference expects."""
    quiet, numeric = feature.quiet, feature.binning.kind == "numeric"
    held = feature.counts.sum(axis=0).astype(np.float64)
    parts = psi_parts(counts, expected.shares)
    raw = float(parts.sum())
    effect = max(raw - allowance(quiet.hellinger, width_hours, rows) * expected.noise / rows, 0.0)
    gap = kolmogorov_smirnov(counts, expected.shares, feature.binning.ordered) if numeric else None
    # Of a number only what is missing is a value by itself; categories have their values and new ones too.
    alone = slice(-1, None) if numeric else slice(None)
    usual_rows = nearest(quiet.hellinger, width_hours).rows
    rarity = np.array([
        novelty_tail(c, rows, h, held.sum(), usual_rows) for c, h in zip(counts[alone], held[alone], strict=True)
    ])  # fmt: skip
    looks = [*_by_distance(quiet, counts, expected, gap, effect, width_hours, rows), len(rarity) * rarity.min()]
    if quiet.shifts:
        ways = directions(feature.binning, held)
        moved = shifts(ways, counts, expected.shares, float(counts.sum()), expected.effective_rows)
        looks.append(shift_tail(moved, quiet.shifts, width_hours, rows))
    # Several looks at the same feature: the best of them counts as often (Bonferroni).
    p_value = float(min(1.0, len(looks) * min(looks)))
    # However much frequent values vary from window to window: of rare ones quiet windows have hardly any.
    effect = max(effect, float(np.where(rarity < 1.0, parts[alone], 0.0).max()))
    return Distance(feature, counts, expected, p_value, effect, raw, gap)


def _by_distance(
    quiet: QuietWindows,
    counts: Floats,
    expected: Expectation,
    gap: float | None,
    effect: float,
    width_hours: float,
    rows: float,
) -> list[float]:
    """Return the chance of the Hellinger statistic and of the KS `gap`, where there is one."""
    known = nearest(quiet.hellinger, width_hours)
    looks = [hellinger_tail(hellinger(counts, expected.shares), expected, known, rows)]
    if gap is not None:
        looks.append(ks_tail(gap, expected, nearest(quiet.ks, width_hours), rows))
    return looks if known.windows >= ENOUGH_WINDOWS or effect >= MODERATE_PSI else [1.0] * len(looks)


def describe(found: Distance, *, drifted: bool) -> FeatureDrift:
    """Put a measured feature into words and into its unit."""
    feature, counts, shares = found.feature, found.counts, found.expected.shares
    binning, total = feature.binning, max(found.counts.sum(), 1.0)
    unit, value = feature.unit, ""
    was: float | None
    now: float | None
    if binning.kind == "category":
        moved = int(np.argmax(np.abs(counts / total - shares)))
        was, now = float(shares[moved]), float(counts[moved] / total)
        value = [*(f"{v:g}" for v in binning.edges), "values never seen before", "missing"][moved]
    else:
        was, now = (
            quantile_of(w[: binning.ordered], binning.edges, binning.low, binning.high, 0.5)
            for w in (shares, counts)
        )
        if unit.startswith("log1p ") and was is not None and now is not None:
            # People think in milliseconds, not in their logarithm.
            was, now, unit = float(np.expm1(was)), float(np.expm1(now)), unit.removeprefix("log1p ")
    return FeatureDrift(
        name=feature.name,
        unit=unit,
        kind=binning.kind,
        p_value=found.p_value,
        psi=found.psi,
        psi_raw=found.psi_raw,
        ks=found.ks,
        drifted=drifted,
        reference=was,
        current=now,
        value=value,
        missing_reference=float(shares[-1]),
        missing_current=float(counts[-1] / total),
        new_share=float(counts[-2] / total) if binning.kind == "category" else 0.0,
    )
