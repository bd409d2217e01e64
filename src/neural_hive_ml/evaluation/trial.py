"""A trial of a search over hyperparameters: the values tried and the loss they came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Value = float | int | str
Values = Mapping[str, Value]
State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One finished trial. `steps` are the (step, loss) it reported; `loss` is None when it failed, `error` says why.

    `seconds` is what it took where it ran.
    """

    number: int
    values: Values
    state: State
    loss: float | None
    steps: tuple[tuple[int, float], ...] = ()
    seconds: float = 0.0
    error: str = ""
