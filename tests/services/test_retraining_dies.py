"""The retraining job killed with SIGKILL, and started twice: real processes over files and an MLflow registry.

`python -m benchmarks.policy --only jobs` kills it before each of its writes; here are the two that hurt most.
"""

from pathlib import Path

import pytest
from benchmarks.policy_job import killed_everywhere, prepare, two_at_once

pytestmark = pytest.mark.services


def test_killed_between_claim_and_record_the_champion_serves_and_the_next_run_finishes(tmp_path: Path) -> None:
    made = prepare(tmp_path / "made")
    for trial in killed_everywhere(made, tmp_path, points=("register", "put ml_retraining_events")):
        assert trial.champion_served, trial
        assert trial.finished, trial
    assert two_at_once(made, tmp_path / "two") == 1
