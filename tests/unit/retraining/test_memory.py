"""A training that asks for more memory than it may have fails alone: real trainings, in a process of their own."""

import json
import subprocess
import sys
from pathlib import Path

from neural_hive_ml.retraining.memory import short_of_memory

ROOT = Path(__file__).parents[3]


def test_a_training_over_the_limit_fails_alone_and_one_under_it_passes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.limited_job", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    told = json.loads(done.stdout.splitlines()[-1])
    (over, why), (booster, _) = told["tight"]
    assert (over, booster) == ("failed", "judged"), "the other model goes on, in the same process"
    assert why.startswith("training asked for more memory than the ")
    assert "RETRAINING_MEMORY_MIB" in why
    assert (told["wide"], told["wide code"], told["tight code"]) == ([["judged", ""]] * 2, 0, 1)
    fine = [["load", True, ""], ["scheduling", True, ""]]
    assert told["events"] == [*fine, ["load", False, why], fine[1]]
    assert told["drift job"][0] is False
    assert "the 64 MiB it may have" in told["drift job"][1]
    assert told["runs"] == ["succeeded", "failed", "failed"]
    assert told["limit"] is True, "the limit is over with the training"


def test_what_compiled_libraries_say_is_understood_and_other_errors_are_not() -> None:
    wrapped = ValueError("the booster could not be fitted")
    wrapped.__cause__ = RuntimeError("std::bad_alloc")
    assert "(RuntimeError: std::bad_alloc)" in short_of_memory(wrapped)
    assert short_of_memory(ValueError("there was memory enough")) == ""
    assert short_of_memory(SystemError("a bug of a module")) == ""
