"""The rules about platform events, as data: which figure or text of which event speaks for which threat."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import yaml

from neural_hive_ml.conventions import SEVERITIES, THREAT_TYPES
from neural_hive_ml.errors import UsageError
from neural_hive_ml.markdown import markdown_table
from neural_hive_ml.serving.guard_agents.threat_event import Received

_ANY: Final = "any"
_SNIPPET: Final = 200


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text that no honest payload holds, and where the expression comes from."""

    id: str
    regex: re.Pattern[str]
    source: str


@dataclass(frozen=True, slots=True)
class Rule:
    """See the data file. Exactly one of `field`, `patterns`, `reported`, `model` says how it looks."""

    id: str
    events: tuple[str, ...]
    threat: str
    severity: str
    confidence: float
    source: str
    confidence_each: float = 0.0
    field: str = ""
    share: bool = False
    at_least: float | None = None
    above: float | None = None
    adaptive: bool = False
    most: float | None = None
    patterns: tuple[Pattern, ...] = ()
    reported: bool = False
    model: bool = False

    def about(self, kind: str) -> bool:
        """Whether the rule is made for events of a type."""
        return _ANY in self.events or kind in self.events

    def limit(self, factor: float) -> float:
        """Return the limit as it stands: raised by `factor` when it adapts, never beyond `most`."""
        base = self.at_least if self.at_least is not None else self.above
        assert base is not None, "a rule of a figure has a limit"
        raised = base * factor if self.adaptive else base
        return raised if self.most is None else min(raised, self.most)

    def exceeded(self, value: float, factor: float) -> bool:
        """Whether a figure reaches what the rule takes for a threat."""
        return value >= self.limit(factor) if self.at_least is not None else value > self.limit(factor)

    def sureness(self, value: float) -> float:
        """Return the confidence for a figure."""
        return min(self.confidence + self.confidence_each * value, 1.0)

    def found(self, received: Received) -> tuple[Pattern, str] | None:
        """Return the first pattern that a text of the payload holds, and what it holds."""
        for text in received.texts():
            for pattern in self.patterns:
                match = pattern.regex.search(text)
                if match is not None:
                    start = max(match.start() - _SNIPPET // 4, 0)
                    return pattern, text[start : start + _SNIPPET]
        return None


def load_rules(text: str = "") -> tuple[Rule, ...]:
    """Read rules; those that come with the package when `text` is empty.

    Raises
    ------
    UsageError
        For text that is no such file, naming the rule.
    """
    try:
        entries = yaml.safe_load(text or _own())["rules"]
        rules = tuple(_rule(position, entry) for position, entry in enumerate(entries))
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise UsageError(f"threat rules cannot be read: {error}", remedy="see threat_rules.yaml") from None
    if sum(rule.model for rule in rules) != 1:
        raise UsageError("threat rules need the model in one place of their order", remedy="see threat_rules.yaml")
    return rules


def _own() -> str:
    return resources.files(__package__).joinpath("threat_rules.yaml").read_text(encoding="utf-8")


def _rule(position: int, entry: Mapping[str, Any]) -> Rule:
    name = entry.get("id", f"number {position + 1}")
    try:
        patterns = tuple(
            Pattern(one["id"], re.compile(one["regex"]), one["source"]) for one in entry.get("patterns", ())
        )
        rule = Rule(**{**entry, "events": tuple(entry["events"]), "patterns": patterns})
    except (TypeError, KeyError, re.error) as error:
        raise UsageError(f"threat rule {name}: {error}", remedy="see threat_rules.yaml") from None
    ways = sum((bool(rule.field), bool(rule.patterns), rule.reported, rule.model))
    limits = sum(limit is not None for limit in (rule.at_least, rule.above))
    if (
        ways != 1
        or limits != bool(rule.field)
        or rule.threat not in THREAT_TYPES
        or rule.severity not in SEVERITIES
    ):
        raise UsageError(
            f"threat rule {name} needs one way to look, a limit for a figure, and a known threat and severity",
            remedy=f"threats: {', '.join(THREAT_TYPES)}; severities: {', '.join(SEVERITIES)}",
        )
    return rule


def rules_table(rules: Sequence[Rule]) -> str:
    """Return the rules as a Markdown table, for the page of the stage."""
    rows: list[tuple[str, ...]] = []
    for rule in rules:
        each = f" + {rule.confidence_each:g} x figure, at most 1" if rule.confidence_each else ""
        confidence = "the model's" if rule.model else f"{rule.confidence:g}{each}"
        severity = (
            "the model's"
            if rule.model
            else f"as reported, else {rule.severity}"
            if rule.reported
            else rule.severity
        )
        source = "; ".join([rule.source, *(f"{p.id}: {p.source}" for p in rule.patterns)])
        threat = f"as reported, else {rule.threat}" if rule.reported else rule.threat
        rows.append((rule.id, ", ".join(rule.events), _when(rule), threat, severity, confidence, source))
    head = ("rule", "events", "threat when", "threat type", "severity", "confidence", "source")
    return markdown_table(head, rows).rstrip()


def _when(rule: Rule) -> str:
    if rule.patterns:
        return "a text of the payload holds " + ", ".join(p.id for p in rule.patterns)
    if rule.reported:
        return "it names a `threat_type`"
    if rule.model:
        return "the model flags the event's ticket"
    sign = f">= {rule.at_least:,g}" if rule.at_least is not None else f"> {rule.above:,g}"
    adaptive = f", adaptive up to {rule.most:,g}" if rule.adaptive else ""
    return f"`{rule.field}` {sign}{adaptive}"
