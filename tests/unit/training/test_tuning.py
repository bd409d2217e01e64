"""Searches: seeded, pruned, resumable, the same on every engine, and never near a hold-out."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from tests.support.searches import DEFAULTS, SPACE, Failing, bowl
from tests.support.trained import generated, request

from neural_hive_ml.cli.tuning import open_engine, parse_budget
from neural_hive_ml.errors import TrainingFailed, UsageError
from neural_hive_ml.training.duration_search import duration_search
from neural_hive_ml.training.engine import InProcess, Processes, TrialJob, run_trial
from neural_hive_ml.training.families import search_family, train_family
from neural_hive_ml.training.request import TuningBudget
from neural_hive_ml.training.search import Trial, Values, parse_parameters
from neural_hive_ml.training.split import split_by_time
from neural_hive_ml.training.trial_file import TrialFile
from neural_hive_ml.training.tuning import MemoryTrialLog, Seen, Tuned, Tuner, tune

Told = tuple[int, str, float | None, tuple[tuple[int, float], ...], dict[str, object]]


def clock() -> float:
    return 0.0


def told(trials: tuple[Trial, ...]) -> list[Told]:
    return [(t.number, t.state, t.loss, t.steps, dict(t.values)) for t in trials]


def searched(trials: int = 40, seed: int = 3, **changes: object) -> Tuned:
    tuner = replace(Tuner(InProcess(), clock), **changes)  # type: ignore[arg-type]
    return tune(bowl(), TuningBudget(seconds=1e9, trials=trials), seed, tuner)


def test_a_search_finds_what_beats_the_defaults_and_prunes_on_the_way() -> None:
    seen: list[Seen] = []
    found = searched(60, watch=seen.append)
    assert dict(found.trials[0].values) == DEFAULTS
    best = min(t.loss for t in found.trials if t.state == "complete" and t.loss is not None)
    assert best < 3.0 < (found.trials[0].loss or 0)
    assert found.values == next(dict(t.values) for t in found.trials if t.loss == best)
    states = {t.state for t in found.trials}
    assert "pruned" in states
    assert all(len(t.steps) < 10 for t in found.trials if t.state == "pruned")
    assert [s.trials for s in seen] == list(range(1, 61))
    assert seen[-1].spent == 1.0
    assert "better than the defaults" in found.sentence


def test_the_same_seed_searches_the_same_and_another_one_does_not() -> None:
    assert told(searched().trials) == told(searched().trials)
    assert told(searched().trials) != told(searched(seed=4).trials)


@pytest.mark.parametrize("kept", [1, 7, 39])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(kept: int, tmp_path: Path) -> None:
    whole, log = searched(), TrialFile(tmp_path)
    searched(kept, log=log)
    ran: list[int] = []

    class Counting(InProcess):
        def run(self, search, jobs):  # type: ignore[no-untyped-def]
            ran.extend(job.number for job in jobs)
            return super().run(search, jobs)

    assert told(searched(log=log, engine=Counting()).trials) == told(whole.trials)
    assert ran == list(range(kept, 40))


def test_a_half_written_line_and_another_search_are_no_trials(tmp_path: Path) -> None:
    log = TrialFile(tmp_path)
    searched(3, log=log)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert [t.number for t in log.read(bowl())] == [0, 1]
    file.write_bytes(whole)
    assert len(log.read(bowl())) == 3
    assert log.read(bowl("other data")) == ()
    assert log.read(replace(bowl(), space=SPACE[:-1])) == ()
    log.append(bowl("other data"), searched(1).trials)
    assert log.read(bowl()) == ()
    assert len(log.read(bowl("other data"))) == 1


def test_seconds_end_a_search_and_what_was_spent_before_counts() -> None:
    ticks = count(0.0, 1.0)
    found = tune(bowl(), TuningBudget(seconds=10.0, trials=10_000), 1, Tuner(InProcess(), lambda: next(ticks)))
    assert 3 <= len(found.trials) <= 10
    log = MemoryTrialLog()
    spent = [replace(t, seconds=6.0) for t in found.trials[:2]]
    log.append(bowl(), spent)
    again = tune(bowl(), TuningBudget(seconds=10.0, trials=10_000), 1, Tuner(InProcess(), clock, log))
    assert len(again.trials) == 2


def test_a_trial_stops_when_its_time_is_up_or_it_lags_behind() -> None:
    late = run_trial(bowl().objective, TrialJob(0, DEFAULTS, {}, -1.0))
    assert (late.state, len(late.steps)) == ("pruned", 1)
    behind = run_trial(bowl().objective, TrialJob(0, DEFAULTS, {5: 0.0}, 1e9))
    assert (behind.state, len(behind.steps)) == ("pruned", 5)


def test_defaults_stay_when_nothing_beats_them_by_the_margin() -> None:
    best = {"x": 1.0, "rate": 0.5, "depth": 4, "loss": "square"}
    found = tune(replace(bowl(), defaults=best), TuningBudget(trials=20), 1, Tuner(InProcess(), clock))
    assert dict(found.values) == best
    assert "the defaults stay" in found.sentence


def test_values_that_fail_are_a_finding_and_failing_defaults_an_error() -> None:
    found = searched(60)
    assert {t.error for t in found.trials if t.state == "failed"} <= {"ValueError: depth 9 is too deep"}
    assert "failed" in {t.state for t in found.trials}
    with pytest.raises(TrainingFailed, match="no such solver"):
        tune(replace(bowl(), objective=Failing()), TuningBudget(trials=3), 1, Tuner(InProcess(), clock))


def test_processes_search_as_one_process_of_that_width_would() -> None:
    pool = Processes(2)
    try:
        theirs = searched(12, engine=pool)
    finally:
        pool.close()

    class Wide:
        workers = 2

        def run(self, search, jobs):  # type: ignore[no-untyped-def]
            return InProcess().run(search, jobs)

        def close(self) -> None: ...

    assert told(theirs.trials) == told(searched(12, engine=Wide()).trials)


def test_a_search_knows_nothing_of_the_hold_out() -> None:
    columns = generated()
    asked = request("scheduling", columns)
    search = search_family(columns, asked)
    assert search is not None
    split = split_by_time(columns, asked.as_of_ms, asked.min_samples)
    later = columns.created_at_ms >= split.holdout_from_ms
    changed = replace(
        columns, actual_duration_ms=np.where(later, columns.actual_duration_ms * 7, columns.actual_duration_ms)
    )
    assert duration_search(changed, asked).key == search.key
    earlier = np.where(later, columns.actual_duration_ms, columns.actual_duration_ms * 7)
    assert duration_search(replace(columns, actual_duration_ms=earlier), asked).key != search.key


def test_the_forest_is_searched_by_how_it_ranks_the_validation_part() -> None:
    columns = generated()
    asked = request("anomaly", columns)
    search = search_family(columns, asked)
    assert search is not None
    losses = [search.objective({"trees": trees, "subsample": 256}, lambda *_: False) for trees in (50, 50, 60)]
    assert losses[0] == losses[1] != losses[2]
    assert all(0.0 <= loss <= 1.0 for loss in losses)
    assert search_family(columns, replace(asked, algorithm="autoencoder")) is None
    split = split_by_time(columns, asked.as_of_ms, asked.min_samples)
    later = columns.created_at_ms >= split.holdout_from_ms
    slow = np.where(later, columns.actual_duration_ms * 7, columns.actual_duration_ms)
    changed = search_family(replace(columns, actual_duration_ms=slow), asked)
    assert changed is not None
    assert changed.key == search.key


def test_a_tuned_model_is_trained_with_what_was_found_and_says_so() -> None:
    columns = generated()
    asked = replace(request("scheduling", columns), tuning=TuningBudget(seconds=1e9, trials=3))
    said: list[str] = []

    class Steep(InProcess):
        """Answers at once: what counts here is what becomes of the answer."""

        def run(self, search, jobs):  # type: ignore[no-untyped-def]
            return [Trial(j.number, j.values, "complete", 100.0 - j.number) for j in jobs]

    candidate = train_family(columns, asked, said.append, Tuner(Steep(), clock))
    assert len(candidate.trials) == 3
    chosen: Values = candidate.model.lineage["parameters"]
    assert chosen == dict(candidate.trials[2].values)
    assert any("3 trials" in line for line in said)
    assert all(f"--parameter {name}=" in candidate.model.lineage["reproduce"] for name in chosen)
    with pytest.raises(ValueError, match="needs a tuner"):
        train_family(columns, asked)


@pytest.mark.parametrize("text", ["", "s", "0", "-3", "x", "0.5", "1e9s", "nan"])
def test_a_budget_is_trials_or_seconds(text: str) -> None:
    with pytest.raises(UsageError, match="is no budget"):
        parse_budget(text)
    assert parse_budget("60") == TuningBudget(86_400.0, 60)
    assert parse_budget("30s") == TuningBudget(30.0, 10_000)


@pytest.mark.parametrize(
    "where", ["", "threads", "processes:0", "processes:x", "processes:65", "dask://", "ray://x"]
)
def test_an_engine_that_is_none_is_said(where: str) -> None:
    with pytest.raises(UsageError, match="--engine"):
        open_engine(where)
    assert open_engine("local").workers == 1


def test_a_dask_scheduler_that_is_not_there_is_said() -> None:
    from neural_hive_ml.training.engine_dask import DaskEngine

    with pytest.raises(TrainingFailed, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        DaskEngine("tcp://127.0.0.1:9", timeout_seconds=1.0)


@pytest.mark.parametrize("pair", ["x", "y=1", "x=9", "x=nan", "depth=2.5", "loss=cubic", "=1"])
def test_a_parameter_is_one_of_the_space(pair: str) -> None:
    with pytest.raises(UsageError):
        parse_parameters([pair], SPACE)
    assert parse_parameters(["x=1", "depth=3", "loss=square"], SPACE) == (
        ("x", 1.0),
        ("depth", 3),
        ("loss", "square"),
    )
