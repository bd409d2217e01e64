"""What a dashboard is made of, said without any tool's words: how it is drawn is `grafana` and the console."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["stat", "gauge", "timeseries", "bars", "table", "timeline", "heatmap", "ranking"]
Unit = Literal["none", "share", "percent", "seconds", "milliseconds", "per_second", "count", "moment"]
Colour = Literal["green", "yellow", "orange", "red", "blue", "grey"]

WINDOW = "$__rate_interval"
RANGE = "$__range"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression. `legend` names its series by labels, as in ``{{model_name}}``.

    `$__rate_interval` is the span of a rate that fits the picture; `$__range` is the span of the picture.
    """

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """From `above` on (None: from the lowest value) a figure has this colour."""

    above: float | None
    colour: Colour


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `about` tells what it shows and what is normal; `guide` is the guide's bullet that it answers.

    `names` gives words to values, such as 0 and 1; `least` and `most` bound the axis or gauge; `columns` are the
    labels that a table shows, with their headings.
    """

    title: str
    kind: Kind
    queries: tuple[Query, ...]
    about: str
    unit: Unit = "none"
    width: int = 8
    height: int = 8
    steps: tuple[Step, ...] = (Step(None, "blue"),)
    names: tuple[tuple[float, str, Colour], ...] = ()
    least: float | None = None
    most: float | None = None
    decimals: int | None = None
    stacked: bool = False
    columns: tuple[tuple[str, str], ...] = ()
    guide: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Moments drawn as lines over every picture: those at which `expr` has a value."""

    name: str
    expr: str
    text: str
    colour: Colour


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of rows. `uid` and `slug` make its address, ``/d/<uid>/<slug>``; `span` is what it first shows."""

    uid: str
    slug: str
    title: str
    about: str
    rows: tuple[Row, ...]
    marks: tuple[Mark, ...] = ()
    span: str = "24h"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels in reading order."""
        return tuple(panel for row in self.rows for panel in row.panels)


def resolved(expr: str, *, window: str, span: str) -> str:
    """Return an expression with the span of its rates and of the picture written out.

    >>> resolved("rate(x[$__rate_interval])", window="5m", span="24h")
    'rate(x[5m])'
    """
    return expr.replace(WINDOW, window).replace(RANGE, span)


def rising(*steps: tuple[float | None, Colour]) -> tuple[Step, ...]:
    """Return colour steps, lowest first.

    >>> rising((None, "green"), (0.2, "red"))[1].above
    0.2
    """
    return tuple(Step(above, colour) for above, colour in steps)
