"""Time-ordered parts of a window: fit, then validation, then hold-out; nothing is shuffled."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.tickets.columns import TicketColumns

FIT_SHARE = 0.60
VALIDATION_SHARE = 0.15
# Fewer tickets than this leave no part with anything to say, whatever was asked for.
FEWEST = 20


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Boundaries in epoch ms: fit is before `validation_from_ms`, hold-out from `holdout_from_ms` on, by creation."""

    validation_from_ms: int
    holdout_from_ms: int
    until_ms: int

    def part(self, created_at_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
        """Return 0 (fit), 1 (validation) or 2 (hold-out) for each creation time."""
        return np.where(
            created_at_ms < self.validation_from_ms, 0, np.where(created_at_ms < self.holdout_from_ms, 1, 2)
        ).astype(np.int8)


def split_by_time(columns: TicketColumns, until_ms: int, min_samples: int) -> TimeSplit:
    """Split tickets by creation time at 60 % and 75 % of them; see `split_times`."""
    return split_times(columns.created_at_ms, until_ms, min_samples)


def split_times(created_at_ms: npt.NDArray[np.int64], until_ms: int, min_samples: int) -> TimeSplit:
    """Split by creation times, in any order, at 60 % and 75 % of them.

    Raises
    ------
    NotEnoughData
        When there are fewer than `min_samples` tickets (never fewer than 20), or they were created at so few moments that a
        part would be empty.
    """
    n, need = len(created_at_ms), max(min_samples, FEWEST)
    if n < need:
        raise NotEnoughData(
            f"{n:,} tickets in the window, {need:,} needed",
            have=n,
            need=need,
            remedy="a longer --training-window-days, a smaller --min-samples, or more tickets",
        )
    created = np.sort(created_at_ms)
    split = TimeSplit(
        validation_from_ms=int(created[int(n * FIT_SHARE)]),
        holdout_from_ms=int(created[int(n * (FIT_SHARE + VALIDATION_SHARE))]),
        until_ms=until_ms,
    )
    filled = int((np.bincount(split.part(created), minlength=3) > 0).sum())
    if filled < 3:
        raise NotEnoughData(
            f"{n:,} tickets were created at too few moments to be split in time",
            have=filled,
            need=3,
            remedy="a longer --training-window-days",
        )
    return split
