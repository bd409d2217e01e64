"""The console over HTTP. It reads only: no route changes anything, and Prometheus is asked only what a panel asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from neural_hive_ml.clock import Clock
from neural_hive_ml.dashboards.panel import Dashboard, Panel, resolved
from neural_hive_ml.errors import HiveError
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.observability.tracing import Spans
from neural_hive_ml.registry.port import Registry
from neural_hive_ml.serving.console import stores
from neural_hive_ml.serving.console.panels import INSTANT, SPANS, drawn, page, window_of
from neural_hive_ml.serving.http.auth import Keyring
from neural_hive_ml.serving.http.problem import Problem
from neural_hive_ml.serving.http.shell import shelled
from neural_hive_ml.serving.http.static_file import static_file
from neural_hive_ml.slo.prometheus import Prometheus
from neural_hive_ml.slo.spec import Objectives
from neural_hive_ml.slo.status import STATUS_QUERY, Status, statuses
from neural_hive_ml.state.port import StateStore

_encode = msgspec.json.Encoder().encode
_FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/static/console.css": ("console.css", "text/css; charset=utf-8"),
    "/static/console.js": ("console.js", "text/javascript; charset=utf-8"),
    "/static/draw.js": ("draw.js", "text/javascript; charset=utf-8"),
}
Section = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Console:
    """The console: what its handlers need. `registry` is opened when first asked: its library is slow to load."""

    dashboards: tuple[Dashboard, ...]
    objectives: Objectives
    prometheus: Prometheus
    state: StateStore
    ledger: Ledger
    registry: Callable[[], Registry]
    clock: Clock
    keyring: Keyring
    spans: Spans | None = None

    def app(self) -> Starlette:
        """Return the ASGI app."""
        routes = [
            *(Route(path, static_file(__package__, *file)) for path, file in _FILES.items()),
            Route("/health/liveness", self.liveness),
            Route("/health/readiness", self.liveness),
            Route("/api/v1/console", self.pages),
            Route("/api/v1/console/objectives", self.objectives_now),
            Route("/api/v1/console/stores", self.overview),
            Route("/api/v1/console/{uid}/{number:int}", self.panel),
        ]
        return shelled(routes, self.spans)

    async def liveness(self, _: Request) -> Response:
        """The process answers; it needs nothing else to be ready."""
        return _json({"status": "alive"})

    async def pages(self, request: Request) -> Response:
        """What there is to draw."""
        self.keyring.caller(request)
        return _json(
            {
                "prometheus": self.prometheus.url,
                "spans": list(SPANS),
                "dashboards": [page(dashboard) for dashboard in self.dashboards],
            }
        )

    async def panel(self, request: Request) -> Response:
        """The data of one panel over one of the spans."""
        self.keyring.caller(request)
        panel = self._panel(request.path_params["uid"], request.path_params["number"])
        span = request.query_params.get("span", "24h")
        if span not in SPANS:
            raise Problem(400, "No such span", f"{span[:20]!r} is none of {', '.join(SPANS)}", field="span")
        return _json(await run_in_threadpool(self._data, panel, span))

    async def objectives_now(self, request: Request) -> Response:
        """Where each objective stands."""
        self.keyring.caller(request)
        samples = await run_in_threadpool(self.prometheus.instant, STATUS_QUERY)
        return _json([_status(one) for one in statuses(self.objectives, samples)])

    async def overview(self, request: Request) -> Response:
        """All that the stores know; a part that cannot be read says why, and the others are shown."""
        self.keyring.caller(request)
        sections: Mapping[str, Section] = {
            "models": lambda: stores.models(self.registry()),
            "quality": lambda: stores.quality(self.state),
            "drift": lambda: stores.drift(self.state),
            "retrainings": lambda: stores.retrainings(self.state),
            "jobs": lambda: stores.jobs(self.state),
            "decisions": lambda: stores.decisions(self.ledger),
        }
        return _json({name: await run_in_threadpool(_read, section) for name, section in sections.items()})

    def _panel(self, uid: str, number: int) -> Panel:
        for dashboard in self.dashboards:
            if dashboard.uid == uid and number < len(dashboard.panels):
                return dashboard.panels[number]
        raise Problem(404, "No such panel", remedy="see /api/v1/console")

    def _data(self, panel: Panel, span: str) -> dict[str, Any]:
        seconds, step = SPANS[span]
        end = self.clock.now_ms() // 15_000 * 15
        series: list[dict[str, Any]] = []
        for place, query in enumerate(panel.queries):
            expression = resolved(query.expr, window=window_of(span), span=span)
            found = (
                self.prometheus.instant(expression)
                if panel.kind in INSTANT
                else self.prometheus.range(expression, end - seconds, end, step)
            )
            series += [{"query": place, **one} for one in drawn(query, found)]
        return {"from": end - seconds, "until": end, "step": step, "series": series}


def _read(section: Section) -> dict[str, object]:
    try:
        return {"rows": section()}
    except HiveError as error:
        return {"error": str(error)}


def _status(status: Status) -> dict[str, object]:
    return {
        "title": status.objective.title,
        "standing": status.standing,
        "shown": status.shown,
        "promise": status.objective.promise,
        "remaining": status.remaining,
        "burn": dict(status.burn),
        "exhausted_in_hours": None if status.exhausted_in_hours == float("inf") else status.exhausted_in_hours,
        "held": status.held,
        "window": status.objective.window,
    }


def _json(content: object) -> Response:
    return Response(_encode(content), media_type="application/json")
