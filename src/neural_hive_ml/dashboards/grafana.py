"""Dashboards written as Grafana reads them: schema 39, one data source variable, ids and places by order."""

import json
from collections.abc import Iterator
from typing import Any, Final

from neural_hive_ml.dashboards.grafana_options import options
from neural_hive_ml.dashboards.panel import Dashboard, Mark, Panel, Query, Row

SCHEMA: Final = 39
WIDTH: Final = 24
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_KINDS: Final = {
    "stat": "stat", "gauge": "gauge", "timeseries": "timeseries", "bars": "timeseries", "table": "table",
    "timeline": "state-timeline", "heatmap": "heatmap", "ranking": "bargauge",
}  # fmt: skip
_UNITS: Final = {
    "none": "none", "share": "percentunit", "percent": "percent", "seconds": "s", "milliseconds": "ms",
    "per_second": "cps", "count": "short", "moment": "dateTimeAsIso",
}  # fmt: skip
_COLOURS: Final = {
    "green": "green", "yellow": "#EAB839", "orange": "orange", "red": "red", "blue": "blue", "grey": "#808080",
}  # fmt: skip
_INSTANT: Final = {"stat", "gauge", "table", "ranking"}


def grafana_json(dashboard: Dashboard) -> str:
    """Return the dashboard as the JSON that file provisioning reads."""
    return json.dumps(grafana_model(dashboard), indent=2, ensure_ascii=False) + "\n"


def grafana_model(dashboard: Dashboard) -> dict[str, Any]:
    """Return the dashboard as Grafana's model."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["neural-hive", "ml"],
        "schemaVersion": SCHEMA,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": f"now-{dashboard.span}", "to": "now"},
        "annotations": {"list": [_mark(mark) for mark in dashboard.marks]},
        "templating": {"list": [_source_variable()]},
        "panels": list(_placed(dashboard.rows)),
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def _mark(mark: Mark) -> dict[str, Any]:
    return {
        "name": mark.name, "enable": True, "hide": False, "iconColor": _COLOURS[mark.colour], "datasource": _SOURCE,
        "target": {"refId": "Anno", "expr": mark.expr, "interval": "60s"},
        # Read by Grafana's Prometheus plugin only.
        "titleFormat": mark.name, "textFormat": mark.text,
    }  # fmt: skip


def _placed(rows: tuple[Row, ...]) -> Iterator[dict[str, Any]]:
    """Yield headings and panels, left to right, a new line where the width is used up."""
    number, top = 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [],
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
        }  # fmt: skip
        top += 1
        left = tallest = 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left, tallest = top + tallest, 0, 0
            number += 1
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest


def _panel(panel: Panel) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": _KINDS[panel.kind],
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "targets": [
            _target(panel, query, letter) for query, letter in zip(panel.queries, "ABCDEFGH", strict=False)
        ],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": options(panel.kind),
    }
    if panel.kind == "table":
        made["transformations"] = [_columns(panel)]
    return made


def _target(panel: Panel, query: Query, letter: str) -> dict[str, Any]:
    instant = panel.kind in _INSTANT
    how = {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series")
    return {
        "refId": letter, "datasource": _SOURCE, "expr": query.expr, "legendFormat": query.legend or "__auto",
        "editorMode": "code", "instant": instant, "range": not instant, "format": how,
    }  # fmt: skip


def _field(panel: Panel) -> dict[str, Any]:
    steps = [{"value": step.above, "color": _COLOURS[step.colour]} for step in panel.steps]
    shown: dict[str, Any] = {
        "unit": _UNITS[panel.unit],
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {
            "mode": "thresholds" if panel.kind in {"stat", "gauge", "ranking", "timeline"} else "palette-classic"
        },
        "noValue": "unknown",
    }
    if panel.names:
        words = {f"{value:g}": {"text": text, "color": _COLOURS[colour]} for value, text, colour in panel.names}
        shown["mappings"] = [{"type": "value", "options": words}]
    bounds = {"min": panel.least, "max": panel.most, "decimals": panel.decimals}
    shown |= {key: value for key, value in bounds.items() if value is not None}
    if panel.kind in {"timeseries", "bars"}:
        shown["custom"] = _lines(panel)
    return shown


def _lines(panel: Panel) -> dict[str, Any]:
    bars = panel.kind == "bars"
    return {
        "drawStyle": "bars" if bars else "line",
        "lineWidth": 1,
        "fillOpacity": 80 if bars else 25 if panel.stacked else 5,
        "showPoints": "never",
        # A gap is a time in which nothing was known; a line over it would say otherwise.
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if len(panel.steps) > 1 else "off"},
    }


def _columns(panel: Panel) -> dict[str, Any]:
    """Keep and name only the columns that are asked for, in their order."""
    kept = [label for label, _ in panel.columns]
    return {
        "id": "organize",
        "options": {
            "includeByName": dict.fromkeys(kept, True),
            "indexByName": {label: at for at, label in enumerate(kept)},
            "renameByName": dict(panel.columns),
        },
    }
