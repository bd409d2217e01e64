"""The tickets that a training reads: the newest as rows, older ones only as what they taught.

Two years of a busy platform are more rows than a process holds, and trees learn from the newest (0008 in docs/adr/). What
came before still belongs to every row's statistics and to the load series, both of which are made block by block.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.blocks import BlockReplay
from neural_hive_ml.features.frame import FeatureFrame, RunningMoments, Stage, build_frame
from neural_hive_ml.features.series import CountSeries, completions, from_pairs
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.columns import TicketColumns, concat


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of a window before `until_ms` (epoch ms), where its rows begin: `tickets` were created, the first at
    `oldest_ms`, and `statistics` have learned every event.

    `hours` are the completions an hour of the whole window; `synthetic` when some of these tickets are.
    """

    tickets: int
    oldest_ms: int
    until_ms: int
    statistics: Statistics
    hours: CountSeries
    synthetic: bool


def bounded_window(
    blocks: Iterable[TicketColumns], as_of_ms: int, most_tickets: int, timezone: str
) -> tuple[TicketColumns, Earlier | None]:
    """Return the newest `most_tickets` or a block more, as known at `as_of_ms`, and what came before (None: nothing).

    Beside the newest are the few older tickets with an event still to come. Blocks are in order of (created_at, ticket_id).
    O(n log n) in time; what is held is bounded by `most_tickets`, a block, and a record a key.
    """
    held, tickets, learned, synthetic = deque[TicketColumns](), 0, 0, False
    oldest_ms: int | None = None
    replay = BlockReplay(FeatureBinding((), timezone), Statistics())
    done: list[CountSeries] = []
    for whole in blocks:
        block = as_of(whole, as_of_ms)
        if not len(block):
            continue
        if oldest_ms is None:
            oldest_ms = int(block.created_at_ms[0])
        done.append(completions(block, as_of_ms, bucket_ms=HOUR_MS))
        held.append(block)
        tickets += len(block)
        while tickets - len(held[0]) >= most_tickets:
            passed = held.popleft()
            replay.advance(passed, int(held[0].created_at_ms[0]))
            synthetic = synthetic or bool(passed.synthetic.any())
            tickets, learned = tickets - len(passed), learned + len(passed)
    columns = concat([replay.carried, *held] if len(replay.carried) else list(held))
    if oldest_ms is None or not learned:
        return columns, None
    # Some of one moment may lie on both sides of the cut.
    before = learned - int((replay.carried.created_at_ms >= replay.since_ms).sum())
    return columns, Earlier(before, oldest_ms, replay.since_ms, replay.memory, _added(done, as_of_ms), synthetic)


def window_frame(
    columns: TicketColumns,
    binding: FeatureBinding,
    stages: Sequence[Stage],
    earlier: Earlier | None,
    running: RunningMoments | None = None,
) -> tuple[FeatureFrame, Statistics]:
    """Return the rows of a window and the statistics at its end; rows begin where `earlier` ends.

    `earlier` remembers hours of the day in the time zone that the training was asked for, whatever `binding` says.
    """
    if earlier is None:
        return build_frame(columns, binding, stages, running=running)
    return build_frame(columns, binding, stages, earlier.statistics, running, since_ms=earlier.until_ms)


def _added(done: Sequence[CountSeries], as_of_ms: int) -> CountSeries:
    times: npt.NDArray[np.int64] = np.concatenate([series.times_ms() for series in done])
    return from_pairs(times, np.concatenate([series.counts for series in done]), HOUR_MS, as_of_ms)
