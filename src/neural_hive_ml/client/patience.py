"""How long and how often a call is tried: bounded in both, whatever the service does. Pure."""

from dataclasses import dataclass
from typing import Final

# Worth another try: overloaded, or something between us and the service fails.
AGAIN: Final = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """A call takes at most `total_seconds` with all its tries; each try at most `try_seconds`.

    All calls may be repeated: scoring changes nothing but its log, and the same verdict is stored once.
    """

    total_seconds: float = 10.0
    try_seconds: float = 3.0
    tries: int = 3
    first_pause_seconds: float = 0.1

    def pause(self, tried: int, asked_seconds: float | None, draw: float, left_seconds: float) -> float | None:
        """Return the seconds before the next try, None when there is to be none.

        Doubles with each try, half of it at random (`draw` in [0, 1)); a service that asks for a pause gets it, unless that
        is longer than what is left.
        """
        if tried >= self.tries:
            return None
        own = self.first_pause_seconds * 2 ** (tried - 1) * (0.5 + 0.5 * draw)
        pause = own if asked_seconds is None else max(asked_seconds, own)
        return pause if pause < left_seconds else None


def asked_pause(header: str | None) -> float | None:
    """Read a Retry-After header in seconds; a date or nonsense is none.

    >>> asked_pause("2"), asked_pause("Wed, 21 Oct 2015 07:28:00 GMT"), asked_pause(None)
    (2.0, None, None)
    """
    return float(header) if header is not None and header.strip().isdigit() else None
