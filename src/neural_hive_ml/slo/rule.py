"""What a rule is: a recording, an alert, a group of them. How it is written to files is `render`."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded expression. `$5m` placeholders are expanded when it is written."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert. `lasts` is the time its expression must hold; `severity` critical pages, warning is for the day.

    `component` and `slo` become labels; `impact` and `action` say what it costs and what to do first.
    """

    name: str
    expr: str
    lasts: str
    severity: str
    summary: str
    description: str
    impact: str
    action: str
    component: str = "ml-models"
    slo: str = ""
    dashboard: str = "ml-slos-dashboard/ml-slos"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Rules evaluated one after another, `interval` apart."""

    name: str
    interval: str
    rules: tuple[Recording | Alert, ...]
