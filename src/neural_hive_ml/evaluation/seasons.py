"""Hours of the week as cells: what a window is compared with is what those hours usually look like."""

from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS

Level = Literal["hour_of_week", "hour_by_weekend", "daypart_by_weekend", "none"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
CELLS: Final[dict[Level, int]] = {"hour_of_week": 168, "hour_by_weekend": 48, "daypart_by_weekend": 8, "none": 1}
# Days of reference that show a level's season at least three times.
_DAYS_NEEDED: Final[dict[Level, float]] = {
    "hour_of_week": 21.0,
    "hour_by_weekend": 14.0,
    "daypart_by_weekend": 7.0,
    "none": 0.0,
}
_THURSDAY = 3  # 1970-01-01 was one; Monday is 0
_SATURDAY = 5


def hours_of(at_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the epoch hour of each moment."""
    return np.floor_divide(at_ms, HOUR_MS)


def cells_of_hours(hours: npt.NDArray[np.int64], level: Level, timezone: str = "UTC") -> npt.NDArray[np.intp]:
    """Return the season cell of each epoch hour, in [0, CELLS[level]); O(hours).

    >>> cells_of_hours(np.array([0, 24 * 4]), "hour_of_week").tolist()  # a Thursday, a Monday
    [72, 0]
    """
    local = hours + _offsets(hours, timezone)
    hour, weekday = local % 24, (local // 24 + _THURSDAY) % 7
    weekend = (weekday >= _SATURDAY).astype(np.int64)
    match level:
        case "hour_of_week":
            cell = weekday * 24 + hour
        case "hour_by_weekend":
            cell = weekend * 24 + hour
        case "daypart_by_weekend":
            cell = weekend * 4 + hour // 6
        case _:
            cell = np.zeros_like(hours)
    return cell.astype(np.intp)


def _offsets(hours: npt.NDArray[np.int64], timezone: str) -> npt.NDArray[np.int64]:
    if timezone == "UTC" or not len(hours):
        return np.zeros_like(hours)
    from datetime import UTC, datetime

    zone = ZoneInfo(timezone)
    unique, inverse = np.unique(hours, return_inverse=True)
    shift = [datetime.fromtimestamp(int(h) * 3600, UTC).astimezone(zone).utcoffset() for h in unique]
    whole = np.array([0 if s is None else round(s.total_seconds() // 3600) for s in shift], dtype=np.int64)
    return np.asarray(whole[inverse])


def choose_level(rows: int, span_days: float, table_columns: int, max_counts: int, rows_a_cell: int = 40) -> Level:
    """Return the finest level that the reference has seen often enough and that fits the size bound.

    `table_columns` is the number of counts a cell holds. A level needs its season three times over and
    `rows_a_cell` rows in the average cell.
    """
    for level in LEVELS:
        seen = span_days >= _DAYS_NEEDED[level] and rows >= rows_a_cell * CELLS[level]
        if level == "none" or (seen and CELLS[level] * table_columns <= max_counts):
            return level
    raise AssertionError(LEVELS)
