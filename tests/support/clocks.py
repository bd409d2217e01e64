"""A clock that a test turns by hand."""

from dataclasses import dataclass


@dataclass
class HandClock:
    """Stands still until `at_ms` is set."""

    at_ms: int

    def now_ms(self) -> int:
        return self.at_ms
