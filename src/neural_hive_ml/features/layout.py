"""Where each number lies: the columns of records, of raw tickets and of slots, shared by definition and kernel."""

from typing import Final

# Remembered last log durations of a full record, for a robust location and spread.
RING: Final = 32

# Columns of a record. A slim record has these; a full record adds RING log durations.
(
    N_CREATED, N_SUCCESS, N_ENDED, FAST, SLOW, VARIANCE, LAST, LAST_TWO, FAILURES, RETRIES, WAIT, CREATED_AT,
    GAP, RATE_1H, RATE_24H, RUNNING, QUEUED, N_GAPS, N_WAITS, SIZE, SIZE_VARIANCE, RING_AT,
) = range(22)  # fmt: skip
SLIM_WIDTH: Final = 22
FULL_WIDTH: Final = SLIM_WIDTH + RING
HOURS: Final = 24

# Slots of an event: which row of which table its keys live in. Row 0 of each table is nobody's and stays zero.
FULL_SCOPES: Final = ("task", "owner", "owner_task")
SLIM_SCOPES: Final = ("same", "type", "risk", "capabilities", "everything")
PAIR_SCOPES: Final = ("task_capabilities", "task_risk")
HOUR_SCOPES: Final = ("task_hours", "owner_hours")
SCOPES: Final = FULL_SCOPES + SLIM_SCOPES + PAIR_SCOPES + HOUR_SCOPES
SLOT_COUNT: Final = len(SCOPES)
# Scopes whose keys name a person: remembered by digest only.
PERSONAL_SCOPES: Final = ("owner", "owner_task", "owner_hours")

# Columns of a raw ticket as the kernel takes it, all float64.
PARAMETER_SLOTS: Final = 8
(
    ESTIMATE_MS, HAS_ESTIMATE, SLA_TIMEOUT_MS, PRIORITY, RISK, SECURITY, DELIVERY, CONSISTENCY, DURABILITY, TYPE,
    CAPABILITIES, DEPENDENCIES, PARAMETERS, PARAMETER_BYTES, PARAMETERS_MISSING, PARAMETER_SIZE, HOUR, WEEKDAY,
    DURATION_MS, WAIT_MS, RETRY_COUNT, FAILED, ERROR, STARTED, HAS_DURATION, MAX_RETRIES, CREATED_MS,
) = range(27)  # fmt: skip
FIRST_PARAMETER: Final = 27
RAW_WIDTH: Final = FIRST_PARAMETER + PARAMETER_SLOTS + 2

# Kinds of event, stages of a row.
CREATED_EVENT, STARTED_EVENT, ENDED_EVENT, NO_EVENT = range(4)
CREATED_STAGE, RUNNING_STAGE, ENDED_STAGE = range(3)
