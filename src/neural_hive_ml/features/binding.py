"""What a model fixes about its rows at training: which numeric parameters, which time zone."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neural_hive_ml.features.layout import PARAMETER_SLOTS
from neural_hive_ml.tickets.columns import TicketColumns

# Looking at this many tickets, spread over the window, finds the frequent parameters.
_LOOK_AT = 5_000


@dataclass(frozen=True, slots=True)
class FeatureBinding:
    """Frozen in each artifact: at most 8 parameter names in order, and the calendar's IANA time zone."""

    parameter_names: tuple[str, ...] = ()
    timezone: str = "UTC"

    def to_document(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return {"parameter_names": list(self.parameter_names), "timezone": self.timezone}

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "FeatureBinding":
        """Read what `to_document` wrote."""
        return FeatureBinding(tuple(document["parameter_names"]), document["timezone"])


def bind(columns: TicketColumns, timezone: str = "UTC") -> FeatureBinding:
    """Choose the numeric parameters that most tickets carry, by frequency then name, and keep the time zone.

    A parameter counts as numeric where its text reads as a finite number.

    >>> from neural_hive_ml.tickets.columns import columns_of
    >>> bind(columns_of([])).parameter_names
    ()
    """
    seen: Counter[str] = Counter()
    step = max(len(columns) // _LOOK_AT, 1)
    for parameters in columns.parameters[::step]:
        seen.update(name for name, text in parameters.items() if number(text) is not None)
    ranked = sorted(seen.items(), key=lambda pair: (-pair[1], pair[0]))
    return FeatureBinding(tuple(name for name, _ in ranked[:PARAMETER_SLOTS]), timezone)


def number(text: str) -> float | None:
    """Read a parameter as a finite number, or None.

    >>> number("30.0"), number("M0001"), number("nan")
    (30.0, None, None)
    """
    if text[:1].isalpha():  # no number, or none that is finite: the usual case, without the price of an exception
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if -1e18 < value < 1e18 else None
