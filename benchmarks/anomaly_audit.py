"""False alarms looked at again, with hindsight and by rule: which of them would an operator call outliers all the same?

The rules see the whole log, past and future, and none of the detector's signals. That they also hold for some share of all
tickets is printed beside, since a rule that holds for everything would excuse everything.
"""

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS, MINUTE_MS
from neural_hive_ml.features.binding import number
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns
from neural_hive_ml.tickets.ticket import FAILED_STATUSES, STATUSES

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
_FAILED = [STATUSES.index(s) for s in FAILED_STATUSES]


def genuine_outliers(columns: TicketColumns) -> Bools:
    """Return [n] which tickets are outliers by at least one rule; O(n log n)."""
    return (
        np.isin(columns.status, _FAILED)
        | _strange_run(columns)
        | _strange_parameters(columns)
        | _rare_for(columns.task_id, columns.risk_band.astype(str), fewest=50, share=0.01)
        | _rare_for(columns.owner, (columns.created_at_ms // HOUR_MS % 24).astype(str), fewest=200, share=0.002)
        | _in_a_burst(columns)
    )


def _codes(values: npt.NDArray[np.object_]) -> npt.NDArray[np.intp]:
    return np.unique(values.astype(str), return_inverse=True)[1]


def _strange_run(columns: TicketColumns) -> Bools:
    """More than 3.5 scaled median deviations from the median log run time of its task, of ten tickets or more."""
    known = columns.actual_duration_ms != MISSING_MS
    log_run = np.log1p(np.where(known, columns.actual_duration_ms, 0).astype(float))
    out = np.zeros(len(columns), dtype=bool)
    task = _codes(columns.task_id)
    order = np.argsort(task, kind="stable")
    for of in np.split(order, np.flatnonzero(np.diff(task[order])) + 1):
        own = of[known[of]]
        if len(own) >= 10:
            off = np.abs(log_run[own] - np.median(log_run[own]))
            out[own] = off > 3.5 * max(1.4826 * float(np.median(off)), 0.05)
    return out


def _strange_parameters(columns: TicketColumns) -> Bools:
    """A numeric parameter among the thousandth largest or smallest of the log."""
    values: dict[str, list[tuple[int, float]]] = {}
    for i, parameters in enumerate(columns.parameters):
        for name, text in parameters.items():
            if (value := number(text)) is not None:
                values.setdefault(name, []).append((i, value))
    out = np.zeros(len(columns), dtype=bool)
    for pairs in values.values():
        where, size = np.array([i for i, _ in pairs]), np.array([v for _, v in pairs])
        low, high = np.quantile(size, [0.001, 0.999])
        out[where[(size < low) | (size > high)]] = True
    return out


def _rare_for(whole: npt.NDArray[np.object_], part: npt.NDArray[np.str_], *, fewest: int, share: float) -> Bools:
    """The part holds less than a share of its whole, of which there are at least `fewest` tickets."""
    of = _codes(whole)
    pair = np.unique(np.char.add(of.astype(str), np.char.add("/", part)), return_inverse=True)[1]
    total, both = np.bincount(of)[of], np.bincount(pair)[pair]
    return np.asarray((total >= fewest) & (both < share * total))


def _in_a_burst(columns: TicketColumns) -> Bools:
    """At least fifteen tickets of the same task and owner within the ten minutes around it."""
    group = _codes(columns.task_id + "\x1f" + columns.owner)
    order = np.lexsort((columns.created_at_ms, group))
    # Groups a year apart from each other: one sorted line of moments for all of them.
    line = columns.created_at_ms[order] - columns.created_at_ms.min() + group[order].astype(np.int64) * 10**12
    reach = 5 * MINUTE_MS
    near = np.searchsorted(line, line + reach, side="right") - np.searchsorted(line, line - reach, side="left")
    out = np.zeros(len(columns), dtype=bool)
    out[order] = near >= 15
    return out


def audited_precision(
    ticket_id: npt.NDArray[np.object_], label: Floats, flagged: Floats, outlier_ids: frozenset[str]
) -> tuple[float, int, int, float]:
    """Return (precision with outliers as hits, false alarms, outliers among them, share of outliers among all untouched)."""
    outlier = np.array([i in outlier_ids for i in ticket_id])
    false = (flagged > 0) & (label == 0)
    excused = int((false & outlier).sum())
    hits = float((flagged * label).sum())
    base = float(outlier[label == 0].mean()) if (label == 0).any() else 0.0
    return (hits + excused) / max(float(flagged.sum()), 1.0), int(false.sum()), excused, base
