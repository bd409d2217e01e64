"""Series in promtool's notation, told as phases: how long, and what the value does meanwhile."""

from dataclasses import dataclass


def gauge(*phases: tuple[int, float | None]) -> str:
    """Hold each value for so many steps; None means that there is no series.

    >>> gauge((3, 0), (2, 1), (1, None))
    '0+0x2 1+0x1 _'
    """
    return " ".join(
        f"_x{steps}" if value is None and steps > 1 else "_" if value is None else f"{value:g}+0x{steps - 1}"
        for steps, value in phases
    )


def counter(*phases: tuple[int, float]) -> str:
    """Grow by so much a step for so many steps, from 0.

    >>> counter((3, 5), (2, 0))
    '0+5x2 15+0x1'
    """
    written, total = [], 0.0
    for steps, each in phases:
        written.append(f"{total:g}+{each:g}x{steps - 1}")
        total += each * steps
    return " ".join(written)


def clock(step_seconds: int, *phases: tuple[int, bool]) -> str:
    """Tell the time of each step while True, stand still while False: a timestamp that stops.

    >>> clock(60, (2, True), (2, False), (1, True))
    '0+60x1 60+0x1 240+0x0'
    """
    written, now, shown = [], 0, 0
    for steps, runs in phases:
        start = now if runs else shown
        written.append(f"{start}+{step_seconds if runs else 0}x{steps - 1}")
        now += steps * step_seconds
        if runs:
            shown = now - step_seconds
    return " ".join(written)


@dataclass(frozen=True, slots=True)
class Case:
    """An alert and a fault that sets it off. `series` is selector -> notation, healthy before and after the fault."""

    alert: str
    series: dict[str, str]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Cases on one time axis, in one store: healthy until `fault`, faulty until `mended`, healthy until `end` (steps)."""

    name: str
    step_seconds: int
    fault: int
    mended: int
    end: int
    cases: tuple[Case, ...]
