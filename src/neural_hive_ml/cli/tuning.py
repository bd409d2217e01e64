"""What a search needs from a command: a budget that was typed, workers, a file for its trials, a bar on the terminal."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from neural_hive_ml.errors import UsageError
from neural_hive_ml.training.engine import Engine, InProcess, Processes
from neural_hive_ml.training.request import TuningBudget
from neural_hive_ml.training.trial_file import TrialFile
from neural_hive_ml.training.tuning import Seen, Tuner

# More processes than this gain little: TPE learns from what has ended.
_MOST_BY_DEFAULT = 4
_SCHEME = "dask://"


def parse_budget(text: str) -> TuningBudget:
    """Read trials (``60``) or seconds (``30s``). Raises `UsageError`."""
    number = text.removesuffix("s")
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not 1e-3 <= value <= 1e6 or (number == text and value < 1):
        raise UsageError(f"--tuning-budget {text!r} is no budget", remedy="give trials (60) or seconds (30s)")
    if text.endswith("s"):
        return TuningBudget(seconds=value, trials=10_000)
    return TuningBudget(seconds=86_400.0, trials=int(value))


def open_engine(where: str) -> Engine:
    """Open the workers that `--engine` names.

    Raises
    ------
    UsageError
        For a name that is none, or a Dask that is not installed.
    TrainingFailed
        When no Dask scheduler answers.
    """
    kind, _, number = where.partition(":")
    if where == "local":
        return InProcess()
    if kind == "processes" and (not number or (number.isdigit() and 1 <= int(number) <= 64)):
        usable = len(os.sched_getaffinity(0))
        workers = int(number) if number else min(usable, _MOST_BY_DEFAULT)
        return InProcess() if workers == 1 else Processes(workers)
    if where.startswith(_SCHEME) and len(where) > len(_SCHEME):
        from neural_hive_ml.training.engine_dask import DaskEngine

        return DaskEngine(f"tcp://{where.removeprefix(_SCHEME)}")
    raise UsageError(f"--engine {where!r} is none", remedy="use local, processes, processes:N or dask://HOST:PORT")


@contextmanager
def tuner_of(where: str, data_dir: Path, console: Console) -> Iterator[Tuner]:
    """Open a tuner that keeps its trials below `data_dir` and shows a bar on `console`; workers are given back."""
    engine = open_engine(where)
    try:
        with _Bar(console) as bar:
            yield Tuner(engine, monotonic, TrialFile(data_dir / "tuning"), bar.see)
    finally:
        engine.close()


class _Bar:
    """A line a search: how much of its budget is used up, how many trials, the best loss."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("  tuning {task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
        self._progress = Progress(*columns, TimeElapsedColumn(), console=console)
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def see(self, seen: Seen) -> None:
        if seen.name not in self._lines:
            self._lines[seen.name] = self._progress.add_task(seen.name, total=1.0, said="")
        best = "" if seen.best is None else f", best {seen.best:,.4g}"
        self._progress.update(
            self._lines[seen.name], completed=seen.spent, said=f"{seen.trials} trials{best}", refresh=True
        )
