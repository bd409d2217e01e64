"""The definition of every statistic and every feature, one scalar at a time, to be read.

`csrc/features.c` computes the same doubles; where there is no compiler this module serves. `math` and the kernel call the
same libm, and sums run in one order, so that both agree to the last bit (tests/laws/test_feature_parity.py).

Durations are remembered as log1p of milliseconds of tickets that succeeded; failed tickets move the failure rate only, since
a failure's duration says when it broke, not how long the work takes.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.features import layout as at

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LN2 = math.log(2.0)
HOUR_MS = 3_600_000.0
DAY_MS = 86_400_000.0
# Weight of the newest observation once a history is long: about two and about twenty observations of memory.
FAST_WEIGHT = 0.3
SLOW_WEIGHT = 0.05
# Log duration and its spread where nothing was ever seen: one minute, a factor of e.
PRIOR_LOCATION = math.log1p(60_000.0)
PRIOR_SPREAD = 1.0
SPREAD_FLOOR = 0.05
# How many observations the wider scope counts for when a narrow one has few.
SHRINK = 4.0
MAD_TO_SD = 1.4826
Z_LIMIT = 50.0


def clip(x: float, low: float, high: float) -> float:
    """Bound a number."""
    return low if x < low else high if x > high else x


def median(values: list[float]) -> float:
    """Median of a non-empty sorted list."""
    n = len(values)
    return values[n // 2] if n % 2 else 0.5 * (values[n // 2 - 1] + values[n // 2])


def robust(record: Floats, location: float, spread: float) -> tuple[float, float]:
    """Median and scaled MAD of the remembered durations, shrunk to `location` and `spread` of the wider scope."""
    n = int(min(record[at.N_SUCCESS], at.RING))
    if n == 0:
        return location, spread
    values = sorted(float(v) for v in record[at.SLIM_WIDTH : at.SLIM_WIDTH + n])
    middle = median(values)
    deviation = MAD_TO_SD * median(sorted(abs(v - middle) for v in values))
    return middle, math.sqrt((n * deviation * deviation + SHRINK * spread * spread) / (n + SHRINK))


def decayed(count: float, since_ms: float, half_life_ms: float) -> float:
    """An exponentially decayed count, `since_ms` after it was last written."""
    return count * math.exp(-LN2 * since_ms / half_life_ms)


def slow_location(record: Floats, otherwise: float) -> float:
    """The slow mean of log durations, or that of the wider scope."""
    return float(record[at.SLOW]) if record[at.N_SUCCESS] > 0 else otherwise


def slow_spread(record: Floats, otherwise: float) -> float:
    """Standard deviation of log durations around the slow mean, shrunk to that of the wider scope."""
    n = min(float(record[at.N_SUCCESS]), 20.0)
    return math.sqrt((n * float(record[at.VARIANCE]) + SHRINK * otherwise * otherwise) / (n + SHRINK))


def failure_rate(record: Floats, otherwise: float) -> float:
    """Share of failures, shrunk to that of the wider scope."""
    n = min(float(record[at.N_ENDED]), 20.0)
    return (n * float(record[at.FAILURES]) + SHRINK * otherwise) / (n + SHRINK)


def block(
    out: list[float], r: Floats, now: float, location: float, spread: float, failing: float, ring: bool
) -> None:
    """Append what one scope remembers: 17 numbers, 19 with a ring."""
    n = float(r[at.N_SUCCESS])
    base = slow_location(r, location)
    out.append(math.log1p(float(r[at.N_CREATED])))
    out.append(math.log1p(n))
    out.append(float(r[at.FAST]) if n > 0 else location)
    out.append(base)
    out.append(slow_spread(r, spread))
    if ring:
        out.extend(robust(r, location, spread))
    out.append(float(r[at.LAST]) if n > 0 else location)
    out.append(float(r[at.LAST_TWO]) if n > 0 else location)
    out.append(failure_rate(r, failing))
    out.append(math.log1p(float(r[at.RETRIES])))
    out.append(float(r[at.WAIT]))
    arrivals(out, r, now)
    out.append(math.log1p(float(r[at.RUNNING])))
    out.append(math.log1p(float(r[at.QUEUED])))


def arrivals(out: list[float], r: Floats, now: float) -> None:
    """Append five numbers about arrivals: time since the last, expected gap, rates of an hour and a day, burst."""
    if r[at.N_CREATED] > 0:
        since = max(now - float(r[at.CREATED_AT]), 0.0)
        hour, day = decayed(float(r[at.RATE_1H]), since, HOUR_MS), decayed(float(r[at.RATE_24H]), since, DAY_MS)
        gap = math.log1p(since / 1000.0)
    else:
        hour, day, gap = 0.0, 0.0, math.log1p(DAY_MS * 30.0 / 1000.0)
    out.append(gap)
    out.append(float(r[at.GAP]) if r[at.N_GAPS] > 0 else gap)
    out.append(math.log1p(hour))
    out.append(math.log1p(day))
    # A day's decayed count over 24 is an hour's expectation: above 0 more than usual arrives.
    out.append(math.log((hour + 1.0) / (day / 24.0 + 1.0)))


def familiarity(pair: float, whole: float) -> float:
    """Log share of this combination among all of its whole, smoothed: 0 always so, -6 never of 400."""
    return math.log((pair + 0.5) / (whole + 1.0))


def hour_familiarity(hours: Floats, hour: int, whole: float) -> float:
    """Log share of this hour of the day, its neighbours counted half, against an even spread: 0 as even."""
    near = 0.5 * float(hours[hour]) + 0.25 * float(hours[(hour + 23) % 24]) + 0.25 * float(hours[(hour + 1) % 24])
    return math.log((near + 0.5) / (whole / 24.0 + 0.5))


def static_part(out: list[float], raw: Floats) -> None:
    """Append what the ticket itself says at its creation."""
    has = float(raw[at.HAS_ESTIMATE])
    estimate, timeout = float(raw[at.ESTIMATE_MS]), float(raw[at.SLA_TIMEOUT_MS])
    out.append(math.log1p(estimate) if has > 0 else 0.0)
    out.append(has)
    out.append(math.log1p(timeout))
    out.append(clip(estimate / max(timeout, 1.0), 0.0, 10.0) if has > 0 else 0.0)
    out.extend(
        float(raw[i]) for i in (at.PRIORITY, at.RISK, at.SECURITY, at.DELIVERY, at.CONSISTENCY, at.DURABILITY)
    )
    out.extend(1.0 if raw[at.TYPE] == code else 0.0 for code in range(8))
    out.append(float(raw[at.CAPABILITIES]))
    out.append(float(raw[at.DEPENDENCIES]))
    out.append(float(raw[at.PARAMETERS]))
    out.append(math.log1p(float(raw[at.PARAMETER_BYTES])))
    for i in range(at.PARAMETER_SLOTS):
        value = float(raw[at.FIRST_PARAMETER + i])
        out.append(math.log1p(value) if value >= 0 else -math.log1p(-value))
    out.append(float(raw[at.PARAMETERS_MISSING]))
    hour, weekday = float(raw[at.HOUR]), float(raw[at.WEEKDAY])
    out.append(math.sin(2.0 * math.pi * hour / 24.0))
    out.append(math.cos(2.0 * math.pi * hour / 24.0))
    out.append(math.sin(2.0 * math.pi * weekday / 7.0))
    out.append(math.cos(2.0 * math.pi * weekday / 7.0))
    out.append(1.0 if weekday >= 5 else 0.0)
    out.append(1.0 if weekday < 5 and 9 <= hour < 18 else 0.0)


def make_row(stage: int, now: float, raw: Floats, slots: Ints, tables: "Any") -> list[float]:
    """One feature row as of `now` (epoch ms), from a raw ticket and what its keys remember."""
    full, slim, pairs, hours = tables.full, tables.slim, tables.pairs, tables.hours
    task, owner, both = full[slots[0]], full[slots[1]], full[slots[2]]
    same, kind, risk, caps, everything = (slim[slots[i]] for i in range(3, 8))
    out: list[float] = []
    static_part(out, raw)
    # Each narrow scope falls back on the next wider one: same work, owner's task, task, type, everything.
    all_location = slow_location(everything, PRIOR_LOCATION)
    all_spread = slow_spread(everything, PRIOR_SPREAD)
    all_failing = failure_rate(everything, 0.02)
    type_location, type_spread = slow_location(kind, all_location), slow_spread(kind, all_spread)
    type_failing = failure_rate(kind, all_failing)
    task_location, task_spread = slow_location(task, type_location), slow_spread(task, type_spread)
    task_failing = failure_rate(task, type_failing)
    both_location, both_spread = slow_location(both, task_location), slow_spread(both, task_spread)
    both_failing = failure_rate(both, task_failing)
    block(out, task, now, type_location, type_spread, type_failing, ring=True)
    block(out, owner, now, type_location, type_spread, type_failing, ring=True)
    block(out, both, now, task_location, task_spread, task_failing, ring=True)
    block(out, same, now, both_location, both_spread, both_failing, ring=False)
    for r in (kind, risk, caps, everything):
        out.append(slow_location(r, all_location))
        out.append(failure_rate(r, all_failing))
        out.append(float(r[at.WAIT]))
        arrivals_total = float(r[at.RATE_1H])
        since = max(now - float(r[at.CREATED_AT]), 0.0)
        out.append(math.log1p(decayed(arrivals_total, since, HOUR_MS)))
        out.append(math.log1p(float(r[at.RUNNING])))
        out.append(math.log1p(float(r[at.QUEUED])))
    out.append(familiarity(float(pairs[slots[8], 0]), float(task[at.N_CREATED])))
    out.append(familiarity(float(pairs[slots[9], 0]), float(task[at.N_CREATED])))
    out.append(familiarity(float(same[at.N_CREATED]), float(task[at.N_CREATED])))
    out.append(familiarity(float(both[at.N_CREATED]), float(owner[at.N_CREATED])))
    hour = int(raw[at.HOUR])
    out.append(hour_familiarity(hours[slots[10]], hour, float(task[at.N_CREATED])))
    out.append(hour_familiarity(hours[slots[11]], hour, float(owner[at.N_CREATED])))
    out.append(size_deviation(task, float(raw[at.PARAMETER_SIZE])))
    observed(out, stage, raw, task, owner, both, same)
    return out


def size_deviation(task: Floats, size: float) -> float:
    """How far the parameters' magnitude lies from the task's own, in its standard deviations."""
    n = float(task[at.N_CREATED])
    if n < 1:
        return 0.0
    spread = math.sqrt((min(n, 20.0) * float(task[at.SIZE_VARIANCE]) + SHRINK * 0.25) / (min(n, 20.0) + SHRINK))
    return clip((size - float(task[at.SIZE])) / spread, -Z_LIMIT, Z_LIMIT)


def observed(
    out: list[float], stage: int, raw: Floats, task: Floats, owner: Floats, both: Floats, same: Floats
) -> None:
    """Append what is only known once the ticket runs or has ended; neutral zeros at its creation."""
    if stage == at.CREATED_STAGE:
        out.extend(0.0 for _ in range(16))
        return
    ended = stage == at.ENDED_STAGE
    known = float(raw[at.HAS_DURATION])
    duration = math.log1p(float(raw[at.DURATION_MS]))
    wait = math.log1p(float(raw[at.WAIT_MS]))
    out.append(0.0 if ended else 1.0)
    out.append(1.0 if ended else 0.0)
    out.append(duration if known > 0 else 0.0)
    out.append(known)
    out.append(wait)
    out.append(math.log1p(float(raw[at.RETRY_COUNT])))
    out.append(float(raw[at.FAILED]))
    out.append(float(raw[at.ERROR]))
    for r, ring in ((task, True), (owner, True), (both, True), (same, False)):
        if known == 0 or r[at.N_SUCCESS] < 1:
            out.append(0.0)
            continue
        if ring:
            location, spread = robust(r, float(r[at.SLOW]), PRIOR_SPREAD)
        else:
            location, spread = float(r[at.SLOW]), slow_spread(r, PRIOR_SPREAD)
        out.append(clip((duration - location) / max(spread, SPREAD_FLOOR), -Z_LIMIT, Z_LIMIT))
    estimate = float(raw[at.ESTIMATE_MS])
    has = float(raw[at.HAS_ESTIMATE])
    out.append(clip(duration - math.log1p(estimate), -20.0, 20.0) if known > 0 and has > 0 else 0.0)
    out.append(clip(duration - math.log1p(float(raw[at.SLA_TIMEOUT_MS])), -20.0, 20.0) if known > 0 else 0.0)
    out.append(math.log1p(float(raw[at.RETRY_COUNT])) - math.log1p(float(task[at.RETRIES])))
    out.append(wait - float(task[at.WAIT]) if task[at.N_WAITS] > 0 else 0.0)


def learn(kind: int, now: float, raw: Floats, slots: Ints, tables: "Any") -> None:
    """Let every scope of a ticket remember one lifecycle event."""
    full, slim, pairs, hours = tables.full, tables.slim, tables.pairs, tables.hours
    for i in range(8):
        slot = int(slots[i])
        if slot > 0:
            record = full[slot] if i < 3 else slim[slot]
            if kind == at.CREATED_EVENT:
                remember_creation(record, now, raw)
            elif kind == at.STARTED_EVENT:
                remember_start(record, raw)
            else:
                remember_end(record, raw, ring=i < 3)
    if kind == at.CREATED_EVENT:
        for i in (8, 9):
            if slots[i] > 0:
                pairs[slots[i], 0] += 1.0
        for i in (10, 11):
            if slots[i] > 0:
                hours[slots[i], int(raw[at.HOUR])] += 1.0


def remember_creation(r: Floats, now: float, raw: Floats) -> None:
    """A ticket of this scope was created at `now`."""
    n = float(r[at.N_CREATED])
    if n > 0:
        since = max(now - float(r[at.CREATED_AT]), 0.0)
        r[at.RATE_1H] = decayed(float(r[at.RATE_1H]), since, HOUR_MS)
        r[at.RATE_24H] = decayed(float(r[at.RATE_24H]), since, DAY_MS)
        gaps = float(r[at.N_GAPS])
        weight = max(1.0 / (gaps + 1.0), SLOW_WEIGHT)
        r[at.GAP] += weight * (math.log1p(since / 1000.0) - float(r[at.GAP]))
        r[at.N_GAPS] = gaps + 1.0
    r[at.RATE_1H] += 1.0
    r[at.RATE_24H] += 1.0
    r[at.CREATED_AT] = now
    weight = max(1.0 / (n + 1.0), SLOW_WEIGHT)
    delta = float(raw[at.PARAMETER_SIZE]) - float(r[at.SIZE])
    r[at.SIZE] += weight * delta
    r[at.SIZE_VARIANCE] = (1.0 - weight) * (float(r[at.SIZE_VARIANCE]) + weight * delta * delta)
    r[at.N_CREATED] = n + 1.0
    r[at.QUEUED] += 1.0


def remember_start(r: Floats, raw: Floats) -> None:
    """A ticket of this scope left the queue."""
    r[at.QUEUED] = max(float(r[at.QUEUED]) - 1.0, 0.0)
    r[at.RUNNING] += 1.0
    n = float(r[at.N_WAITS])
    weight = max(1.0 / (n + 1.0), SLOW_WEIGHT)
    r[at.WAIT] += weight * (math.log1p(float(raw[at.WAIT_MS])) - float(r[at.WAIT]))
    r[at.N_WAITS] = n + 1.0


def remember_end(r: Floats, raw: Floats, *, ring: bool) -> None:
    """A ticket of this scope ended."""
    if raw[at.STARTED] > 0:
        r[at.RUNNING] = max(float(r[at.RUNNING]) - 1.0, 0.0)
    else:
        r[at.QUEUED] = max(float(r[at.QUEUED]) - 1.0, 0.0)
    n = float(r[at.N_ENDED])
    weight = max(1.0 / (n + 1.0), SLOW_WEIGHT)
    r[at.FAILURES] += weight * (float(raw[at.FAILED]) - float(r[at.FAILURES]))
    r[at.RETRIES] += weight * (float(raw[at.RETRY_COUNT]) - float(r[at.RETRIES]))
    r[at.N_ENDED] = n + 1.0
    if raw[at.FAILED] > 0 or raw[at.HAS_DURATION] == 0:
        return
    duration = math.log1p(float(raw[at.DURATION_MS]))
    n = float(r[at.N_SUCCESS])
    if n > 0:
        two = 0.5 * (math.expm1(float(r[at.LAST])) + float(raw[at.DURATION_MS]))
        r[at.LAST_TWO] = math.log1p(two)
    else:
        r[at.LAST_TWO] = duration
    r[at.LAST] = duration
    fast, slow = max(1.0 / (n + 1.0), FAST_WEIGHT), max(1.0 / (n + 1.0), SLOW_WEIGHT)
    r[at.FAST] += fast * (duration - float(r[at.FAST]))
    delta = duration - float(r[at.SLOW])
    r[at.SLOW] += slow * delta
    r[at.VARIANCE] = (1.0 - slow) * (float(r[at.VARIANCE]) + slow * delta * delta)
    r[at.N_SUCCESS] = n + 1.0
    if ring:
        position = int(r[at.RING_AT])
        r[at.SLIM_WIDTH + position] = duration
        r[at.RING_AT] = float((position + 1) % at.RING)
