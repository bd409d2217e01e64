"""Time as an argument: UTC integer milliseconds from a `Clock`, never read inside the core."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
WEEK_MS = 604_800_000


class Clock(Protocol):
    """A source of the present moment."""

    def now_ms(self) -> int:
        """Return the present as UTC epoch milliseconds."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands still: for `--as-of`, replays and tests."""

    at_ms: int

    def now_ms(self) -> int:
        return self.at_ms


def kept_since(now_ms: int, days: float) -> int | None:
    """Return the moment before which what is kept for so many days goes; None for 0 days: it is kept for ever.

    >>> kept_since(10 * DAY_MS, 9.5) == DAY_MS // 2
    True
    >>> kept_since(10 * DAY_MS, 0) is None
    True
    """
    return None if days <= 0 else now_ms - round(days * DAY_MS)


def iso(at_ms: int) -> str:
    """Format epoch milliseconds as ISO 8601 UTC.

    >>> iso(0)
    '1970-01-01T00:00:00.000Z'
    """
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_instant(text: str) -> int:
    """Read an instant (epoch milliseconds, or ISO 8601; a naive time is UTC) as epoch milliseconds.

    >>> parse_instant("2013-12-01T00:00:00Z")
    1385856000000
    >>> parse_instant("1385856000000")
    1385856000000

    Raises
    ------
    ValueError
        When the text is neither.
    """
    text = text.strip()
    if text.lstrip("-").isdigit():
        return int(text)
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
