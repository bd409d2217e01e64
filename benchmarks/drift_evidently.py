"""Evidently beside ours: its default preset on the same unchanged data; time and memory of both on a million rows."""

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.drift_data import MONDAY_MS, NAMES, NUMBERS, WEEKS, Floats, draw, reference
from neural_hive_ml.clock import HOUR_MS, WEEK_MS
from neural_hive_ml.drift.check import check_drift
from neural_hive_ml.evaluation.profile import Profile, build_profile

ROWS, COLUMNS = 1_000_000, 25


@dataclass(frozen=True, slots=True)
class Spent:
    """What one tool took: wall seconds and the greatest resident memory of its process in MiB."""

    seconds: float
    peak_mib: float


def alarms(hours: int, rows: int, replays: int) -> tuple[int, int]:
    """Return in how many replays of unchanged data the preset calls the data set drifted, and any column at all."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=NAMES[:NUMBERS], categorical_columns=NAMES[NUMBERS:])

    def dataset(values: Floats) -> Dataset:
        frame = pd.DataFrame(values, columns=NAMES).astype(dict.fromkeys(NAMES[NUMBERS:], str))
        return Dataset.from_pandas(frame, data_definition=definition)

    _, past = reference(np.random.default_rng([5, 0]))
    before = dataset(past)
    whole = some = 0
    for k in range(replays):
        rng = np.random.default_rng([7, k])
        found, _ = draw(MONDAY_MS + int(rng.integers(0, 168)) * HOUR_MS, hours, rows, rng)
        result = json.loads(Report([DataDriftPreset()]).run(dataset(found), before).json())
        count = next(m["value"] for m in result["metrics"] if "DriftedColumnsCount" in m["metric_name"])
        whole += count["share"] >= 0.5
        some += count["count"] > 0
    return whole, some


def race() -> dict[str, Spent]:
    """Time a full check of a million rows by 25 features against a stored profile, and Evidently's preset with PSI."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        rng = np.random.default_rng(1)
        for name, begin_ms, hours in (
            ("past", MONDAY_MS - WEEKS * WEEK_MS, WEEKS * 168),
            ("current", MONDAY_MS, 168),
        ):
            rows, at_ms = draw(begin_ms, hours, ROWS, rng)
            more = rng.normal(size=(len(rows), COLUMNS - rows.shape[1])) + rows[:, :1] * 0.1
            np.save(root / f"{name}.npy", np.hstack([rows, more]))
            np.save(root / f"{name}_at.npy", at_ms)
        names = _names()
        profile = build_profile(np.load(root / "past.npy"), names, np.load(root / "past_at.npy"))
        (root / "profile.json").write_text(json.dumps(profile))
        return {tool: _apart(tool, root) for tool in ("ours", "evidently")}


def _names() -> list[str]:
    return [*NAMES, *(f"number_{NUMBERS + i}" for i in range(COLUMNS - len(NAMES)))]


def _apart(tool: str, root: Path) -> Spent:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.drift_evidently", tool, str(root)], check=True, capture_output=True
    )
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


def _ours(root: Path) -> float:
    profile = Profile.from_document(json.loads((root / "profile.json").read_text()))
    rows, at_ms = np.load(root / "current.npy"), np.load(root / "current_at.npy")
    began = time.perf_counter()
    report = check_drift(profile, rows, at_ms, _names())
    spent = time.perf_counter() - began
    assert len(report.features) == COLUMNS
    return spent


def _evidently(root: Path) -> float:
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=_names())
    current, before = (
        Dataset.from_pandas(
            pd.DataFrame(np.load(root / f"{name}.npy"), columns=_names()), data_definition=definition
        )
        for name in ("current", "past")
    )
    began = time.perf_counter()
    Report([DataDriftPreset(num_method="psi")]).run(current, before).json()
    return time.perf_counter() - began


if __name__ == "__main__":
    seconds = {"ours": _ours, "evidently": _evidently}[sys.argv[1]](Path(sys.argv[2]))
    print(json.dumps(asdict(Spent(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))))
