"""A training frame on disk: the creation rows of more tickets than memory holds, written once, read in blocks.

What is known of each ticket's run time stays in memory, 9 bytes a ticket; the rows, more than a kilobyte each, are
in one file in the order of creation.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neural_hive_ml.features.frame import FeatureFrame
from neural_hive_ml.features.spec import CREATION_COUNT
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.training.durations import DurationRows, duration_rows
from neural_hive_ml.training.split import TimeSplit

Floats = npt.NDArray[np.float64]
_ROW_BYTES = CREATION_COUNT * 8
BLOCK_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class FrameFile:
    """`n` creation rows of tickets that succeeded, [n, CREATION_COUNT] float64 in `path`, in order of creation.

    `duration_ms` [n], `part` [n] int8: 0 fit, 1 validation, 2 hold-out, 3 none of them (see `DurationRows`).
    """

    path: Path
    duration_ms: Floats
    part: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.part)

    def rows(self, low: int, high: int) -> Floats:
        """Read rows [low, high)."""
        count = (high - low) * CREATION_COUNT
        flat = np.fromfile(self.path, dtype=np.float64, count=count, offset=low * _ROW_BYTES)
        return flat.reshape(-1, CREATION_COUNT)

    def of_part(self, part: int, newest: int | None = None) -> Iterator[tuple[Floats, npt.NDArray[np.intp]]]:
        """Yield (rows, their numbers) of a part in blocks, the oldest first; only the `newest` so many."""
        wanted = np.flatnonzero(self.part == part)
        if newest is not None:
            wanted = wanted[-newest:] if newest else wanted[:0]
        for start in range(0, len(wanted), BLOCK_ROWS):
            some = wanted[start : start + BLOCK_ROWS]
            low, high = int(some[0]), int(some[-1]) + 1
            # Rows of a part lie together but for a few that ended late.
            yield self.rows(low, high)[some - low], some


def write_frame(frames: Iterable[tuple[FeatureFrame, TicketColumns]], split: TimeSplit, path: Path) -> FrameFile:
    """Write the creation rows of `features.blocks.frame_blocks` to a file, replacing it. O(n), a block in memory."""
    durations: list[Floats] = []
    parts: list[npt.NDArray[np.int8]] = []
    with path.open("wb") as file:
        for frame, tickets in frames:
            known = duration_rows(tickets, frame.of_stage("created"), split)
            np.ascontiguousarray(known.rows[:, :CREATION_COUNT]).tofile(file)
            durations.append(known.duration_ms)
            parts.append(_part(known))
    empty = np.empty(0)
    return FrameFile(path, np.concatenate([empty, *durations]), np.concatenate([empty.astype(np.int8), *parts]))


def _part(known: DurationRows) -> npt.NDArray[np.int8]:
    choices = [known.fit, known.validation, known.holdout]
    return np.select(choices, [np.int8(0), np.int8(1), np.int8(2)], np.int8(3))
