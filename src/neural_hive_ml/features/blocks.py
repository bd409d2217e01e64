"""Rows of more tickets than memory holds: block by block, the same rows as in one piece.

A ticket's events may lie behind the creation of tickets of later blocks, so it is carried along until the replay has passed
its last one. What is held at once is a block, the tickets still open at its end, and the statistics.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from neural_hive_ml.errors import UsageError
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import FeatureFrame, Stage, extend_frame
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns, columns_of, concat

_NEVER_MS = -MISSING_MS


@dataclass(slots=True)
class BlockReplay:
    """Where a replay of blocks is: `memory` has learned every event before `since_ms`, `carried` are the tickets of
    blocks passed that have one at or behind it."""

    binding: FeatureBinding
    memory: Statistics
    stages: Sequence[Stage] = ()
    since_ms: int = MISSING_MS
    carried: TicketColumns = field(default_factory=lambda: columns_of([]))

    def advance(self, block: TicketColumns, until_ms: int) -> tuple[FeatureFrame, TicketColumns]:
        """Replay up to `until_ms`, where the first ticket behind a block that is not empty was created.

        Return the rows of `stages` and the tickets that their `ticket` indexes.

        Raises
        ------
        UsageError
            When the block begins before the one in front of it, or behind the one that follows.
        """
        first_ms = int(block.created_at_ms[0])
        if until_ms < first_ms or first_ms < self.since_ms:
            raise UsageError(
                "blocks of tickets are not in order of their creation",
                remedy="read them from a ticket store, or sort by (created_at, ticket_id)",
            )
        tickets = concat([self.carried, block]) if len(self.carried) else block
        between = (self.since_ms, until_ms)
        frame = extend_frame(tickets, self.binding, self.memory, self.stages, between=between)
        last = np.maximum(np.maximum(tickets.created_at_ms, tickets.started_at_ms), tickets.completed_at_ms)
        self.carried, self.since_ms = tickets.take(last >= until_ms), until_ms
        return frame, tickets


def frame_blocks(
    blocks: Iterable[TicketColumns],
    binding: FeatureBinding,
    memory: Statistics,
    stages: Sequence[Stage] = ("created", "ended"),
) -> Iterator[tuple[FeatureFrame, TicketColumns]]:
    """Yield (rows, the tickets that their `ticket` indexes) in order of time; `memory` learns on the way.

    Put together, rows and statistics are those of `build_frame` over all blocks at once, to the last bit. Blocks come
    in order of (created_at, ticket_id), as every ticket store reads them; else `UsageError`.
    """
    replay = BlockReplay(binding, memory, stages)
    for block, following in pairwise(_then_none(blocks)):
        assert block is not None, "None comes last"
        yield replay.advance(block, _NEVER_MS if following is None else int(following.created_at_ms[0]))


def _then_none(blocks: Iterable[TicketColumns]) -> Iterator[TicketColumns | None]:
    yield from (block for block in blocks if len(block))
    yield None
