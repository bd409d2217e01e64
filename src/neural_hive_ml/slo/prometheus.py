"""A Prometheus server read over its HTTP API: instant and range queries, nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neural_hive_ml.errors import HiveError, StoreUnavailable

if TYPE_CHECKING:
    import httpx


class QueryRefused(HiveError):
    """Prometheus answered that a query is wrong, or too big."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an answer: its labels (the name among them) and points of (epoch seconds, value)."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def value(self) -> float:
        """The newest value."""
        return self.points[-1][1]


class Prometheus:
    """A Prometheus server. `client` is an httpx client; the caller closes it."""

    def __init__(self, url: str, client: "httpx.Client") -> None:
        self.url = url.rstrip("/")
        self._client = client

    def instant(self, expression: str, at_seconds: float | None = None) -> tuple[Sample, ...]:
        """Return what an expression is now, or at a moment. Raises `StoreUnavailable`, `QueryRefused`."""
        query: dict[str, str | float] = {"query": expression}
        if at_seconds is not None:
            query["time"] = at_seconds
        return tuple(_sample(one, [one["value"]]) for one in self._ask("query", query))

    def range(
        self, expression: str, start_seconds: float, end_seconds: float, step_seconds: float
    ) -> tuple[Sample, ...]:
        """Return an expression over a span, one point a step. Raises `StoreUnavailable`, `QueryRefused`."""
        query: dict[str, str | float] = {
            "query": expression, "start": start_seconds, "end": end_seconds, "step": step_seconds,
        }  # fmt: skip
        return tuple(_sample(one, one["values"]) for one in self._ask("query_range", query))

    def _ask(self, route: str, query: Mapping[str, str | float]) -> Sequence[Mapping[str, Any]]:
        import httpx

        try:
            answer = self._client.post(f"{self.url}/api/v1/{route}", data=query)
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise StoreUnavailable(
                f"Prometheus at {self.url} did not answer: {error}", remedy="set PROMETHEUS_URL, or start it"
            ) from error
        if body.get("status") != "success":
            raise QueryRefused(f"Prometheus refused {query['query']!r}: {body.get('error', answer.status_code)}")
        result = body["data"]["result"]
        if body["data"]["resultType"] == "scalar":
            return [{"metric": {}, "value": result}]
        return result  # type: ignore[no-any-return]


def _sample(one: Mapping[str, Any], points: Sequence[tuple[float, str]]) -> Sample:
    return Sample(one["metric"], tuple((float(at), float(value)) for at, value in points))
