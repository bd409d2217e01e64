"""One feature of one window: how far from its reference, how likely that is, and what it means in the feature's
unit.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.drift.null import (
    ENOUGH_WINDOWS,
    allowance,
    hellinger_tail,
    ks_tail,
    nearest,
    rows_look_independent,
    shift_tail,
    telling,
    too_regular,
)
from neural_hive_ml.drift.report import FeatureDrift
from neural_hive_ml.evaluation.directions import directions, shifts
from neural_hive_ml.evaluation.distances import (
    Expectation,
    hellinger,
    kolmogorov_smirnov,
    psi,
    quantile_of,
)
from neural_hive_ml.evaluation.profile import FeatureProfile

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Distance:
    """A measured feature. `counts` and `expected.shares` are over the same bins; `psi` is bias-corrected, >= 0;
    `extrapolated` says that `p_value` is that of rows in clusters, of which few quiet windows are known.
    """

    feature: FeatureProfile
    counts: Floats
    expected: Expectation
    p_value: float
    extrapolated: bool
    psi: float
    psi_raw: float
    ks: float | None


def distance(
    feature: FeatureProfile, counts: Floats, expected: Expectation, width_hours: float, rows: float
) -> Distance:
    """Measure one feature's bins [bins] against what the matched reference expects."""
    statistic = hellinger(counts, expected.shares)
    raw = psi(counts, expected.shares)
    quiet = feature.quiet.hellinger
    known, independent = nearest(quiet, width_hours), rows_look_independent(quiet, width_hours)
    p_value = hellinger_tail(statistic, expected, known, rows, independent=independent)
    looks = [p_value]
    gap = None
    if feature.binning.kind == "numeric":
        gap = kolmogorov_smirnov(counts, expected.shares, feature.binning.ordered)
        of_gaps = nearest(feature.quiet.ks, width_hours)
        looks.append(ks_tail(gap, expected, of_gaps, rows, regular=too_regular(telling(quiet, width_hours))))
    if feature.quiet.shifts:
        ways = directions(feature.binning, feature.counts.sum(axis=0))
        moved = shifts(ways, counts, expected.shares, float(counts.sum()), expected.effective_rows)
        looks.append(shift_tail(moved, feature.quiet.shifts, width_hours, rows))
    # Several looks at the same feature: the best of them counts as often (Bonferroni).
    p_value = min(1.0, len(looks) * min(looks))
    extrapolated = not independent and known.windows < ENOUGH_WINDOWS
    spared = allowance(quiet, width_hours, rows) * expected.noise / rows
    return Distance(feature, counts, expected, p_value, extrapolated, max(raw - spared, 0.0), raw, gap)


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
