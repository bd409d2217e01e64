"""Drift on real logs of shuffled weeks: how often a check of the last quarter alarms, as it is and with a change put in."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from rich.progress import track

from benchmarks.drift_data import MONDAY_MS, Floats, Ints, Weeks, real_logs
from benchmarks.drift_rows import Row, row
from neural_hive_ml.clock import HOUR_MS, WEEK_MS
from neural_hive_ml.drift.check import LEAST_ROWS, check_drift
from neural_hive_ml.drift.report import DriftReport, DriftStatus
from neural_hive_ml.evaluation.binning import MOST_VALUES
from neural_hive_ml.evaluation.profile import Profile, build_profile

WIDTHS_HOURS = (6, 24, 168)
# A value whose share can double, and does not begin as a rarity.
SHARES = (0.02, 0.5)
CHANGES = (
    "0.3 sd in one feature",
    "0.5 sd in one feature",
    "1.5-fold duration",
    "a category's share doubled",
    "5 % of a new category",
)


@dataclass(slots=True)
class Found:
    """Alarms of one log: of unchanged windows by width in hours, of changed days by change (and by distances alone)."""

    quiet: dict[int, list[bool]] = field(default_factory=lambda: {hours: [] for hours in WIDTHS_HOURS})
    changed: dict[str, list[bool]] = field(default_factory=lambda: {name: [] for name in CHANGES})
    by_distance: dict[str, list[bool]] = field(default_factory=lambda: {name: [] for name in CHANGES})
    day_rows: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns can be changed: numbers, categories with a value whose share can double, where the durations are."""

    numbers: tuple[int, ...]
    deviations: Floats
    categories: tuple[int, ...]
    duration: int

    @staticmethod
    def of(log: Weeks) -> "Columns":
        """Look through a whole log."""
        rows = np.vstack(log.rows)
        held = [np.unique(rows[:, j][np.isfinite(rows[:, j])]) for j in range(rows.shape[1])]
        return Columns(
            tuple(j for j, values in enumerate(held) if len(values) > MOST_VALUES),
            np.nanstd(rows, axis=0),
            tuple(j for j, values in enumerate(held) if 2 <= len(values) <= MOST_VALUES),
            log.names.index("log_duration"),
        )


def real(replays: int) -> Iterator[Row]:
    """Real logs in `replays` orders of their weeks: the first three quarters are the reference, windows lie in the rest."""
    for log in real_logs():
        found, columns = Found(), Columns.of(log)
        for k in track(range(replays), description=log.name, transient=True):
            _look(log, columns, np.random.default_rng([11, k]), found)
        for hours, hits in found.quiet.items():
            if hits:
                what = f"{log.name}, weeks shuffled, {hours} h"
                yield row(f"drift.false_alarms.real.{log.name}.{hours}h", "ours", what, sum(hits), len(hits))
        rows = f"24 h of {round(float(np.median(found.day_rows))):,}" if found.day_rows else ""
        for name, hits in found.changed.items():
            if hits:
                bench = f"drift.power.real.{log.name}.{name.replace(' ', '_')}"
                yield row(bench, "ours", f"{log.name}, {name}, {rows}", sum(hits), len(hits))
                alone = found.by_distance[name]
                yield row(
                    f"{bench}.distances", "distances alone", f"{log.name}, {name}, {rows}", sum(alone), len(alone)
                )


def _look(log: Weeks, columns: Columns, rng: np.random.Generator, found: Found) -> None:
    """Profile one order of the weeks and check one window of each width in the weeks after it, the day changed too."""
    rows, at_ms = log.shuffled(rng)
    weeks = len(log.rows)
    learned = max(weeks * 3 // 4, min(4, weeks - 1))
    cut = MONDAY_MS + learned * WEEK_MS
    before = at_ms < cut
    profile = Profile.from_document(build_profile(rows[before], log.names, at_ms[before]))
    undirected = replace(
        profile, features=tuple(replace(f, quiet=replace(f.quiet, shifts=())) for f in profile.features)
    )

    def check(rows: Floats, at_ms: Ints, window: tuple[int, int], against: Profile = profile) -> DriftReport:
        return check_drift(against, rows, at_ms, log.names, window=window)

    for hours, hits in found.quiet.items():
        # A window with too few tickets is "insufficient_data", not an answer: another one is drawn.
        for _ in range(30):
            begin = cut + int(rng.integers(0, (weeks - learned) * 168 - hours + 1)) * HOUR_MS
            window = (begin, begin + hours * HOUR_MS)
            inside = (at_ms >= window[0]) & (at_ms < window[1])
            if inside.sum() < LEAST_ROWS:
                continue
            report = check(rows[inside], at_ms[inside], window)
            if report.status is DriftStatus.INSUFFICIENT_DATA:
                continue
            hits.append(report.drift_detected)
            if hours == 24:
                found.day_rows.append(int(inside.sum()))
                for name, seen in found.changed.items():
                    changed = change(name, rows[inside], columns, rng)
                    if changed is not None:
                        seen.append(check(changed, at_ms[inside], window).drift_detected)
                        alone = check(changed, at_ms[inside], window, undirected)
                        found.by_distance[name].append(alone.drift_detected)
            break


def change(name: str, rows: Floats, columns: Columns, rng: np.random.Generator) -> Floats | None:
    """Return a changed copy of rows [n, D]; None where the log has nothing that could change so."""
    rows = rows.copy()
    if name.endswith("sd in one feature"):
        j = int(rng.choice(columns.numbers))
        rows[:, j] += float(name.split(maxsplit=1)[0]) * columns.deviations[j]
    elif name == "1.5-fold duration":
        rows[:, columns.duration] += np.log(1.5)
    elif not columns.categories:
        return None
    elif name == "5 % of a new category":
        rows[rng.random(len(rows)) < 0.05, int(rng.choice(columns.categories))] = 97.0
    else:
        j = int(rng.choice(columns.categories))
        values, counts = np.unique(rows[:, j], return_counts=True)
        shares = counts / len(rows)
        able = np.flatnonzero((shares >= SHARES[0]) & (shares <= SHARES[1]))
        if not len(able):
            return None
        picked = int(rng.choice(able))
        value, share = float(values[picked]), float(shares[picked])
        other = (rows[:, j] != value) & (rng.random(len(rows)) < share / (1 - share))
        rows[other, j] = value
    return rows
