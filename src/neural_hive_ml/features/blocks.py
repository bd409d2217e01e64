"""Rows of more tickets than memory holds: block by block, the same rows as in one piece.

A ticket's events may lie behind the creation of tickets of later blocks, so it is carried along until the replay has passed
its last one. What is held at once is a block, the tickets still open at its end, and the statistics.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from neural_hive_ml.errors import UsageError
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import FeatureFrame, Stage, extend_frame
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns, columns_of, concat

_NEVER_MS = -MISSING_MS


def frame_blocks(
    blocks: Iterable[TicketColumns],
    binding: FeatureBinding,
    memory: Statistics,
    stages: Sequence[Stage] = ("created", "ended"),
) -> Iterator[tuple[FeatureFrame, TicketColumns]]:
    """Yield (rows, the tickets that their `ticket` indexes) in order of time; `memory` learns on the way.

    Put together, rows and statistics are those of `build_frame` over all blocks at once, to the last bit. Blocks come
    in order of (created_at, ticket_id), as every ticket store reads them.

    Raises
    ------
    UsageError
        When a block begins before the one in front of it.
    """
    carried, since_ms = columns_of([]), MISSING_MS
    for block, following in pairwise(_then_none(blocks)):
        assert block is not None, "None comes last"
        until_ms = _NEVER_MS if following is None else int(following.created_at_ms[0])
        if until_ms < int(block.created_at_ms[0]) or int(block.created_at_ms[0]) < since_ms:
            raise UsageError(
                "blocks of tickets are not in order of their creation",
                remedy="read them from a ticket store, or sort by (created_at, ticket_id)",
            )
        tickets = concat([carried, block]) if len(carried) else block
        yield extend_frame(tickets, binding, memory, stages, between=(since_ms, until_ms)), tickets
        last = np.maximum(np.maximum(tickets.created_at_ms, tickets.started_at_ms), tickets.completed_at_ms)
        carried, since_ms = tickets.take(last >= until_ms), until_ms


def _then_none(blocks: Iterable[TicketColumns]) -> Iterator[TicketColumns | None]:
    yield from (block for block in blocks if len(block))
    yield None
