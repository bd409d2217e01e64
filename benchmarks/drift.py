"""Drift: false alarms on unchanged seasonal data, power against known shifts, speed; Evidently's preset beside it.

    python -m benchmarks.drift [--replays 300] [--evidently 20] [--json FILE]

Data: 20 features (16 numbers, 4 categories) whose level and mix follow the hour of the day and the weekend, arrivals
too, drawn anew for each replay. Shares come with Clopper-Pearson intervals of 95 %.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import stats

from neural_hive_ml.clock import DAY_MS, HOUR_MS, WEEK_MS
from neural_hive_ml.drift.check import check_drift
from neural_hive_ml.drift.report import DriftReport
from neural_hive_ml.evaluation.profile import Profile, build_profile

Floats = npt.NDArray[np.float64]
NUMBERS, CATEGORIES = 16, 4
NAMES = [f"number_{i}" for i in range(NUMBERS)] + [f"category_{i}" for i in range(CATEGORIES)]
WEEKS, PER_DAY, THRESHOLD = 8, 2_000, 0.2
MONDAY_MS = 4 * DAY_MS + 2_800 * WEEK_MS
WINDOWS = ((6, 260), (24, 260), (24, 2_000), (24, 20_000), (168, 14_000), (168, 100_000))
Change = Callable[[Floats, np.random.Generator], Floats]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result: `share` of replays with its interval."""

    id: str
    tool: str
    what: str
    replays: int
    share: float
    low: float
    high: float


def clopper_pearson(hits: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share."""
    low = 0.0 if hits == 0 else float(stats.beta.ppf(0.025, hits, n - hits + 1))
    high = 1.0 if hits == n else float(stats.beta.ppf(0.975, hits + 1, n - hits))
    return low, high


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


def check(
    profile: Profile, begin_ms: int, hours: int, rows: int, rng: np.random.Generator, change: Change | None
) -> DriftReport:
    """Draw one window and check it."""
    found, at_ms = draw(begin_ms, hours, rows, rng)
    if change is not None:
        found = change(found, rng)
    return check_drift(profile, found, at_ms, NAMES, window=(begin_ms, begin_ms + hours * HOUR_MS))


def ours(replays: int) -> list[Row]:
    """False alarms over window sizes, then power at 2,000 tickets a day."""
    out = []
    profiles = [reference(np.random.default_rng([5, k]))[0] for k in range(10)]

    def share(bench: str, what: str, hours: int, rows: int, change: Change | None, *, score: bool = False) -> None:
        alarms = scored = judged = 0
        for k in track(range(replays), description=what, transient=True):
            rng = np.random.default_rng([7, k])
            begin = MONDAY_MS + int(rng.integers(0, 168)) * HOUR_MS
            report = check(profiles[k % len(profiles)], begin, hours, rows, rng, change)
            judged += report.status != "insufficient_data"
            alarms += report.drift_detected
            scored += report.drift_detected and report.drift_score > THRESHOLD
        if not judged:
            return
        out.append(Row(bench, "ours", what, judged, alarms / judged, *clopper_pearson(alarms, judged)))
        if score:
            out.append(
                Row(
                    f"{bench}.score",
                    "ours",
                    f"{what}: score > 0.2",
                    judged,
                    scored / judged,
                    *clopper_pearson(scored, judged),
                )
            )

    for hours, rows in WINDOWS:
        share(
            f"drift.false_alarms.{hours}h.{rows}", f"unchanged, {hours} h of {rows:,} tickets", hours, rows, None
        )
    for name, change in CHANGES.items():
        share(
            f"drift.power.{name.replace(' ', '_')}",
            f"{name}, 24 h of {PER_DAY:,}",
            24,
            PER_DAY,
            change,
            score=True,
        )
    return out


def evidently(replays: int) -> list[Row]:
    """The default preset on the same kind of data: dataset drift, and any column at all."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=NAMES[:NUMBERS], categorical_columns=NAMES[NUMBERS:])

    def dataset(rows: Floats) -> Dataset:
        frame = pd.DataFrame(rows, columns=NAMES).astype(dict.fromkeys(NAMES[NUMBERS:], str))
        return Dataset.from_pandas(frame, data_definition=definition)

    _, past = reference(np.random.default_rng([5, 0]))
    whole, some = 0, 0
    for k in track(range(replays), description="Evidently, unchanged", transient=True):
        rng = np.random.default_rng([7, k])
        rows, _ = draw(MONDAY_MS + int(rng.integers(0, 168)) * HOUR_MS, 24, PER_DAY, rng)
        result = json.loads(Report([DataDriftPreset()]).run(dataset(rows), dataset(past)).json())
        count = next(m["value"] for m in result["metrics"] if "DriftedColumnsCount" in m["metric_name"])
        whole += count["share"] >= 0.5
        some += count["count"] > 0
    what = f"unchanged, 24 h of {PER_DAY:,} tickets"
    return [
        Row(
            "drift.false_alarms.evidently.dataset",
            "Evidently",
            f"{what}: half of the columns",
            replays,
            whole / replays,
            *clopper_pearson(whole, replays),
        ),
        Row(
            "drift.false_alarms.evidently.column",
            "Evidently",
            f"{what}: some column",
            replays,
            some / replays,
            *clopper_pearson(some, replays),
        ),
    ]


def speed() -> dict[str, float]:
    """Seconds of a full check of a million rows against a stored profile; Evidently with PSI on the same rows."""
    rng = np.random.default_rng(1)
    profile, past = reference(rng)
    rows, at_ms = draw(MONDAY_MS, 168, 1_000_000, rng)
    began = time.perf_counter()
    check_drift(profile, rows, at_ms, NAMES)
    mine = time.perf_counter() - began
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=NAMES)
    current = Dataset.from_pandas(pd.DataFrame(rows, columns=NAMES), data_definition=definition)
    before = Dataset.from_pandas(pd.DataFrame(past, columns=NAMES), data_definition=definition)
    began = time.perf_counter()
    Report([DataDriftPreset(num_method="psi")]).run(current, before).json()
    theirs = time.perf_counter() - began
    return {
        "rows": float(len(rows)),
        "features": float(len(NAMES)),
        "ours_s": mine,
        "evidently_s": theirs,
        "ratio": theirs / mine,
    }


def main(arguments: list[str]) -> int:
    """Print the tables, and write them as JSON when asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replays", type=int, default=300)
    parser.add_argument("--evidently", type=int, default=20)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    rows = [*ours(given.replays), *(evidently(given.evidently) if given.evidently else [])]
    table = Table(title="Drift: share of replays that alarm")
    for heading in ("tool", "what", "replays", "alarms", "95 %"):
        table.add_column(heading)
    for row in rows:
        table.add_row(row.tool, row.what, str(row.replays), f"{row.share:.1%}", f"[{row.low:.1%}, {row.high:.1%}]")
    console = Console(width=130)
    console.print(table)
    timed = speed() if given.evidently else {}
    if timed:
        console.print(
            f"full check of {timed['rows']:,.0f} rows by {timed['features']:.0f}: {timed['ours_s']:.2f} s; "
            f"Evidently (PSI) {timed['evidently_s']:.1f} s; {timed['ratio']:,.0f} times"
        )
    if given.json:
        given.json.write_text(json.dumps({"rows": [asdict(r) for r in rows], "speed": timed}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
