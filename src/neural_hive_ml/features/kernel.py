"""The replay kernel: compiled where a compiler was there at installation, else the definition itself."""

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from neural_hive_ml.compiled import COMPILED, kernels
from neural_hive_ml.features import definition
from neural_hive_ml.features import layout as at
from neural_hive_ml.features.spec import COLUMN_COUNT
from neural_hive_ml.features.statistics import Tables


def replay(
    kind: npt.NDArray[np.int8],
    stage: npt.NDArray[np.int8],
    emit: npt.NDArray[np.int64],
    apply: npt.NDArray[np.uint8],
    at_ms: npt.NDArray[np.int64],
    slots: npt.NDArray[np.int64],
    raw: npt.NDArray[np.float64],
    tables: Tables,
    out: npt.NDArray[np.float64],
    *,
    compiled: bool = COMPILED,
) -> None:
    """Go through `n` events in order: write row `emit[i]` of `out` (-1: none), then learn event i if `apply[i]`.

    All arrays are C-contiguous; `slots` is [n, 12], `raw` [n, RAW_WIDTH], `out` [m, COLUMN_COUNT]. O(n).
    """
    if compiled:
        kernels.replay(
            kind,
            stage,
            emit,
            apply,
            at_ms,
            slots,
            raw,
            tables.full,
            tables.slim,
            tables.pairs,
            tables.hours,
            out,
            COLUMN_COUNT,
        )
        return
    for i in range(len(kind)):
        now = float(at_ms[i])
        if emit[i] >= 0:
            out[emit[i]] = definition.make_row(int(stage[i]), now, raw[i], slots[i], tables)
        if apply[i] and kind[i] != at.NO_EVENT:
            definition.learn(int(kind[i]), now, raw[i], slots[i], tables)


_NO_EVENT, _NOT_LEARNED, _FIRST = bytes([at.NO_EVENT]), bytes(1), bytes(8)
_STAGE = tuple(bytes([stage]) for stage in range(3))


def make_row(
    stage: int,
    at_ms: int,
    slots: Sequence[int],
    raw: Sequence[float],
    tables: Tables,
    *,
    compiled: bool = COMPILED,
) -> npt.NDArray[np.float64]:
    """Return the row [COLUMN_COUNT] of one ticket; what `replay` emits for it, without arrays of one entry."""
    if not compiled:
        numbers, places = np.array(raw, dtype=np.float64), np.array(slots, dtype=np.int64)
        return np.array(definition.make_row(stage, float(at_ms), numbers, places, tables))
    out = np.empty(COLUMN_COUNT)
    kernels.replay(
        _NO_EVENT,
        _STAGE[stage],
        _FIRST,
        _NOT_LEARNED,
        array("q", (at_ms,)),
        array("q", slots),
        array("d", raw),
        tables.full,
        tables.slim,
        tables.pairs,
        tables.hours,
        out,
        COLUMN_COUNT,
    )
    return out
