"""A ticket as the kernel takes it: plain numbers, before any transformation, and the keys it is remembered by."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from math import fsum, log1p
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import MINUTE_MS
from neural_hive_ml.features import layout as at
from neural_hive_ml.features.binding import FeatureBinding, number
from neural_hive_ml.features.distinct import codes_of
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns
from neural_hive_ml.tickets.ticket import FAILED_STATUSES, STATUSES

Floats = npt.NDArray[np.float64]
_FAILED_CODES = np.array([status in FAILED_STATUSES for status in STATUSES])
_SEPARATOR = "\x1f"
_OF_PARAMETERS = [
    *(at.PARAMETERS, at.PARAMETER_BYTES, at.PARAMETERS_MISSING, at.PARAMETER_SIZE),
    *range(at.FIRST_PARAMETER, at.FIRST_PARAMETER + at.PARAMETER_SLOTS),
]


# Time zones lie whole quarters of an hour from UTC.
QUARTER_MS = 15 * MINUTE_MS


@lru_cache(maxsize=36_000)  # a year of quarters
def local_hour(quarters_since_epoch: int, timezone: str) -> tuple[int, int]:
    """Return (hour 0-23, weekday 0-6 from Monday) of a quarter of an hour, counted from the epoch, in a time zone.

    >>> local_hour(0, "UTC"), local_hour(3, "Asia/Kolkata")
    ((0, 3), (6, 3))
    """
    if timezone == "UTC":
        return quarters_since_epoch // 4 % 24, (quarters_since_epoch // 96 + 3) % 7
    from datetime import UTC, datetime, timedelta

    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * quarters_since_epoch)
    local = moment.astimezone(ZoneInfo(timezone))
    return local.hour, local.weekday()


def raw_tickets(columns: TicketColumns, binding: FeatureBinding) -> Floats:
    """Lay tickets out as the kernel's raw columns, [n, RAW_WIDTH]; O(n)."""
    n = len(columns)
    raw = np.zeros((n, at.RAW_WIDTH))
    has_estimate = columns.estimated_duration_ms != MISSING_MS
    raw[:, at.ESTIMATE_MS] = np.where(has_estimate, columns.estimated_duration_ms, 0)
    raw[:, at.HAS_ESTIMATE] = has_estimate
    raw[:, at.SLA_TIMEOUT_MS] = columns.sla_timeout_ms
    raw[:, at.PRIORITY] = columns.priority
    raw[:, at.RISK] = columns.risk_band
    raw[:, at.SECURITY] = columns.security_level
    raw[:, at.DELIVERY] = columns.delivery_mode
    raw[:, at.CONSISTENCY] = columns.consistency
    raw[:, at.DURABILITY] = columns.durability
    raw[:, at.TYPE] = columns.task_type
    raw[:, at.DEPENDENCIES] = columns.dependencies
    raw[:, at.RETRY_COUNT] = columns.retry_count
    raw[:, at.MAX_RETRIES] = columns.max_retries
    raw[:, at.CREATED_MS] = columns.created_at_ms
    raw[:, at.FAILED] = _FAILED_CODES[columns.status]
    raw[:, at.ERROR] = columns.error
    started = columns.started_at_ms != MISSING_MS
    raw[:, at.STARTED] = started
    raw[:, at.WAIT_MS] = np.where(started, columns.started_at_ms - columns.created_at_ms, 0)
    known = columns.actual_duration_ms != MISSING_MS
    ran = started & (columns.completed_at_ms != MISSING_MS)
    span = np.where(ran, columns.completed_at_ms - columns.started_at_ms, 0)
    raw[:, at.DURATION_MS] = np.where(known, columns.actual_duration_ms, span)
    raw[:, at.HAS_DURATION] = known | ran
    quarters, inverse = np.unique(columns.created_at_ms // QUARTER_MS, return_inverse=True)
    local = np.array([local_hour(int(q), binding.timezone) for q in quarters]).reshape(-1, 2)
    raw[:, [at.HOUR, at.WEEKDAY]] = local[inverse]
    raw[:, at.CAPABILITIES] = np.fromiter(map(len, columns.capabilities), dtype=float, count=n)
    codes, first = codes_of(columns.parameters, lambda p: tuple(p.items()))
    told = np.zeros((len(first), at.RAW_WIDTH))
    for row, i in zip(told, first.tolist(), strict=True):
        fill_parameters(row, columns.parameters[i], binding)
    raw[:, _OF_PARAMETERS] = told[:, _OF_PARAMETERS][codes]
    return raw


def fill_parameters(row: Floats | list[float], parameters: Mapping[str, str], binding: FeatureBinding) -> None:
    """Write what the parameters map says into one raw row."""
    if not parameters:
        row[at.PARAMETERS_MISSING] = len(binding.parameter_names)
        return
    length = sum(map(len, parameters)) + sum(map(len, parameters.values()))
    values = {name: value for name, text in parameters.items() if (value := number(text)) is not None}
    missing = 0
    for i, name in enumerate(binding.parameter_names):
        if name in values:
            row[at.FIRST_PARAMETER + i] = values[name]
        else:
            missing += 1
    row[at.PARAMETERS] = len(parameters)
    row[at.PARAMETER_BYTES] = length
    # Rounded once, whatever the order: a store that sorts keys and a client that does not mean the same ticket.
    row[at.PARAMETER_SIZE] = fsum([log1p(abs(value)) for value in values.values()])
    row[at.PARAMETERS_MISSING] = missing


def keys_of(
    task: str,
    owner: str,
    capabilities: tuple[str, ...],
    parameters: Mapping[str, str],
    type_code: int,
    risk_code: int,
) -> tuple[str, ...]:
    """Return the key of each scope of `layout.SCOPES`; an empty key is nobody's and is not remembered.

    What is a part of a task's or an owner's tickets is nobody's where the whole is.
    """
    text = _SEPARATOR.join([f"{k}={parameters[k]}" for k in sorted(parameters)])
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    have = _SEPARATOR.join(sorted(capabilities))
    return (
        task,
        owner,
        f"{owner}{_SEPARATOR}{task}" if owner and task else "",
        f"{task}{_SEPARATOR}{digest}" if task else "",
        f"type {type_code}",
        f"risk {risk_code}",
        f"needs {have}",
        "everything",
        f"{task}{_SEPARATOR}{have}" if task else "",
        f"{task}{_SEPARATOR}{risk_code}" if task else "",
        task,
        owner,
    )
