"""What a search over hyperparameters is made of, whatever the family: a space, defaults, an objective.

A family offers a `Search`; `tuning` runs it on an engine. An objective sees the fit and validation parts only, so a
hold-out cannot be reached from a search.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from neural_hive_ml.errors import UsageError
from neural_hive_ml.evaluation.trial import State, Trial, Value, Values

__all__ = ["Knob", "Objective", "Report", "Search", "State", "Trial", "Value", "Values", "parse_parameters"]


@dataclass(frozen=True, slots=True)
class Knob:
    """One hyperparameter: a range [`low`, `high`] (``float`` or ``int``, maybe on a log scale) or `choices`."""

    name: str
    kind: Literal["float", "int", "choice"]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Value, ...] = ()

    def read(self, text: str) -> Value:
        """Read a value that was typed. Raises `UsageError` when it is none, or lies outside of the range."""
        if self.kind == "choice":
            for choice in self.choices:
                if str(choice) == text:
                    return choice
            raise UsageError(f"{self.name}={text} is none of {self.choices}", remedy="choose one of these")
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not self.low <= value <= self.high or (self.kind == "int" and not value.is_integer()):
            raise UsageError(
                f"{self.name}={text} is no {self.kind}", remedy=f"give one from {self.low:g} to {self.high:g}"
            )
        return int(value) if self.kind == "int" else value


class Report(Protocol):
    """Told an intermediate loss; True means that the trial is not worth going on with."""

    def __call__(self, step: int, loss: float) -> bool: ...


class Objective(Protocol):
    """The loss (lower is better) of a model with these values, on the validation part. Picklable, so that engines can send
    it; deterministic; it ends early and returns its last loss when `report` says so.
    """

    def __call__(self, values: Values, report: Report) -> float: ...


@dataclass(frozen=True, slots=True)
class Search:
    """A search of one model's hyperparameters. `key` is the digest of all that the losses depend on besides values."""

    name: str
    space: tuple[Knob, ...]
    defaults: Values
    objective: Objective
    key: str


def parse_parameters(pairs: Sequence[str], space: Sequence[Knob]) -> tuple[tuple[str, Value], ...]:
    """Read ``name=value`` pairs against a space.

    Raises
    ------
    UsageError
        For what is no pair, a name that is not in the space, or a value outside of it.

    >>> parse_parameters(["max_depth=4"], [Knob("max_depth", "int", 3, 9)])
    (('max_depth', 4),)
    """
    knobs = {knob.name: knob for knob in space}
    read = []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in knobs:
            raise UsageError(
                f"--parameter {pair!r} is not known", remedy=f"NAME=VALUE, NAME of {', '.join(knobs)}"
            )
        read.append((name, knobs[name].read(text)))
    return tuple(read)
