"""Why in plain words, with the numbers an operator knows: times, factors, counts."""

import math

import numpy as np
import numpy.typing as npt

from neural_hive_ml.features.spec import INDEX
from neural_hive_ml.scoring.behaviour import Signal


def span(ms: float) -> str:
    """Write a time span with its unit.

    >>> span(23_000), span(90_000), span(5_400_000)
    ('23 s', '1.5 min', '1.5 h')
    """
    if ms < 1_000:
        return f"{ms:.0f} ms"
    for limit, divisor, unit in ((60_000, 1_000, "s"), (3_600_000, 60_000, "min"), (172_800_000, 3_600_000, "h")):
        if ms < limit:
            return f"{ms / divisor:.2g} {unit}" if ms / divisor < 10 else f"{ms / divisor:.0f} {unit}"
    return f"{ms / 86_400_000:.1f} d"


def factor(ratio: float) -> str:
    """Write a ratio the way people say it.

    >>> factor(14.2), factor(0.1)
    ('14x', '1/10 of')
    """
    if ratio >= 1:
        return f"{ratio:.0f}x" if ratio >= 3 else f"{ratio:.1f}x"
    inverse = 1 / max(ratio, 1e-9)
    return f"1/{inverse:.0f} of" if inverse >= 2 else f"{ratio:.0%} of"


def words_for(
    signal: Signal, row: npt.NDArray[np.float64], log_quantiles: npt.NDArray[np.float64], value: float
) -> str:
    """Say one signal of one row in plain words."""

    def feature(name: str) -> float:
        return float(row[INDEX[name]])

    took = math.expm1(feature("log_duration"))
    verb = "took" if feature("is_ended") > 0 else "has run for"
    name = signal.name
    if name.endswith("_for_forecast"):
        usual = math.expm1(float(log_quantiles[1]))
        return f"{verb} {span(took)}, {factor(took / max(usual, 1))} the forecast of {span(usual)}"
    if name.endswith("_for_task"):
        usual = math.expm1(feature("task_median"))
        return f"{verb} {span(took)}, {factor(took / max(usual, 1))} this task's median of {span(usual)}"
    if name.endswith("_for_owner_task"):
        usual = math.expm1(feature("owner_task_median"))
        return f"{verb} {span(took)}, {factor(took / max(usual, 1))} this owner's median of {span(usual)}"
    if name == "near_sla":
        return f"{verb} {span(took)}, {math.exp(feature('to_sla')):.0%} of its SLA timeout"
    if name == "excess_retries":
        return f"{math.expm1(feature('log_retries')):.0f} retries; this task's mean is {math.expm1(feature('task_retries')):.1f}"
    if name.startswith("strange_") and name in {"strange_capabilities", "strange_risk"}:
        share = math.exp(-value)
        return f"{signal.words} ({share:.1%} of its tickets)"
    if name == "strange_size":
        return f"{signal.words} ({value:.1f} standard deviations)"
    if name.endswith("_burst"):
        return f"{signal.words} ({math.exp(value):.1f}x the hourly rate of its day)"
    return signal.words
