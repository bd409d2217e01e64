"""The platform's older metric names: the same figures under other names and labels, made when they are read."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from prometheus_client.core import Metric

from neural_hive_ml.observability.metric_spec import Alias, MetricSpec


class Collects(Protocol):
    """Anything that prometheus_client can collect from."""

    def collect(self) -> Iterable[Metric]:
        """Return the present families."""
        ...


class AliasCollector:
    """Renders the aliases of families that `source` collects."""

    def __init__(self, source: Collects, specs: Sequence[MetricSpec]) -> None:
        self._source = source
        self._specs = {_base(spec.name): spec for spec in specs}

    def collect(self) -> Iterator[Metric]:
        """Yield one family an alias."""
        for metric in self._source.collect():
            spec = self._specs.get(metric.name)
            for alias in spec.aliases if spec else ():
                yield _renamed(metric, alias)


def _renamed(metric: Metric, alias: Alias) -> Metric:
    base = _base(alias.name)
    renamed = Metric(base, f"{metric.documentation} (older name of {metric.name})", metric.type)
    sums: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for sample in metric.samples:
        if any(sample.labels.get(ours) != value for ours, value in alias.where.items()):
            continue
        labels = {
            theirs: alias.values.get(theirs, {}).get(sample.labels[ours], sample.labels[ours])
            for theirs, ours in alias.labels.items()
        }
        if "le" in sample.labels:
            labels["le"] = sample.labels["le"]
        key = base + sample.name.removeprefix(metric.name), tuple(labels.items())
        sums[key] = sums.get(key, 0.0) + sample.value
    for (name, pairs), value in sums.items():
        renamed.add_sample(name, dict(pairs), value)
    return renamed


def _base(name: str) -> str:
    return name.removesuffix("_total")
