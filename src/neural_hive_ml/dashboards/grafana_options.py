"""Grafana's own options of each kind of panel: none of them says anything about the data."""

from typing import Any, Final

from neural_hive_ml.dashboards.panel import Kind

_NEWEST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_LINES: Final[dict[str, Any]] = {
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
    "tooltip": {"mode": "multi", "sort": "desc"},
}
_OPTIONS: Final[dict[Kind, dict[str, Any]]] = {
    "timeseries": _LINES,
    "bars": _LINES,
    "table": {"showHeader": True, "cellHeight": "sm"},
    "stat": {
        "reduceOptions": _NEWEST,
        "graphMode": "none",
        "colorMode": "value",
        "textMode": "auto",
        "justifyMode": "auto",
        "orientation": "auto",
        "wideLayout": True,
        "percentChangeColorMode": "standard",
        "showPercentChange": False,
    },
    "gauge": {
        "reduceOptions": _NEWEST,
        "showThresholdLabels": False,
        "showThresholdMarkers": True,
        "orientation": "auto",
        "minVizWidth": 75,
        "minVizHeight": 75,
        "sizing": "auto",
    },
    "ranking": {
        "reduceOptions": _NEWEST,
        "displayMode": "basic",
        "orientation": "horizontal",
        "showUnfilled": True,
        "valueMode": "color",
        "namePlacement": "auto",
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 300,
    },
    "timeline": {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.9,
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    },
    "heatmap": {
        "calculate": False,
        "yAxis": {"axisPlacement": "left", "unit": "none"},
        "cellGap": 1,
        "showValue": "never",
        "color": {
            "mode": "scheme",
            "scheme": "Blues",
            "steps": 64,
            "exponent": 0.5,
            "fill": "blue",
            "reverse": False,
        },
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": False},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "rowsFrame": {"layout": "auto"},
        "filterValues": {"le": 1e-9},
    },
}


def options(kind: Kind) -> dict[str, Any]:
    """Return the options of a kind of panel."""
    return _OPTIONS[kind]
