"""The alerts of the objectives: breached, critical, unknown, and a budget that burns fast or slowly."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Final

from neural_hive_ml.slo.burn import WindowPair, fewest_events, require_reachable
from neural_hive_ml.slo.durations import seconds_of
from neural_hive_ml.slo.recordings import BURN_INTERVAL, PREFIX, burn_rate, events, remaining
from neural_hive_ml.slo.rule import Alert, Group
from neural_hive_ml.slo.spec import EventBurn, Objective, Objectives

# Share of a long window that must have been measured before its burn rate means anything.
LEAST_MEASURED: Final = 0.25
_WHOLE: Final = 'printf "%.0f"'
_PERCENT: Final = 'printf "%.0f %%"'
_LASTS: Final = {"fast": "2m", "slow": "15m"}


def objective_groups(objectives: Objectives) -> tuple[Group, ...]:
    """Return one group of alerts an objective, and the one over all."""
    period = objectives.period
    groups = [Group(f"ml_slo_{one.slug}", "30s", tuple(_alerts(one, period))) for one in objectives.objectives]
    return (*groups, Group("ml_slo_overall", "1m", (_overall(),)))


def _alerts(one: Objective, period: str) -> Iterator[Alert]:
    shown = "{{ $value | humanizePercentage }}" if one.unit == "ratio" else "{{ $value | humanizeDuration }}"
    make = partial(Alert, impact=one.impact, action=one.action, component=one.component, slo=one.label)
    notes = {
        "current_value": shown,
        "slo_target": one.promise,
        "budget_remaining": _query(remaining(one), _PERCENT),
    }
    yield make(
        f"{one.alert}SLOBreach",
        f"{one.record} {one.breach_operator} {one.target:g}",
        one.breach_for,
        one.breach_severity,
        f"{one.title} is outside its objective",
        f"{one.title} is {shown}; the objective is {notes['slo_target']}.",
        annotations={**notes, "threshold": f"{one.target:g}"},
    )
    yield make(
        f"{one.alert}SLOCritical",
        f"{one.record} {one.breach_operator} {one.critical:g}",
        one.critical_for,
        "critical",
        f"{one.title} is far outside its objective",
        f"{one.title} is {shown}, beyond {one.figure(one.critical)}; the objective is {notes['slo_target']}.",
        annotations={**notes, "critical_threshold": f"{one.critical:g}"},
    )
    yield make(
        f"{one.alert}SLOUnknown",
        f"absent({one.record})" if one.slug == "f1_score" else f"absent({one.source})",
        one.unknown_for,
        "warning",
        f"{one.title} is not known",
        f"Nothing was measured for {one.unknown_for}: the objective is neither kept nor broken, but unknown.",
        impact="a breach would not be seen",
    )
    for speed in ("fast", "slow"):
        pairs = [pair for pair in one.pairs if pair.speed == speed]
        if pairs:
            yield _burn_alert(one, period, pairs)


def _burn_alert(one: Objective, period: str, pairs: list[WindowPair]) -> Alert:
    name = f"{one.burn_alert or one.alert}ErrorBudget{pairs[0].speed.capitalize()}Burn"
    fast = pairs[0].speed == "fast"
    hours = seconds_of(period) / 3600
    left = _query(f"clamp_min({remaining(one)}, 0) / 100 * ${period}_s / {burn_rate(one, pairs[0].long)}",
                  "humanizeDuration")  # fmt: skip
    gone = " or ".join(
        f"{pair.consumed:.0%} of the budget of {hours / 24:.0f} days in {pair.long}" for pair in pairs
    )
    return Alert(
        name,
        " or ".join(_burning(name, one, pair, period) for pair in pairs),
        _LASTS[pairs[0].speed],
        "critical" if fast else "warning",
        f"{one.title}: the error budget burns {'fast' if fast else 'slowly but surely'}",
        f'The budget burns {{{{ $value | printf "%.1f" }}}} times as fast as it may; this rate spends {gone}.',
        annotations={
            "current_value": '{{ $value | printf "%.1f" }}',
            "budget_remaining": _query(remaining(one), _PERCENT),
            "time_to_exhaustion": left,
        },
        labels={"error_budget_burn_rate": pairs[0].speed},
        impact=one.impact,
        action=one.action,
        component=one.component,
        slo=one.label,
    )


def _burning(name: str, one: Objective, pair: WindowPair, period: str) -> str:
    factor = require_reachable(name, one.burn.objective, pair, period)
    if isinstance(one.burn, EventBurn):
        fewest = max(one.burn.min_events, math.floor(fewest_events(factor, one.burn.objective)) + 1)
    else:
        fewest = round(LEAST_MEASURED * seconds_of(pair.long) / seconds_of(BURN_INTERVAL))
    return (
        f"({burn_rate(one, pair.long)} > {factor:g} and {burn_rate(one, pair.short)} > {factor:g} "
        f"and {events(one, pair.long)} >= {fewest})"
    )


def _overall() -> Alert:
    kept = _query(f"{PREFIX}ml_compliance:count", _WHOLE)
    known = _query(f"{PREFIX}ml_compliance:known", _WHOLE)
    return Alert(
        "MLModelOverallSLONonCompliant",
        f"{PREFIX}ml_compliance:overall == 0",
        "10m",
        "warning",
        "At least one objective of the models is broken",
        f"{kept} of {known} known objectives are kept.",
        "the models do not keep what was promised",
        "look at the alert of the objective concerned",
        slo="ml-overall",
    )


def _query(expression: str, shown: str) -> str:
    """Return a template that shows the first answer of a query, or says that there is none."""
    answer = f"{{{{ . | first | value | {shown} }}}}"
    return f'{{{{ with query "{expression}" }}}}{answer}{{{{ else }}}}unknown{{{{ end }}}}'
