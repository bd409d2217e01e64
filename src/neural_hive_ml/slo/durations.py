"""Durations as Prometheus writes them, and `$5m` placeholders that a time scale shortens for live tests."""

import re
from typing import Final

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"^(\d+)([smhdw])$")
_PLACEHOLDER = re.compile(r"\$(\d+[smhdw])(_s)?")


def seconds_of(duration: str) -> int:
    """Return the seconds of a duration such as ``5m`` or ``30d``.

    >>> seconds_of("6h")
    21600

    Raises
    ------
    ValueError
        When the text is no single number and unit.
    """
    found = _DURATION.match(duration)
    if found is None:
        raise ValueError(f"{duration!r} is no duration: write a number and one of s, m, h, d, w")
    return int(found[1]) * _SECONDS[found[2]]


def scaled(duration: str, time_scale: float = 1.0) -> str:
    """Return a duration shortened `time_scale` times, as Prometheus writes it; at 1 it is left as it is.

    >>> scaled("1h", 60), scaled("5m", 720), scaled("30d")
    ('60s', '417ms', '30d')
    """
    if time_scale == 1:
        return duration
    milliseconds = round(seconds_of(duration) * 1000 / time_scale)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def expand(expression: str, time_scale: float = 1.0) -> str:
    """Write out the placeholders of an expression: ``$5m`` as a duration, ``$5m_s`` as a number of seconds.

    >>> expand("rate(x[$5m]) < $1h_s")
    'rate(x[5m]) < 3600'
    """

    def written(found: re.Match[str]) -> str:
        if found[2]:
            return f"{seconds_of(found[1]) / time_scale:g}"
        return scaled(found[1], time_scale)

    return _PLACEHOLDER.sub(written, expression)
