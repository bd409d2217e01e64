"""One block of input to one table of answers: the unit that an engine runs, here or on another machine. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_hive_ml.bulk.judge import Judge, StageChoice, judge_block
from neural_hive_ml.errors import InvalidTicket
from neural_hive_ml.tickets.columns import TicketColumns, columns_of
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.ticket import Ticket

if TYPE_CHECKING:
    import pyarrow as pa

Documents = Sequence[bytes | Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Block:
    """Input number `number`: documents as found in a file, the first of them row `first_row`, or tickets of a store."""

    number: int
    documents: Documents = ()
    columns: TicketColumns | None = None
    first_row: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with every block; plain values, so that it can be sent to a worker."""

    judges: tuple[Judge, ...]
    choice: StageChoice
    now_ms: int

    def __call__(self, block: Block) -> "pa.Table":
        """Return the answers of a block, one row an input, in its order; a document that is no ticket has an `error`."""
        if block.columns is not None:
            return judge_block(self.judges, block.columns, self.choice, self.now_ms)
        return self._documents(block)

    def _documents(self, block: Block) -> "pa.Table":
        import pyarrow as pa

        tickets: list[Ticket] = []
        place = np.full(len(block.documents), -1, dtype=np.int64)
        errors: list[str | None] = [None] * len(block.documents)
        for i, document in enumerate(block.documents):
            try:
                tickets.append(decode_ticket(document))
                place[i] = len(tickets) - 1
            except InvalidTicket as error:
                errors[i] = str(error)
        judged = judge_block(self.judges, columns_of(tickets), self.choice, self.now_ms)
        if len(tickets) < len(errors):
            judged = judged.take(pa.array(place, mask=place < 0))
            told = [error or own for error, own in zip(errors, judged["error"].to_pylist(), strict=True)]
            judged = judged.set_column(judged.column_names.index("error"), "error", pa.array(told, pa.string()))
        numbers = np.arange(block.first_row, block.first_row + len(errors), dtype=np.int64)
        return judged.add_column(0, "row", pa.array(numbers))
