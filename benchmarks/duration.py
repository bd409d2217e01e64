"""Run times on four logs: the model against every simple guess, in pairs, and what its 80 % interval covers.

    python -m benchmarks.duration [--algorithm xgboost|lightgbm] [--json FILE]

Data as in `benchmarks.quality`: the shipped sample and the files of HIVE_BENCH_DATA. Judged on the time-ordered hold-out
that training never sees, every row with what was known at its creation; intervals are 95 %, paired, of six-hour blocks.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.quality import datasets
from neural_hive_ml.evaluation.compare import compare
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.training.duration import as_served, guesses_of, train_duration
from neural_hive_ml.training.durations import duration_rows
from neural_hive_ml.training.request import Candidate, TrainingRequest
from neural_hive_ml.training.split import split_by_time

HEADINGS = ("id", "log", "method", "MAE, s", "gain of the model over it [95 %]", "beaten", "n")
COVERAGE_HEADINGS = (
    "id",
    "log",
    "coverage of the 80 % interval [95 %]",
    "within 78 to 82 %",
    "below",
    "above",
    "left fixed",
)
Row = dict[str, object]


def rows_of(name: str, columns: TicketColumns, request: TrainingRequest) -> Iterator[Row]:
    """Train on one log; yield a row a baseline, then one of the interval."""
    candidate = train_duration(columns, request)
    scorer = DurationScorer.load(candidate.model)
    frame, _ = build_frame(columns, scorer.binding, ("created",))
    data = duration_rows(columns, frame, split_by_time(columns, request.as_of_ms, request.min_samples))
    guesses = guesses_of(data)
    yield from _against(name, candidate, guesses)
    forecast, fixed = as_served(scorer, data, columns), scorer.forecast(data.rows[data.holdout])
    truth = candidate.cases.truth
    coverage = candidate.evaluation.metric("coverage_80")
    yield {
        "id": f"duration.{name}.coverage",
        "log": name,
        "coverage": coverage.value,
        "low": coverage.low,
        "high": coverage.high,
        "met": 0.78 <= coverage.value <= 0.82,
        "fixed": float(np.mean((truth >= fixed[:, 0]) & (truth <= fixed[:, 2]))),
        "below": float(np.mean(truth < forecast[:, 0])),
        "above": float(np.mean(truth > forecast[:, 2])),
    }


def _against(name: str, candidate: Candidate, guesses: dict[str, npt.NDArray[np.float64]]) -> Iterator[Row]:
    for baseline, guess in guesses.items():
        rival = replace(candidate.cases, predicted=guess)
        c = compare(candidate.cases, rival, "mae", np.random.default_rng(11))
        yield {
            "id": f"duration.{name}.{baseline}",
            "log": name,
            "method": baseline,
            "mae_s": c.champion / 1000,
            "model_mae_s": c.candidate / 1000,
            "gain": c.gain,
            "low": c.low,
            "high": c.high,
            "beaten": c.low > 0,
            "n": c.n,
        }


def summary_of(rows: list[Row]) -> list[Row]:
    """Hold the rows of the logs against the bars that issue and documents name."""
    logs = list(dict.fromkeys(str(r["log"]) for r in rows))
    per_log = {log: [r for r in rows if r["log"] == log and "gain" in r] for log in logs}
    best = {log: min(found, key=lambda r: float(str(r["mae_s"]))) for log, found in per_log.items()}
    ahead = [log for log in logs if all(float(str(r["gain"])) > 0 for r in per_log[log])]
    sure = [log for log in logs if all(r["beaten"] for r in per_log[log])]
    gains = [float(str(best[log]["gain"])) for log in logs]
    covered = [r["log"] for r in rows if r.get("met")]
    return [
        {"id": "duration.below_every_baseline", "value": len(ahead), "of": len(logs), "bar": "on each log"},
        {"id": "duration.beyond_chance", "value": len(sure), "of": len(logs), "bar": "on at least 3 of 4"},
        {"id": "duration.gain_over_the_best", "value": float(np.mean(gains)), "bar": "at least 0.05 on average"},
        {"id": "duration.covered", "value": len(covered), "of": len(logs), "bar": "on each log"},
    ]


def main(arguments: list[str]) -> int:
    """Print the tables, and write all of them as JSON when asked for."""
    algorithm = arguments[arguments.index("--algorithm") + 1] if "--algorithm" in arguments else None
    console = Console(width=150, highlight=False)
    rows: list[Row] = []
    for name, columns, as_of_ms, days in datasets():
        if columns is None:
            console.print(f"{name}: not run")
            continue
        request = TrainingRequest("scheduling", as_of_ms, days, algorithm=algorithm, threads=1)
        rows += rows_of(name, columns, request)
        console.print(f"{name}: {len(columns):,} tickets")
    table, cover = Table(title="Run times: mean absolute error"), Table(title="Run times: the 80 % interval")
    for heading in HEADINGS:
        table.add_column(heading)
    for heading in COVERAGE_HEADINGS:
        cover.add_column(heading)
    for r in rows:
        if "gain" in r:
            gain = f"{r['gain']:+.1%} [{r['low']:+.1%}, {r['high']:+.1%}] (model {r['model_mae_s']:,.2f})"
            cells = (
                r["id"],
                r["log"],
                r["method"],
                f"{r['mae_s']:,.2f}",
                gain,
                "yes" if r["beaten"] else "no",
                r["n"],
            )
            table.add_row(*map(str, cells))
        else:
            interval = f"{r['coverage']:.1%} [{r['low']:.1%}, {r['high']:.1%}]"
            cells = (
                r["id"],
                r["log"],
                interval,
                "yes" if r["met"] else "no",
                f"{r['below']:.1%}",
                f"{r['above']:.1%}",
                f"{r['fixed']:.1%}",
            )
            cover.add_row(*map(str, cells))
    console.print(table)
    console.print(cover)
    summary = summary_of(rows) if rows else []
    for line in summary:
        console.print(", ".join(f"{k} {v}" for k, v in line.items()))
    if "--json" in arguments:
        file = Path(arguments[arguments.index("--json") + 1])
        file.write_text(json.dumps({"rows": rows, "summary": summary}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
