"""Dashboards told to a browser, and the answers of Prometheus shaped for drawing. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from neural_hive_ml.dashboards.panel import Dashboard, Panel, Query, Step
from neural_hive_ml.slo.prometheus import Sample

# Spans that a person may choose: name -> (seconds, seconds between points). At most 300 points a series.
SPANS: Final[Mapping[str, tuple[int, int]]] = {
    "1h": (3600, 15),
    "6h": (21_600, 120),
    "24h": (86_400, 300),
    "7d": (604_800, 2100),
    "30d": (2_592_000, 8640),
}
# A rate needs some scrapes in its window; below this, a point would rest on one or two.
LEAST_WINDOW_SECONDS: Final = 300
INSTANT: Final = frozenset({"stat", "gauge", "table", "ranking"})
_LABEL: Final = re.compile(r"{{(\w+)}}")


def window_of(span: str) -> str:
    """Return the span of a rate that fits a picture: no shorter than the step, so that nothing falls between points.

    >>> window_of("1h"), window_of("7d")
    ('300s', '2100s')
    """
    return f"{max(SPANS[span][1], LEAST_WINDOW_SECONDS)}s"


def page(dashboard: Dashboard) -> dict[str, Any]:
    """Return a dashboard for the browser; panels are known by their number in reading order."""
    number = 0
    rows = []
    for row in dashboard.rows:
        panels = []
        for panel in row.panels:
            panels.append({"number": number, **_panel(panel)})
            number += 1
        rows.append({"title": row.title, "panels": panels})
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "about": dashboard.about,
        "span": dashboard.span,
        "rows": rows,
    }


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "title": panel.title,
        "kind": panel.kind,
        "about": panel.about,
        "unit": panel.unit,
        "width": panel.width,
        "steps": [_step(step) for step in panel.steps],
        "names": [{"value": value, "text": text, "colour": colour} for value, text, colour in panel.names],
        "least": panel.least,
        "most": panel.most,
        "decimals": panel.decimals,
        "stacked": panel.stacked,
        "columns": [{"label": label, "heading": heading} for label, heading in panel.columns],
        "queries": [query.expr for query in panel.queries],
    }


def _step(step: Step) -> dict[str, Any]:
    return {"above": step.above, "colour": step.colour}


def drawn(query: Query, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Return the series of one query: name, labels, points of [epoch seconds, value or null], by name."""
    series = [
        {
            "name": named(query.legend, sample.labels),
            "labels": dict(sample.labels),
            "points": [[at, value if value == value and abs(value) != float("inf") else None]  # noqa: PLR0124 - NaN
                       for at, value in sample.points],
        }
        for sample in samples
    ]  # fmt: skip
    return sorted(series, key=lambda one: str(one["name"]))


def named(legend: str, labels: Mapping[str, str]) -> str:
    """Return a series' name: the legend with its labels filled in, else all labels.

    >>> named("{{route}} P95", {"route": "enrich"})
    'enrich P95'
    >>> named("", {"__name__": "up", "job": "a"})
    'job a'
    """
    if legend:
        return _LABEL.sub(lambda found: labels.get(found[1], ""), legend)
    shown = (f"{name} {value}" for name, value in sorted(labels.items()) if name not in {"__name__", "slo"})
    return ", ".join(shown)
