"""Families made from the catalogue: children of closed label sets exist from the start, strangers are folded.

A child is found by one dict look-up, so that the hot path never takes prometheus_client's label lock.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Generic, Self, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import Metric

from neural_hive_ml.observability.aliases import AliasCollector
from neural_hive_ml.observability.catalogue import BY_NAME
from neural_hive_ml.observability.metric_spec import MetricSpec, Service


class QuietGauge(Gauge):
    """A gauge that exports nothing before its first value: unknown is not 0."""

    _known = False

    def set(self, value: float) -> None:
        """Set the value, which from now on is exported."""
        self._known = True
        super().set(value)

    def forget(self) -> None:
        """Export nothing again."""
        self._known = False

    def collect(self) -> Iterable[Metric]:
        """Return the family, empty while no value is known."""
        for metric in super().collect():
            if not self._labelnames and not self._known:
                metric.samples = []
            yield metric


C = TypeVar("C", Counter, QuietGauge, Histogram)
# Where a process can only ever see some values of a label, the others get no series: label name -> values.
Only = Mapping[str, Collection[str]]


class Family(Generic[C]):
    """A family and its children; `of(values)` gives the child of label values in catalogue order."""

    def __init__(self, spec: MetricSpec, parent: C) -> None:
        self.spec: MetricSpec = spec
        self.parent: C = parent
        self._children: dict[tuple[str, ...], C] = {} if spec.labels else {(): parent}

    def initialise(self, only: Only) -> None:
        """Make a child of every combination of closed values, so that the first event is seen as an increase."""
        sets = [[v for v in label.values if v in only.get(label.name, label.values)] for label in self.spec.labels]
        for values in itertools.product(*sets):
            self.of(values)

    def of(self, values: tuple[str, ...]) -> C:
        """Return the child of these label values, those outside the closed sets folded; O(1) once known."""
        child = self._children.get(values)
        if child is None:
            # Only folded tuples are remembered: strangers cost a fold each time, never memory.
            folded = self.spec.folded(values)
            child = self._children.get(folded)
            if child is None:
                child = self._children[folded] = self.parent.labels(*folded)
        return child


class CounterFamily(Family[Counter]):
    """Counts events."""

    @classmethod
    def create(cls, spec: MetricSpec, only: Only) -> Self:
        """Make the family, every child at 0."""
        family = cls(spec, Counter(spec.name, spec.help, spec.label_names, registry=None))
        family.initialise(only)
        return family

    def inc(self, *values: str, by: float = 1.0) -> None:
        """Add `by` (>= 0) to the child of these label values."""
        self.of(values).inc(by)


class HistogramFamily(Family[Histogram]):
    """Holds a distribution."""

    @classmethod
    def create(cls, spec: MetricSpec, only: Only) -> Self:
        """Make the family, every child empty."""
        parent = Histogram(spec.name, spec.help, spec.label_names, registry=None, buckets=spec.buckets)
        family = cls(spec, parent)
        family.initialise(only)
        return family

    def observe(self, value: float, *values: str) -> None:
        """Add one observation, in the family's unit, to the child of these label values."""
        self.of(values).observe(value)


class GaugeFamily(Family[QuietGauge]):
    """Holds present values; a series exists once it was set, so that unknown is never 0."""

    @classmethod
    def create(cls, spec: MetricSpec, only: Only) -> Self:  # noqa: ARG003 - the creators share one signature
        """Make the family, without series."""
        return cls(spec, QuietGauge(spec.name, spec.help, spec.label_names, registry=None))

    def set(self, value: float, *values: str) -> None:
        """Set the child of these label values."""
        self.of(values).set(value)

    def clear(self, *values: str) -> None:
        """Remove the child of these label values: its value is not known any more."""
        if not values:
            self.parent.forget()
        elif self._children.pop(self.spec.folded(values), None) is not None:
            self.parent.remove(*self.spec.folded(values))


class InfoFamily(GaugeFamily):
    """A gauge of 1. Its closed labels identify a series, its open ones describe it: replaced, never added to."""

    def __init__(self, spec: MetricSpec, parent: QuietGauge) -> None:
        super().__init__(spec, parent)
        self._shown: dict[tuple[str, ...], tuple[str, ...]] = {}

    def show(self, *values: str) -> None:
        """Show these label values in place of those that the same closed labels showed before."""
        folded = self.spec.folded(values)
        key = tuple(v for label, v in zip(self.spec.labels, folded, strict=True) if label.values)
        self.hide(*key)
        self._shown[key] = folded
        self.set(1, *folded)

    def hide(self, *key: str) -> None:
        """Show nothing for these closed labels."""
        old = self._shown.pop(key, None)
        if old is not None:
            self.clear(*old)


F = TypeVar("F", CounterFamily, GaugeFamily, HistogramFamily, InfoFamily)


class Families:
    """Makes the families of one service, each once, and only those that the catalogue says it owns."""

    def __init__(self, service: Service, *, aliases: bool = True, only: Only | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # _created doubles every counter; no query reads it
        self.service = service
        self.registry = CollectorRegistry(auto_describe=False)
        self.made: set[str] = set()
        self._only = only or {}
        self._aliases = aliases

    def make(self, name: str, kind: type[F]) -> F:
        """Make and register a family, and its aliases."""
        spec = BY_NAME[name]
        self._claim(spec)
        family = kind.create(spec, self._only)
        self._register(family.parent, [spec])
        return family

    def collector(self, collector: Any, names: Collection[str]) -> None:
        """Register a collector that makes these families by itself, from the store."""
        specs = [BY_NAME[name] for name in names]
        for spec in specs:
            assert spec.derived, f"{spec.name} is not a derived family"
            self._claim(spec)
        self._register(collector, specs)

    def _register(self, collector: Any, specs: list[MetricSpec]) -> None:
        self.registry.register(collector)
        aliased = [spec for spec in specs if spec.aliases]
        if self._aliases and aliased:
            self.registry.register(AliasCollector(collector, aliased))

    def _claim(self, spec: MetricSpec) -> None:
        assert self.service in spec.owners, f"{self.service} does not own {spec.name}"
        assert spec.name not in self.made, f"{spec.name} is made twice"
        self.made.add(spec.name)
