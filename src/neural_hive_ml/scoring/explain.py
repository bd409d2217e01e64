"""Why in plain words, with the numbers an operator knows: times, factors, counts."""

import math
from collections.abc import Sequence

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
    signal: Signal,
    row: Sequence[float],
    log_quantiles: Sequence[float],
    value: float,
    parameters: Sequence[str] = (),
) -> str:
    """Say one signal of one row in plain words; `parameters` are the names of the model's numeric parameters."""

    def feature(name: str) -> float:
        return row[INDEX[name]]

    took = math.expm1(feature("log_duration"))
    verb = "took" if feature("is_ended") > 0 else "has run for"
    if signal.name in ("slow_run", "fast_run"):
        said = f"{verb} {span(took)}, {_against(took, log_quantiles[1], 'the forecast')}"
        if feature("task_succeeded") > 0:
            said += ", " + _against(took, feature("task_median"), "this task's median")
        return said
    if signal.name.startswith("parameter_"):
        k = int(signal.name.split("_")[1])
        name = parameters[k - 1] if k <= len(parameters) else str(k)
        size = feature(f"parameter_{k}")
        return f"parameter {name} ({math.copysign(math.expm1(abs(size)), size):,.4g}) {signal.words}"
    match signal.name:
        case "near_sla":
            return f"{verb} {span(took)}, {math.exp(feature('to_sla')):.0%} of its SLA timeout"
        case "long_wait":
            wait = math.expm1(feature("log_wait"))
            usual = math.expm1(feature("log_wait") - feature("excess_wait"))
            more = f"waited {span(wait)}, {factor(wait / max(usual, 1))} this task's usual wait of {span(usual)}"
        case "excess_retries":
            retries, mean = math.expm1(feature("log_retries")), math.expm1(feature("task_retries"))
            more = f"{retries:.0f} retries; this task's mean is {mean:.1f}"
        case "strange_capabilities" | "strange_risk":
            more = f"{signal.words} ({math.exp(-value):.1%} of its tickets)"
        case "strange_size":
            more = f"{signal.words} ({value:.1f} standard deviations)"
        case "owner_burst" | "task_burst" | "same_burst":
            more = f"{signal.words} ({math.exp(value):.1f}x the hourly rate of its day)"
        case _:
            more = signal.words
    return more


def _against(took: float, usual: float, whose: str) -> str:
    usual_ms = math.expm1(usual)
    return f"{factor(took / max(usual_ms, 1))} {whose} of {span(usual_ms)}"
