"""The retraining policy: a simulated quarter with two real drifts and ten bursts of noise; jobs that run twice or die.

    python -m benchmarks.policy [--quarters 20] [--only quarter|jobs] [--json FILE]

Each quarter: 2,000 seasonal tickets a day of 20 features, checked every 6 hours over 24, profiles of 28 days. Two changes
stay (durations 1.5 times as long with a new category, then one feature up by a deviation); ten bursts of 3 to 6 hours
go again. Jobs: real processes over real files and a real MLflow registry, killed with SIGKILL before each of their writes.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.drift_data import MONDAY_MS, NAMES, NUMBERS, PER_DAY, Floats, Ints, draw
from benchmarks.drift_rows import clopper_pearson
from benchmarks.policy_job import Trial, killed_everywhere, prepare, two_at_once
from neural_hive_ml.clock import DAY_MS, HOUR_MS, WEEK_MS
from neural_hive_ml.drift.check import check_drift
from neural_hive_ml.drift.lasting import lasting_score
from neural_hive_ml.drift.report import DriftReport
from neural_hive_ml.evaluation.profile import Profile, build_profile
from neural_hive_ml.retraining.backtest import Replay, replay
from neural_hive_ml.retraining.policy import Policy

TRAINING_DAYS, QUARTER_DAYS, STEP_HOURS = 28, 91, 6
# Days of the quarter: far enough apart that a burst never meets a drift which is still being learned.
DRIFTS = (14, 50)
BURSTS = (2, 5, 8, 11, 43, 45, 47, 80, 84, 88)


@dataclass(frozen=True, slots=True)
class Quarter:
    """What one quarter came to; hours from each drift to its answer (None: never), retrains that noise caused."""

    answered_hours: tuple[float | None, ...]
    on_noise: int
    retrains: int
    alarms: int
    stale_hours: float
    most_in_a_week: int


class SeasonalWorld:
    """Drawn tickets as a world to replay policies in; see `retraining.backtest.World`."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([13, seed])
        hours = (TRAINING_DAYS + QUARTER_DAYS) * 24
        self.rows, self.at_ms = draw(MONDAY_MS - TRAINING_DAYS * DAY_MS, hours, PER_DAY * hours // 24, rng)
        self.drifts = tuple(MONDAY_MS + day * DAY_MS + int(rng.integers(0, DAY_MS)) for day in DRIFTS)
        bursts = [(MONDAY_MS + d * DAY_MS + int(rng.integers(0, DAY_MS)), int(rng.integers(3, 7))) for d in BURSTS]
        self.bursts = tuple((begin, begin + hours * HOUR_MS) for begin, hours in bursts)
        later, latest = self.at_ms >= self.drifts[0], self.at_ms >= self.drifts[1]
        self.rows[later, 0] *= 1.5
        self.rows[later & (rng.random(len(self.rows)) < 0.1), NUMBERS + 1] = 9
        self.rows[latest, 1] += 1.0
        for k, (begin, end) in enumerate(self.bursts):
            _noise(self.rows, (self.at_ms >= begin) & (self.at_ms < end), k, rng)
        self.profile = Profile.from_document(build_profile(*self._span(MONDAY_MS, TRAINING_DAYS * 24)))

    def check(self, at_ms: int) -> DriftReport:
        """Check the day before `at_ms`."""
        rows, names, times = self._span(at_ms, 24)
        report = check_drift(self.profile, rows, times, names, window=(at_ms - DAY_MS, at_ms))
        if not report.drift_detected:
            return report
        return replace(report, lasting_score=lasting_score(report, self.profile, rows, times, names))

    def retrain(self, at_ms: int) -> None:
        """Profile the last four weeks."""
        self.profile = Profile.from_document(build_profile(*self._span(at_ms, TRAINING_DAYS * 24)))

    def new_tickets(self, since_ms: int, until_ms: int) -> int:
        """Count tickets of a span."""
        begin, end = np.searchsorted(self.at_ms, [since_ms, until_ms])
        return int(end - begin)

    def loss(self, at_ms: int) -> float | None:
        """Nothing is predicted here."""
        return None

    def _span(self, until_ms: int, hours: int) -> tuple[Floats, list[str], Ints]:
        begin, end = np.searchsorted(self.at_ms, [until_ms - hours * HOUR_MS, until_ms])
        return self.rows[begin:end], NAMES, self.at_ms[begin:end]


def _noise(rows: Floats, inside: np.ndarray, kind: int, rng: np.random.Generator) -> None:
    """Make a burst: three features far off, a category that floods all, or run times five times as long."""
    count = int(inside.sum())
    if kind % 3 == 0:
        rows[np.ix_(inside, [2, 5, 9])] += 3.0
    elif kind % 3 == 1:
        rows[inside, NUMBERS + 2] = np.where(rng.random(count) < 0.8, 7, rows[inside, NUMBERS + 2])
    else:
        rows[np.ix_(inside, [0, 4, 8])] *= 5.0


def quarter(seed: int, policy: Policy) -> Quarter:
    """Replay one quarter."""
    world = SeasonalWorld(seed)
    until_ms = MONDAY_MS + QUARTER_DAYS * DAY_MS
    found = replay(world, policy, from_ms=MONDAY_MS, until_ms=until_ms, step_hours=STEP_HOURS)
    moments = [at for at, _ in found.retrains]
    answers = [next(((at - drift) / HOUR_MS for at in moments if at > drift), None) for drift in world.drifts]
    # Until a drift fills the training window, retraining again is about that drift.
    learning = [(drift, drift + TRAINING_DAYS * DAY_MS) for drift in world.drifts]
    noise = sum(not any(begin < at <= end for begin, end in learning) for at in moments)
    return Quarter(tuple(answers), noise, len(moments), found.alarms, found.stale_hours, most_in_a_week(found))


def most_in_a_week(found: Replay) -> int:
    """Return the greatest number of retrains in any seven days."""
    moments = [at for at, _ in found.retrains]
    return max((sum(at - WEEK_MS < other <= at for other in moments) for at in moments), default=0)


def quarters(count: int, policy: Policy) -> list[Quarter]:
    """Replay as many quarters, each drawn anew."""
    return [quarter(seed, policy) for seed in track(range(count), description="quarters", transient=True)]


def table_of(found: list[Quarter], policy: Policy) -> Table:
    """Lay out what the issue asks for, each with its interval."""
    drifts = [hours for one in found for hours in one.answered_hours]
    answered = sum(hours is not None and hours <= 24 for hours in drifts)
    late = max((h for h in drifts if h is not None), default=0.0)
    bursts = len(BURSTS) * len(found)
    noise = sum(one.on_noise for one in found)
    table = Table(title=f"{len(found)} quarters: two drifts and {len(BURSTS)} bursts each")
    for heading in ("id", "what", "found", "95 %"):
        table.add_column(heading, overflow="fold")
    rows = (
        ("policy.quarter.answered", "drifts answered within 24 h", answered, len(drifts)),
        ("policy.quarter.noise", "bursts that retrained", noise, bursts),
    )
    for bench, what, hits, n in rows:
        low, high = clopper_pearson(hits, n)
        table.add_row(bench, what, f"{hits} of {n}", f"[{low:.1%}, {high:.1%}]")
    table.add_row("policy.quarter.latest", "longest wait for an answer", f"{late:.1f} h", "")
    most = max(one.most_in_a_week for one in found)
    table.add_row(
        "policy.quarter.budget", "most retrains in 7 days", f"{most} (budget {policy.weekly_budget})", ""
    )
    for bench, what, values in (
        ("retrains", "retrains a quarter", [one.retrains for one in found]),
        ("alarms", "checks with drift detected a quarter", [one.alarms for one in found]),
        (
            "stale",
            "hours with drift above the threshold and no retraining just then",
            [o.stale_hours for o in found],
        ),
    ):
        table.add_row(f"policy.quarter.{bench}", what, f"{np.mean(values):.1f} (mean)", "")
    return table


def jobs_table(trials: list[Trial], acted: int) -> Table:
    """Lay out what became of killed and doubled jobs."""
    table = Table(title="Jobs as real processes")
    for heading in ("id", "what", "found"):
        table.add_column(heading, overflow="fold")
    served = sum(one.champion_served for one in trials)
    ended = sum(one.finished for one in trials)
    table.add_row("policy.jobs.kill", "points killed at, one before each write", str(len(trials)))
    table.add_row(
        "policy.jobs.kill.served", "after the kill a champion serves, whole", f"{served} of {len(trials)}"
    )
    table.add_row("policy.jobs.kill.finished", "the next run finishes the work, once", f"{ended} of {len(trials)}")
    for one in trials:
        if not (one.champion_served and one.finished):
            table.add_row("", f"write {one.write}", one.told)
    table.add_row("policy.jobs.two", "retrainings by two jobs started at once", str(acted))
    return table


def main(arguments: list[str]) -> int:
    """Print the tables, and write them as JSON when asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quarters", type=int, default=20)
    parser.add_argument("--only", choices=("quarter", "jobs"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    console = Console(width=120)
    told: dict[str, object] = {}
    if given.only != "jobs":
        # Age is left out: a retraining by age would look like an answer, or like one to noise.
        policy = Policy(max_age_days=10 * QUARTER_DAYS)
        found = quarters(given.quarters, policy)
        console.print(table_of(found, policy))
        told["quarters"] = [asdict(one) for one in found]
    if given.only != "quarter":
        with TemporaryDirectory() as folder:
            made = prepare(Path(folder) / "made")
            trials = killed_everywhere(made, Path(folder))
            acted = two_at_once(made, Path(folder) / "two")
        console.print(jobs_table(trials, acted))
        told |= {"jobs": [asdict(one) for one in trials], "acted": acted}
    if given.json:
        given.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
