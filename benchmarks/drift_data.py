"""Data of the drift benchmark: seasonal tickets drawn anew for each replay, known changes, real logs of shuffled weeks."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, HOUR_MS, WEEK_MS, parse_instant
from neural_hive_ml.evaluation.profile import Profile, build_profile, judged
from neural_hive_ml.features.binding import bind
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.spec import NAMES as FEATURES
from neural_hive_ml.tickets.columns import TicketColumns, concat
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.files import read_documents
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.tickets.sample import sample_tickets

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NUMBERS, CATEGORIES = 16, 4
NAMES = [f"number_{i}" for i in range(NUMBERS)] + [f"category_{i}" for i in range(CATEGORIES)]
WEEKS, PER_DAY = 8, 2_000
WARM_UP_WEEKS = 2
MONDAY_MS = 4 * DAY_MS + 2_800 * WEEK_MS
Change = Callable[[Floats, np.random.Generator], Floats]


def draw(begin_ms: int, hours: int, rows: int, rng: np.random.Generator) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Draw about `rows` tickets of a span: seasonal arrivals, seasonal features."""
    at_hour = np.arange(hours)
    of_day = (begin_ms // HOUR_MS + at_hour) % 24
    weekend = ((begin_ms - MONDAY_MS) // HOUR_MS + at_hour) % 168 >= 120
    rate = (1.2 + np.sin(2 * np.pi * (of_day - 9) / 24)) * np.where(weekend, 0.4, 1.0)
    counts = rng.poisson(rate * rows / rate.sum())
    hour = np.repeat(at_hour, counts)
    n = len(hour)
    at_ms = np.sort(begin_ms + hour * HOUR_MS + rng.integers(0, HOUR_MS, n))
    phase = np.arange(NUMBERS) * 2 * np.pi / NUMBERS
    day = of_day[hour][:, None]
    numbers = rng.normal(size=(n, NUMBERS)) + np.sin(2 * np.pi * day / 24 + phase) + weekend[hour][:, None] * 0.8
    numbers[:, ::4] = np.exp(numbers[:, ::4])
    tilt = 0.5 + 0.3 * np.sin(2 * np.pi * day / 24 + phase[:CATEGORIES])
    categories = (rng.random((n, CATEGORIES)) > tilt) * (1 + rng.integers(0, 4, (n, CATEGORIES)))
    return np.hstack([numbers, categories.astype(np.float64)]), at_ms


def _shift(deviations: float) -> Change:
    def change(rows: Floats, _: np.random.Generator) -> Floats:
        rows[:, 1] += deviations
        return rows

    return change


def _slower(rows: Floats, _: np.random.Generator) -> Floats:
    rows[:, 0] *= 1.5
    return rows


def _twice_a_category(rows: Floats, rng: np.random.Generator) -> Floats:
    share = float(np.mean(rows[:, NUMBERS] == 1))
    other = (rows[:, NUMBERS] != 1) & (rng.random(len(rows)) < share / max(1 - share, 1e-9))
    rows[other, NUMBERS] = 1
    return rows


def _new_category(rows: Floats, rng: np.random.Generator) -> Floats:
    rows[rng.random(len(rows)) < 0.05, NUMBERS + 1] = 9
    return rows


CHANGES: dict[str, Change] = {
    "0.3 sd in one of 20": _shift(0.3),
    "0.5 sd in one of 20": _shift(0.5),
    "1.5-fold duration": _slower,
    "a category's share doubled": _twice_a_category,
    "5 % of a new category": _new_category,
}


def reference(rng: np.random.Generator, per_day: int = PER_DAY) -> tuple[Profile, Floats]:
    """Profile eight weeks; return the rows too, for Evidently."""
    rows, at_ms = draw(MONDAY_MS - WEEKS * WEEK_MS, WEEKS * 168, per_day * 7 * WEEKS, rng)
    return Profile.from_document(build_profile(rows, NAMES, at_ms)), rows


def seasonal_only(at_ms: Ints) -> npt.NDArray[np.bool_]:
    """Return which tickets are left when nearly only those of the evening arrive: the mix of hours changes, nothing else."""
    return ((at_ms // HOUR_MS) % 24 >= 16) | ((at_ms // HOUR_MS) % 6 == 0)


@dataclass(frozen=True, slots=True)
class Weeks:
    """A real log cut into whole weeks from a Monday: rows of ended tickets by week, times relative to the week's begin."""

    name: str
    names: tuple[str, ...]
    rows: tuple[Floats, ...]
    at_ms: tuple[Ints, ...]

    def shuffled(self, rng: np.random.Generator) -> tuple[Floats, Ints]:
        """Return the log with its weeks in random order: stationary, its seasons kept."""
        order = rng.permutation(len(self.rows))
        times = [self.at_ms[week] + MONDAY_MS + place * WEEK_MS for place, week in enumerate(order)]
        return np.vstack([self.rows[week] for week in order]), np.concatenate(times)


def real_logs() -> Iterator[Weeks]:
    """Yield the shipped flights and each log of HIVE_BENCH_DATA that spans eight weeks; an absent one is left out."""
    with TemporaryDirectory() as folder:
        store = EmbeddedTicketStore(Path(folder) / "sample")
        until_ms = parse_instant("2013-07-01")
        store.upsert(sample_tickets(until_ms - 120 * DAY_MS, until_ms))
        yield weeks_of("flights2013", concat(list(store.blocks(TicketWindow()))))
    root = os.environ.get("HIVE_BENCH_DATA", "")
    for name in ("bpi2012_workitems", "nasa1993"):
        path = Path(root) / f"{name}.tickets.jsonl.gz"
        if not root or not path.exists():
            continue
        with TemporaryDirectory() as folder:
            store = EmbeddedTicketStore(Path(folder) / "log")
            store.upsert(decode_ticket(found.content) for found in read_documents(str(path)))
            yield weeks_of(name, concat(list(store.blocks(TicketWindow()))))


def weeks_of(name: str, columns: TicketColumns) -> Weeks:
    """Build the rows of ended tickets in time order, as serving would have, and cut them into whole weeks."""
    frame, _ = build_frame(columns, bind(columns, "UTC"), ("ended",))
    kept = [i for i, feature in enumerate(FEATURES) if judged(feature)]
    order = np.argsort(frame.at_ms, kind="stable")
    rows, at_ms = np.ascontiguousarray(frame.rows[order][:, kept]), frame.at_ms[order]
    week = (at_ms - MONDAY_MS) // WEEK_MS
    # A log begins with statistics that know nothing: rows of its first weeks are unlike all later ones, which a service,
    # that begins with its model's statistics, never sees.
    first = int(week.min()) + 1 + WARM_UP_WEEKS
    inside = [w for w in range(first, int(week.max())) if (week == w).any()]
    return Weeks(
        name,
        tuple(FEATURES[i] for i in kept),
        tuple(rows[week == w] for w in inside),
        tuple(at_ms[week == w] - MONDAY_MS - w * WEEK_MS for w in inside),
    )
