"""The gate on pairs whose truth is known: how often it promotes what is no better, and finds what is a tenth better.

    python -m benchmarks.gate [--pairs 500] [--json FILE]

Each pair answers one simulated hold-out of six-hour blocks (good and bad days hit both models alike) through the real
`evaluation.compare` and `evaluation.gate`, slices and all. Detectors: 2 % anomalies, F1 0.75, two thirds of each
detector's hits and false alarms shared with the other. Run times: log-normal, errors of half a log unit, correlated 0.85
between the models (on two real logs log errors of a trained model correlate 0.83 and 0.92 with those of the task's
exponentially weighted mean, and 0.99 with those of an earlier training of its own). Intervals are Wilson's, 95 %.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from neural_hive_ml.conventions import Family
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.compare import compare
from neural_hive_ml.evaluation.floors import demands
from neural_hive_ml.evaluation.gate import judge
from neural_hive_ml.evaluation.metrics import confusion, f1_of
from neural_hive_ml.evaluation.verdict import Evaluation, Metric, Outcome, Verdict

Floats = npt.NDArray[np.float64]
Pair = tuple[HoldoutCases, HoldoutCases]
EQUAL_SIZES = {"f1": (40, 100, 400, 1000), "mae": (200, 500, 2000, 5000)}
POWER_SIZES = {"f1": (50, 100, 200, 400, 800), "mae": (200, 500, 1000, 2000, 4000)}
BARS = {"f1": 400, "mae": 2000}
_SHARE = 0.02
_ALIKE = 0.85
_SLICES = np.array(["BUILD", "DEPLOY", "EXECUTE", "TEST"], dtype=object)


def _blocks(wanted: int) -> int:
    """Between 3 and 60 days of six hours."""
    return min(max(wanted, 12), 240)


def detectors(positives: int, gain: float, rng: np.random.Generator) -> Pair:
    """Candidate and champion of F1 0.75 (1 + gain) and 0.75, precision equal to recall, on `positives` anomalies."""
    n = int(positives / _SHARE)
    block = np.sort(rng.integers(0, _blocks(n // 60), n))
    truth = np.zeros(n)
    truth[rng.choice(n, positives, replace=False)] = 1.0
    # What both find easy is shared; a bad block hides anomalies from both.
    common, day = rng.random(n), rng.normal(0.0, 0.05, int(block.max()) + 1)[block]

    def flags(f1: float) -> Floats:
        mine = np.where(rng.random(n) < 2 / 3, common, rng.random(n))
        alarm = f1 * _SHARE * (1 / f1 - 1) / (1 - _SHARE)  # false alarms a normal case, so that precision is f1
        chance = np.where(truth == 1, np.clip(f1 + day, 0, 1), alarm)
        return (mine < chance).astype(float)

    champion, candidate = flags(0.75), flags(0.75 * (1 + gain))
    slices = _SLICES[rng.integers(0, 4, n)]
    made = [HoldoutCases("anomaly", "simulated", truth, f, block, f, slices) for f in (candidate, champion)]
    return made[0], made[1]


def run_times(labels: int, gain: float, rng: np.random.Generator) -> Pair:
    """Candidate and champion whose errors are alike, but for a MAE that is `gain` lower, on `labels` run times."""
    block = np.sort(rng.integers(0, _blocks(labels // 20), labels))
    truth = np.exp(rng.normal(9.0, 1.0, labels))
    day = rng.normal(0.0, 0.1, int(block.max()) + 1)[block]
    shared = rng.normal(0.0, 0.5, labels)

    def errors() -> Floats:
        own = rng.normal(0.0, 0.5, labels)
        return np.asarray(np.expm1(sqrt(_ALIKE) * shared + sqrt(1 - _ALIKE) * own + day) * truth)

    candidate, champion = truth + errors() * (1 - gain), truth + errors()
    slices = _SLICES[rng.integers(0, 4, labels)]
    made = [HoldoutCases("scheduling", "simulated", truth, p, block, None, slices) for p in (candidate, champion)]
    return made[0], made[1]


MAKERS: dict[str, tuple[Family, Callable[[int, float, np.random.Generator], Pair]]] = {
    "f1": ("anomaly", detectors),
    "mae": ("scheduling", run_times),
}


def verdict_of(metric: str, pair: Pair, rng: np.random.Generator) -> Verdict:
    """Judge a pair as training does; floors and baselines, which need no simulation, are left out."""
    candidate, champion = pair
    asked = replace(demands(MAKERS[metric][0], "guide"), floors=(), baselines=())
    positives = int(candidate.truth.sum()) if metric == "f1" else None
    value = (
        float(f1_of(confusion(candidate.truth, candidate.predicted).sum(axis=0)[None])[0]) if positives else 1.0
    )
    measured = Metric(metric, value, len(candidate.truth), higher_is_better=metric == "f1", positives=positives)
    evaluation = Evaluation("simulated", metric, (measured,), (), 0, 1)
    return judge(evaluation, asked, compare(candidate, champion, metric, rng, asked.harm))


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share."""
    z2 = 1.96**2
    middle, half = (hits + z2 / 2) / (n + z2), 1.96 * sqrt(hits * (n - hits) / n + z2 / 4) / (n + z2)
    return middle - half, middle + half


def counted(metric: str, size: int, gain: float, pairs: int) -> tuple[Counter[Outcome], str]:
    """Judge `pairs` fresh pairs; return the outcomes and one of the gate's own words on what is missing."""
    seen: Counter[Outcome] = Counter()
    missing = ""
    for i in range(pairs):
        rng = np.random.default_rng([17, size, round(gain * 100), i])
        verdict = verdict_of(metric, MAKERS[metric][1](size, gain, rng), rng)
        seen[verdict.outcome] += 1
        missing = verdict.missing or missing
    return seen, missing


def rows(pairs: int) -> Iterator[dict[str, object]]:
    """Yield one row a metric, gain and size, and one over all sizes of equal pairs."""
    for metric in MAKERS:
        wrong = 0
        for size in EQUAL_SIZES[metric]:
            seen, missing = counted(metric, size, 0.0, pairs // 4)
            wrong += seen[Outcome.PROMOTE]
            yield _row("equal", metric, size, seen, missing)
        low, high = wilson(wrong, pairs // 4 * 4)
        yield {"id": f"gate.equal.{metric}", "pairs": pairs // 4 * 4, "promoted": wrong / (pairs // 4 * 4), "low": low,
               "high": high, "bar": "at most 5 %", "met": wrong / (pairs // 4 * 4) <= 0.05}  # fmt: skip
        for size in POWER_SIZES[metric]:
            seen, missing = counted(metric, size, 0.10, pairs * 2 // 5)
            row = _row("tenth", metric, size, seen, missing)
            if size >= BARS[metric]:
                row |= {"bar": "at least 90 %", "met": float(str(row["promoted"])) >= 0.9}
            yield row


def _row(kind: str, metric: str, size: int, seen: Counter[Outcome], missing: str) -> dict[str, object]:
    n = seen.total()
    low, high = wilson(seen[Outcome.PROMOTE], n)
    return {
        "id": f"gate.{kind}.{metric}.{size}",
        "pairs": n,
        "promoted": seen[Outcome.PROMOTE] / n,
        "low": low,
        "high": high,
        "insufficient": seen[Outcome.INSUFFICIENT_EVIDENCE] / n,
        "rejected": seen[Outcome.REJECT] / n,
        "missing": missing,
    }


def main(arguments: list[str]) -> int:
    """Print the table, and write it as JSON when asked for."""
    pairs = int(arguments[arguments.index("--pairs") + 1]) if "--pairs" in arguments else 500
    console = Console(width=150, highlight=False)
    table = Table(title="The gate: pairs of equal quality, and a true gain of 10 %")
    for heading in (
        "id",
        "pairs",
        "promoted [95 %]",
        "insufficient",
        "rejected",
        "said to be missing, e.g.",
        "bar",
    ):
        table.add_column(heading)
    found = []
    for row in rows(pairs):
        found.append(row)
        share = f"{row['promoted']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"
        bar = f"{row['bar']}: {'met' if row['met'] else 'missed'}" if "bar" in row else ""
        rest = [f"{row[k]:.0%}" if k in row else "" for k in ("insufficient", "rejected")]
        table.add_row(str(row["id"]), str(row["pairs"]), share, *rest, str(row.get("missing", "")), bar)
    console.print(table)
    if "--json" in arguments:
        Path(arguments[arguments.index("--json") + 1]).write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
