"""The slots of many tickets: each key is made and looked up once, however many tickets have it."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.features import layout as at
from neural_hive_ml.features.distinct import Codes, codes_of, combined
from neural_hive_ml.features.raw import keys_of
from neural_hive_ml.tickets.columns import TicketColumns

# What the key of each scope is made of, in the order of `layout.SCOPES`; see `raw.keys_of`.
_MADE_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "task": ("task",),
    "owner": ("owner",),
    "owner_task": ("owner", "task"),
    "same": ("task", "parameters"),
    "type": ("type",),
    "risk": ("risk",),
    "capabilities": ("capabilities",),
    "everything": ("everything",),
    "task_capabilities": ("task", "capabilities"),
    "task_risk": ("task", "risk"),
    "task_hours": ("task",),
    "owner_hours": ("owner",),
}


def slots_of(columns: TicketColumns, slot: Callable[[int, str], int]) -> npt.NDArray[np.int64]:
    """Return the slots [n, SLOT_COUNT] of tickets; `slot` gives that of a scope's number and a key. O(n log n)."""
    parts: dict[str, Codes] = {
        "task": codes_of(columns.task_id)[0],
        "owner": codes_of(columns.owner)[0],
        "parameters": codes_of(columns.parameters, lambda p: tuple(p.items()))[0],
        "capabilities": codes_of(columns.capabilities)[0],
        "type": columns.task_type.astype(np.intp),
        "risk": columns.risk_band.astype(np.intp),
        "everything": np.zeros(len(columns), dtype=np.intp),
    }
    out = np.empty((len(columns), at.SLOT_COUNT), dtype=np.int64)
    done: dict[tuple[str, ...], tuple[Codes, Codes]] = {}
    for scope, name in enumerate(at.SCOPES):
        made_of = _MADE_OF[name]
        if made_of not in done:
            done[made_of] = combined([parts[part] for part in made_of])
        codes, first = done[made_of]
        held = [slot(scope, keys_of_row(columns, i)[scope]) for i in first.tolist()]
        out[:, scope] = np.array(held, dtype=np.int64)[codes]
    return out


def keys_of_row(columns: TicketColumns, i: int) -> tuple[str, ...]:
    """Return the key of each scope of ticket `i`."""
    return keys_of(
        columns.task_id[i],
        columns.owner[i],
        columns.capabilities[i],
        columns.parameters[i],
        int(columns.task_type[i]),
        int(columns.risk_band[i]),
    )
