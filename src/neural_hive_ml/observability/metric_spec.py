"""What a metric is: name, kind, unit, closed label sets, owners, and the platform's older names for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Service = Literal["guard-agents", "orchestrator-dynamic", "approval-service"]


@dataclass(frozen=True, slots=True)
class Label:
    """A label and the only values it may take; anything else is counted as `fold`.

    A label without `values` is not closed by a list: `bounded_by` says in words what bounds it, and only a
    collector that replaces its series may use it.
    """

    name: str
    values: tuple[str, ...] = ()
    fold: str = "other"
    bounded_by: str = ""

    def __post_init__(self) -> None:
        if bool(self.values) == bool(self.bounded_by):
            raise ValueError(f"label {self.name}: give either values or bounded_by")
        if self.values and self.fold not in self.values:
            raise ValueError(f"label {self.name}: fold {self.fold!r} is not among its values")

    def folded(self, value: str) -> str:
        """Return the value itself when it is known, else the value that stands for all others."""
        return value if not self.values or value in self.values else self.fold


@dataclass(frozen=True, slots=True)
class Alias:
    """An older name of the same figures, exported next to ours while the alias layer is on.

    `labels` maps the alias's labels to ours (labels left out are summed over), `where` keeps only series with
    these values, `values` renames values: alias label -> our value -> its value.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One family. `derived` families are made from the store by one service, not counted in a process."""

    name: str
    kind: Kind
    help: str
    owners: tuple[Service, ...]
    labels: tuple[Label, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()
    aliases: tuple[Alias, ...] = ()
    derived: bool = False

    def __post_init__(self) -> None:
        if (self.kind == "histogram") != bool(self.buckets):
            raise ValueError(f"{self.name}: buckets belong to histograms")
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(f"{self.name}: counters, and only they, end in _total")

    @property
    def label_names(self) -> tuple[str, ...]:
        """The label names in order."""
        return tuple(label.name for label in self.labels)

    def folded(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """Return label values, in order, with those outside their closed sets folded."""
        return tuple(label.folded(value) for label, value in zip(self.labels, values, strict=True))

    @property
    def sample_names(self) -> tuple[str, ...]:
        """The names that PromQL can select."""
        return sample_names(self.name, self.kind)

    @property
    def series(self) -> int:
        """How many series one process can export at most; open labels count once."""
        count = 1
        for label in self.labels:
            count *= max(len(label.values), 1)
        return count * (len(self.buckets) + 3 if self.kind == "histogram" else 1)


def sample_names(name: str, kind: Kind) -> tuple[str, ...]:
    """Return the sample names of a family.

    >>> sample_names("x_seconds", "histogram")
    ('x_seconds_bucket', 'x_seconds_sum', 'x_seconds_count')
    """
    return tuple(name + s for s in ("_bucket", "_sum", "_count")) if kind == "histogram" else (name,)
