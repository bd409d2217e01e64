"""Evidently's page: its numbers say of the same columns what ours say, and the record links to it."""

from pathlib import Path

import numpy as np

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.conventions import DRIFT_RECORDS
from neural_hive_ml.drift.check import check_drift
from neural_hive_ml.drift.evidently_page import comparable, render
from neural_hive_ml.drift.records import checks_of, link_page, record_key, record_of
from neural_hive_ml.evaluation.profile import Profile, build_profile
from neural_hive_ml.state.memory import MemoryStateStore

NAMES = ["same", "half", "one", "heavy", "kind"]
NOW_MS = 2_800 * 7 * DAY_MS


def drawn(begin_ms: int, days: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    at = np.sort(begin_ms + rng.integers(0, days * DAY_MS, days * 1_000))
    rows = rng.normal(size=(len(at), 5))
    rows[:, 3] = np.exp(2 * rows[:, 3])
    rows[:, 4] = rng.choice([0.0, 1.0, 2.0], len(at), p=[0.6, 0.3, 0.1])
    return rows, at


def test_its_numbers_agree_with_ours_and_the_record_links_to_its_page(tmp_path: Path) -> None:
    rows, at = drawn(NOW_MS - 35 * DAY_MS, 28, 1)
    profile = Profile.from_document(build_profile(rows, NAMES, at))
    rows, at = drawn(NOW_MS - 7 * DAY_MS, 7, 2)
    rows[:, 1] += 0.5
    rows[:, 2] += 1.0
    rows[np.random.default_rng(3).random(len(rows)) < 0.2, 4] = 2.0
    ours = check_drift(profile, rows, at, NAMES, window=(NOW_MS - 7 * DAY_MS, NOW_MS))
    path = tmp_path / "pages" / "drift.html"
    theirs = render(*comparable(profile, rows, at, NAMES), path)
    assert "<html" in path.read_text(errors="replace")[:2_000].lower()
    # PSI over other bins of the same two samples: alike to a tenth where something changed, and small where not.
    by_name = {f.name: f.psi_raw for f in ours.features}
    assert set(theirs.psi) == set(by_name)
    for name, psi in theirs.psi.items():
        assert abs(psi - by_name[name]) <= 0.01 + 0.1 * by_name[name], (name, psi, by_name[name])

    state, name = MemoryStateStore(), "scheduling-predictor-xgboost"
    state.put(
        DRIFT_RECORDS, record_of(ours, name=name, version=3, family="scheduling", at_ms=NOW_MS, threshold=0.2)
    )
    link_page(state, record_key(name, 3, NOW_MS), str(path))
    link_page(state, record_key(name, 4, NOW_MS), str(path))
    assert [d["report_html"] for d in checks_of(state, name)] == [str(path)]
