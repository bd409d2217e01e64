"""The objectives as data: `objectives.yaml` read into frozen values, every mistake named."""

from importlib import resources
from typing import Literal

import msgspec

from neural_hive_ml.errors import UsageError
from neural_hive_ml.slo.burn import PAIRS, WindowPair, budget, require_reachable
from neural_hive_ml.slo.durations import seconds_of

Severity = Literal["critical", "warning"]


class EventBurn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="events", tag_field="kind"):
    """A share of good events: counters of all and of either the good or the bad ones.

    `min_events` is how many events a long window needs before its burn rate may alert; the rules ask for more
    where a single bad event would otherwise be enough (`burn.fewest_events`).
    """

    objective: float
    total: str
    good: str = ""
    bad: str = ""
    min_events: int = 0


class TimeBurn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="time", tag_field="kind"):
    """A share of the time in which the measured value met its target."""

    objective: float


class Objective(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One objective. `value` and `target` are the guide's; `burn` is what budgets and burn rates are made from.

    `source` is a sample that must exist while the system runs: its absence is an alert of its own.
    `alert` and `burn_alert` begin the names of its alerts; `label` is their `slo` label.
    """

    slug: str
    label: str
    alert: str
    title: str
    record: str
    value: str
    source: str
    unit: Literal["ratio", "seconds"]
    better: Literal["higher", "lower"]
    target: float
    critical: float
    window: str
    breach_for: str
    breach_severity: Severity
    critical_for: str
    unknown_for: str
    burn: EventBurn | TimeBurn
    component: str
    impact: str
    action: str
    burn_alert: str = ""
    pages: bool = True

    @property
    def breach_operator(self) -> str:
        """The PromQL comparison that is true outside the target."""
        return "<" if self.better == "higher" else ">"

    @property
    def kept_operator(self) -> str:
        """The PromQL comparison that is true within the target; the guide says ``< 100ms`` and ``>= 0.75``."""
        return ">=" if self.better == "higher" else "<"

    @property
    def promise(self) -> str:
        """The objective as people read it, such as ``< 100 ms over 24h``."""
        return f"{self.kept_operator} {self.figure(self.target)} over {self.window}"

    def figure(self, value: float) -> str:
        """Return a target or threshold as people read it: a ratio as it is, a time in milliseconds."""
        return f"{value:.4g}" if self.unit == "ratio" else f"{value * 1000:g} ms"

    @property
    def budget(self) -> float:
        """The share of bad events, or time, that the objective allows."""
        return budget(self.burn.objective)

    @property
    def pairs(self) -> tuple[WindowPair, ...]:
        """The pairs of windows this objective alerts on."""
        return tuple(pair for pair in PAIRS if self.pages or pair.speed == "slow")


class Objectives(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All objectives and the period that their budgets are for."""

    period: str
    objectives: tuple[Objective, ...]


def load_objectives(text: str | None = None) -> Objectives:
    """Read objectives from YAML, by default the shipped `objectives.yaml`, and refuse what cannot work.

    Raises
    ------
    UsageError
        For a malformed document, an objective outside (0, 1), a duration that is none, too few `min_events`.
    UnreachableAlert
        For an alert that could never fire.
    """
    if text is None:
        text = resources.files("neural_hive_ml.slo").joinpath("objectives.yaml").read_text(encoding="utf-8")
    try:
        found = msgspec.yaml.decode(text, type=Objectives)
        seconds_of(found.period)
        for one in found.objectives:
            for duration in (one.window, one.breach_for, one.critical_for, one.unknown_for):
                seconds_of(duration)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UsageError(f"objectives: {error}", remedy="see docs/slos/ml-models.md for the form") from error
    for one in found.objectives:
        _require_sound(one, found.period)
    return found


def _require_sound(one: Objective, period: str) -> None:
    wrong_order = one.critical > one.target if one.better == "higher" else one.critical < one.target
    if wrong_order:
        raise UsageError(f"{one.slug}: critical {one.critical} lies within the target {one.target}")
    for pair in one.pairs:
        require_reachable(one.slug, one.burn.objective, pair, period)
    if isinstance(one.burn, EventBurn) and bool(one.burn.good) == bool(one.burn.bad):
        raise UsageError(f"{one.slug}: give the counter of either the good or the bad events")
