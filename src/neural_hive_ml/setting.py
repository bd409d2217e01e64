"""What a setting may be: numbers of a range, one of few words, true or false, a time zone, or any text."""

from dataclasses import dataclass
from math import inf
from typing import Final


@dataclass(frozen=True, slots=True)
class Number:
    """The numbers that a setting may be: `whole` ones or all, from `least` (not itself where `above`) to `most`."""

    least: float = 0.0
    most: float = inf
    above: bool = False
    whole: bool = False

    def __contains__(self, number: float) -> bool:
        low = self.least < number if self.above else self.least <= number
        return low and number <= self.most

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        low = f"above {self.least:g}" if self.above else f"from {self.least:g}"
        return f"{kind} {low}" + ("" if self.most == inf else f" to {self.most:g}")


ANY: Final = Number()
WHOLE: Final = Number(whole=True)
TIME: Final = Number(above=True)
COUNT: Final = Number(1, whole=True)
SHARE: Final = Number(0, 1)


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable: its default in the embedded profile, and in the platform's where that differs.

    `secret` values are never printed; `one_of` are the only values there are, where it is not empty; `zone` is the name
    of an IANA time zone; where there is a `number`, it is one of those; a `flag` is true or false.
    """

    name: str
    embedded: str
    platform: str | None
    meaning: str
    secret: bool = False
    one_of: tuple[str, ...] = ()
    zone: bool = False
    number: Number | None = None
    flag: bool = False
