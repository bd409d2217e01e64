"""A live figure: measured on matured labels, with how many they are, or unknown with the reason. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LiveFigure:
    """One figure of live quality on `labels` matured labels; `value` None: unknown, and `reason` says why.

    `low` and `high` bound it with 95 %, None where no interval is defined. `unit` is ``""`` for ratios.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    labels: int
    unit: str = ""
    reason: str = ""

    def to_document(self) -> dict[str, Any]:
        """Return the stored form, without what is empty."""
        found = {
            "value": self.value, "low": self.low, "high": self.high, "labels": self.labels, "unit": self.unit,
            "reason": self.reason,
        }  # fmt: skip
        return {k: v for k, v in found.items() if v not in {None, ""}} | {"value": self.value}


def unknown(name: str, labels: int, reason: str) -> LiveFigure:
    """Return a figure that cannot be told."""
    return LiveFigure(name, None, None, None, labels, reason=reason)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure without labels. Never mixed into a live one: `holds` says whether its assumption was found to hold.

    `holds` is None where the assumption could not be checked; `check` says what was looked at. `predictions` are those
    that it is about (of cbpe all, of dle those without a label), `labels` those that it learned from and was checked on.
    """

    method: str
    figures: Mapping[str, float]
    predictions: int
    labels: int
    holds: bool | None
    check: str

    def to_document(self) -> dict[str, Any]:
        """Return the stored form."""
        return {
            "estimate": True, "method": self.method, "figures": dict(self.figures), "predictions": self.predictions,
            "labels": self.labels, "holds": self.holds, "check": self.check,
        }  # fmt: skip
