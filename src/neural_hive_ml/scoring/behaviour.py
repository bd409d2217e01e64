"""What about a row can be anomalous: one-sided signals, each high where an operator would look twice.

A signal is made of feature columns and of the run time's surprise under the frozen duration quantiles. `SIGNALS` says what
each is in plain words, which anomaly type it speaks for, and at which stages it is known.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.compiled import COMPILED, kernels
from neural_hive_ml.features.layout import PARAMETER_SLOTS
from neural_hive_ml.features.spec import INDEX

Floats = npt.NDArray[np.float64]
CREATED, RUNNING, ENDED = "created", "running", "ended"
STAGES: Final = (CREATED, RUNNING, ENDED)


@dataclass(frozen=True, slots=True)
class Signal:
    """`scale` is the least difference that counts as one step beyond anything seen before, in the signal's unit."""

    name: str
    anomaly_type: str
    words: str
    scale: float
    stages: tuple[str, ...]


_ALL = (CREATED, RUNNING, ENDED)
_LATER = (RUNNING, ENDED)
_SLOTS = range(PARAMETER_SLOTS)
SIGNALS: Final[tuple[Signal, ...]] = (
    Signal("slow_run", "duration_outlier", "ran longer than forecast and than this task does", 0.5, _LATER),
    Signal("fast_run", "duration_outlier", "ran shorter than forecast and than this task does", 0.5, (ENDED,)),
    Signal("long_wait", "timeout_risk", "waited longer than this task does", 0.7, _LATER),
    Signal("near_sla", "timeout_risk", "uses up its SLA", 0.5, _LATER),
    Signal("excess_retries", "excessive_retries", "was retried more than this task is", 0.7, _LATER),
    Signal("error_in_success", "silent_failure", "completed although it carries an error", 1.0, (ENDED,)),
    Signal("strange_capabilities", "capability_anomaly", "asks for capabilities this task does not", 1.0, _ALL),
    Signal("strange_risk", "resource_mismatch", "carries a risk band this task does not", 1.0, _ALL),
    Signal("strange_size", "resource_mismatch", "has parameters of another magnitude than this task's", 1.0, _ALL),
    Signal("strange_hour_for_task", "unusual_time", "came at an hour this task does not run", 1.0, _ALL),
    Signal("strange_hour_for_owner", "unusual_time", "came at an hour this owner does not work", 1.0, _ALL),
    Signal("owner_burst", "burst", "came in a burst of this owner's tickets", 0.7, _ALL),
    Signal("task_burst", "burst", "came in a burst of this task's tickets", 0.7, _ALL),
    Signal("same_burst", "burst", "came in a burst of the very same work", 0.7, _ALL),
    *(
        Signal(f"parameter_{k + 1}_high", "resource_mismatch", "is larger than tickets have", 0.5, _ALL)
        for k in _SLOTS
    ),
    *(
        Signal(f"parameter_{k + 1}_low", "resource_mismatch", "is smaller than tickets have", 0.5, _ALL)
        for k in _SLOTS
    ),
)
NAMES: Final = tuple(s.name for s in SIGNALS)
# Log spread below which nobody calls a run time surprising: about 10 %.
_LEAST_SPREAD = 0.10
# Between the 0.1 and 0.9 quantile of a normal lie 2.5631 standard deviations.
_SIGMAS = 1.2816
# From this many of its tickets on a task's own history has a say about its run times.
_FEWEST_OF_TASK = 3
_TOLD_BY_TASK = float(np.log1p(_FEWEST_OF_TASK)) - 1e-9

# From twentieth of the SLA on: the log of the share is above minus three.
_SLA_FROM = 3.0
_POSITION = {name: i for i, name in enumerate(NAMES)}

# The log share (negated) that a combination has where nothing was seen yet.
_NEVER_SEEN = float(np.log(2.0))

# Signals that are a column, or its negative, as far as it lies above a number: signal, column, sign, number. How strange a
# combination is, is told only as far as there is a history that could know better: a task's first ticket is a case of its
# own, not an anomaly.
_ONE_SIDED: Final = (
    ("long_wait", "excess_wait", 1.0, 0.0),
    ("excess_retries", "excess_retries", 1.0, 0.0),
    ("strange_capabilities", "capabilities_familiar", -1.0, _NEVER_SEEN),
    ("strange_risk", "risk_familiar", -1.0, _NEVER_SEEN),
    ("strange_hour_for_task", "task_hour_familiar", -1.0, 0.0),
    ("strange_hour_for_owner", "owner_hour_familiar", -1.0, 0.0),
    ("owner_burst", "owner_burst", 1.0, 0.0),
    ("task_burst", "task_burst", 1.0, 0.0),
    ("same_burst", "same_burst", 1.0, 0.0),
)
_ONE_SIDED_OUT = np.array([_POSITION[name] for name, _, _, _ in _ONE_SIDED])
_ONE_SIDED_IN = np.array([INDEX[column] for _, column, _, _ in _ONE_SIDED])
_ONE_SIDED_SIGN = np.array([sign for _, _, sign, _ in _ONE_SIDED])
_ONE_SIDED_FROM = np.array([start for _, _, _, start in _ONE_SIDED])
_PARAMETERS_IN = np.array([INDEX[f"parameter_{k + 1}"] for k in _SLOTS])
_HIGH_OUT = np.array([_POSITION[f"parameter_{k + 1}_high"] for k in _SLOTS])
_LOW_OUT = np.array([_POSITION[f"parameter_{k + 1}_low"] for k in _SLOTS])
# What the kernel reads, in its order: columns of a row, places of signals, numbers, and the one-sided ones.
_TABLE: Final = (
    np.array(
        [
            INDEX[name]
            for name in (
                "has_duration", "is_ended", "failed", "error_message", "log_duration", "task_succeeded", "z_task",
                "to_sla", "parameter_size_z", "parameter_1",
            )
        ],
        dtype=np.int64,
    ),
    np.array(
        [
            _POSITION[name]
            for name in (
                "slow_run", "fast_run", "near_sla", "error_in_success", "strange_size", "parameter_1_high",
                "parameter_1_low",
            )
        ],
        dtype=np.int64,
    ),
    np.array([_LEAST_SPREAD, _SIGMAS, _TOLD_BY_TASK, _SLA_FROM]),
    _ONE_SIDED_IN.astype(np.int64),
    _ONE_SIDED_OUT.astype(np.int64),
    _ONE_SIDED_SIGN,
    _ONE_SIDED_FROM,
)  # fmt: skip


def positions(stage: str) -> npt.NDArray[np.intp]:
    """Return the columns of the signals that are known at a stage."""
    return np.array([i for i, s in enumerate(SIGNALS) if stage in s.stages], dtype=np.intp)


def signals(rows: Floats, log_quantiles: Floats, *, compiled: bool = COMPILED) -> Floats:
    """Return [n, len(SIGNALS)] for feature rows [n, COLUMN_COUNT] and log quantiles [n, 3] of their run time; O(n)."""
    if compiled:
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        log_quantiles = np.ascontiguousarray(log_quantiles, dtype=np.float64)
        out = np.empty((len(rows), len(SIGNALS)))
        kernels.signals(rows, rows.shape[1], log_quantiles, _TABLE, PARAMETER_SLOTS, out, len(SIGNALS))
        return out

    def column(name: str) -> Floats:
        return rows[:, INDEX[name]]

    known = column("has_duration")
    duration = column("log_duration")
    above = np.maximum(log_quantiles[:, 2] - log_quantiles[:, 1], _LEAST_SPREAD) / _SIGMAS
    below = np.maximum(log_quantiles[:, 1] - log_quantiles[:, 0], _LEAST_SPREAD) / _SIGMAS
    surprise = duration - log_quantiles[:, 1]
    failed = column("failed")
    ended = column("is_ended")
    out = np.zeros((len(rows), len(SIGNALS)))

    def put(name: str, values: Floats) -> None:
        out[:, _POSITION[name]] = values

    # A forecast can be off for work of a new kind, and a task's history for a ticket of another size: what both call
    # strange is.
    of_task = np.where(column("task_succeeded") >= _TOLD_BY_TASK, column("z_task"), np.nan)
    put("slow_run", known * np.maximum(np.fmin(surprise / above, of_task), 0))
    put("fast_run", known * ended * (1 - failed) * np.maximum(np.fmin(-surprise / below, -of_task), 0))
    put("near_sla", known * np.maximum(column("to_sla") + _SLA_FROM, 0))
    put("error_in_success", ended * (1 - failed) * column("error_message"))
    put("strange_size", np.abs(column("parameter_size_z")))
    out[:, _ONE_SIDED_OUT] = np.maximum(_ONE_SIDED_SIGN * rows[:, _ONE_SIDED_IN] - _ONE_SIDED_FROM, 0)
    sizes = rows[:, _PARAMETERS_IN]
    out[:, _HIGH_OUT], out[:, _LOW_OUT] = sizes, -sizes
    return out
