"""The retraining job in processes that die: real stores in files, a real registry, SIGKILL before any write.

A process is forked for every run, so that libraries are loaded once; nothing is open when it is.
"""

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

from neural_hive_ml.bootstrap import open_workspace
from neural_hive_ml.clock import DAY_MS, HOUR_MS, SystemClock, parse_instant
from neural_hive_ml.conventions import CHAMPION, RETRAINING_CLAIMS, RETRAINING_EVENTS, load_model_name
from neural_hive_ml.flow import Rules, Workspace, train
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.observability.logs import setup_logs
from neural_hive_ml.registry.files import read_artifact
from neural_hive_ml.registry.promotion import promote
from neural_hive_ml.registry.published import FilePointerSource
from neural_hive_ml.retraining.events import TrainingOutcome
from neural_hive_ml.retraining.job import Desk, run_cycle
from neural_hive_ml.retraining.policy import Policy
from neural_hive_ml.rollout.announce import noting
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.training.request import TrainingRequest

NAME: Final = load_model_name(60)
TRAINED_MS: Final = parse_instant("2013-02-01")
# Older than the policy lets a model grow.
DUE_MS: Final = parse_instant("2013-03-10")
_WRITES: Final = {
    "insert",
    "put",
    "replace",
    "delete",
    "acquire",
    "release",
    "register",
    "move_alias",
    "tag",
    "publish",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a job killed before a write, by its number or name."""

    write: int | str
    champion_served: bool
    finished: bool
    told: str


class Dying:
    """Passes everything on to a store or registry; before the write `at` the process kills itself.

    A write has its number and its name, with the collection where it has one: ``put ml_retraining_events``.
    """

    def __init__(self, inner: Any, written: Iterator[int], at: int | str) -> None:
        self._inner, self._written, self._at = inner, written, at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in _WRITES:
            return found

        def write(*args: Any, **kwargs: Any) -> Any:
            told = f"{name} {args[0]}" if args and isinstance(args[0], str) else name
            if self._at in {next(self._written), told}:
                os.kill(os.getpid(), signal.SIGKILL)
            return found(*args, **kwargs)

        return write


@dataclass(frozen=True, slots=True)
class Later:
    """The machine's clock, some time on: leases of the dead are over by then."""

    by_ms: int = 0

    def now_ms(self) -> int:
        """Return the present, moved."""
        return SystemClock().now_ms() + self.by_ms


@contextmanager
def opened(folder: Path, by_ms: int = 0) -> Iterator[Workspace]:
    """Open the stores and the registry in a folder."""
    settings = load_settings({"HIVE_DATA_DIR": str(folder)})
    with open_workspace(settings, Later(by_ms)) as workspace:
        yield workspace


def retrain(workspace: Workspace, name: str, as_of_ms: int) -> TrainingOutcome:
    """Train the quick load model through the whole flow and promote it, whatever the gate says of it: every write counts."""
    asked = TrainingRequest(
        "load", as_of_ms, window_days=31, algorithm="seasonal_mean", horizon_minutes=60, threads=1
    )
    (result,) = train([asked], workspace, Rules(floor_profile="relative", actor="benchmark"), lambda _: None)
    assert result.version is not None, result.error
    promote(
        workspace.registry, workspace.state, result.version, actor="benchmark", reason="due",
        at_ms=workspace.clock.now_ms(), note=noting(workspace.ledger),
    )  # fmt: skip
    return TrainingOutcome(name, success=True, promoted=True, version=result.version.version)


def cycle(folder: Path, *, die_at: int | str = 0, by_ms: int = 0) -> int:
    """Run one cycle of the job; return how many writes it made."""
    written = count(1)
    with opened(folder, by_ms) as plain:
        state = cast("Any", Dying(plain.state, written, die_at))
        workspace = replace(
            plain, state=state, registry=cast("Any", Dying(plain.registry, written, die_at)),
            ledger=Ledger(state, plain.ledger.heads),
        )  # fmt: skip
        desk = Desk(
            workspace.tickets, workspace.state, workspace.registry, workspace.ledger, workspace.clock,
            lambda name, as_of_ms, _seconds: retrain(workspace, name, as_of_ms), Policy(),
        )  # fmt: skip
        run_cycle(desk, as_of_ms=DUE_MS + by_ms)
    return next(written) - 1


def prepare(folder: Path) -> Path:
    """Make a folder with ten weeks of tickets and a champion that is due; in a process of its own."""

    def make() -> int:
        with opened(folder) as workspace:
            workspace.tickets.upsert(
                t for t in sample_tickets(DUE_MS - 70 * DAY_MS, DUE_MS + DAY_MS) if t.owner == "AA"
            )
            retrain(workspace, NAME, TRAINED_MS)
        return 0

    assert run(make) == 0, "the champion could not be made"
    return folder


def killed_everywhere(made: Path, scratch: Path, points: Sequence[int | str] | None = None) -> list[Trial]:
    """Kill the job before each of its writes (or those named), then run it again six hours later.

    A line an end goes to standard error: a bar's thread must not be there when a process is forked.
    """
    if points is None:
        whole = scratch / "whole"
        shutil.copytree(made, whole)
        points = range(1, run(lambda: cycle(whole)) + 1)
        shutil.rmtree(whole)
    trials: list[Trial] = []
    for point in points:
        trials.append(_trial(made, scratch / "killed", point))
        print(f"killed before write {point}: {trials[-1].told or 'finished'}", file=sys.stderr, flush=True)
    return trials


def _trial(made: Path, folder: Path, point: int | str) -> Trial:
    shutil.copytree(made, folder)

    def afterwards() -> int:
        served = _serves(folder)
        cycle(folder, by_ms=6 * HOUR_MS)
        return _state_of(folder) | (0 if served else _NOT_SERVED)

    try:
        died = run(lambda: cycle(folder, die_at=point)) == -signal.SIGKILL
        faults = run(afterwards)
        told = [text for code, text in _FAULTS.items() if faults & code]
        told += [] if died else ["the job was not killed"]
        return Trial(point, died and not faults & _NOT_SERVED, not told, "; ".join(told))
    finally:
        shutil.rmtree(folder)


_FAULTS: Final = {
    1: "the champion is not the new version",
    2: "not exactly one retraining succeeded",
    4: "a claim is still running",
    8: "the ledger is not intact",
    16: "no published champion can be loaded",
}
_NOT_SERVED: Final = 32


def _serves(folder: Path) -> int:
    """Return 1 when the published champion is whole: what a service would load now."""
    source = FilePointerSource(folder)
    found = source.current(NAME, CHAMPION)
    if found is None:
        return 0
    return int(bool(read_artifact(Path(found.location), expected_digest=found.digest).arrays))


def _state_of(folder: Path) -> int:
    """Return the sum of the faults found."""
    with opened(folder) as workspace:
        champion = workspace.registry.resolve(NAME, CHAMPION)
        events = [r for r in workspace.state.find(RETRAINING_EVENTS) if r.document["success"]]
        running = workspace.state.count(RETRAINING_CLAIMS, where={"status": "running"})
        intact = workspace.ledger.verify().intact
    faults = (
        champion is None or champion.version < 2,
        len(events) != 1,
        running > 0,
        not intact,
        not _serves(folder),
    )
    return sum(code for code, fault in zip(_FAULTS, faults, strict=True) if fault)


def two_at_once(made: Path, folder: Path) -> int:
    """Start the job twice at the same moment; return how many retrainings there were."""
    shutil.copytree(made, folder)
    children = [_fork(lambda: cycle(folder)) for _ in range(2)]
    for child in children:
        os.waitpid(child, 0)

    def events() -> int:
        with opened(folder) as workspace:
            return workspace.state.count(RETRAINING_EVENTS)

    return run(events)


def run(what: Callable[[], int]) -> int:
    """Run something in a forked process; return its number (0 to 200), or minus the signal that ended it."""
    _, status = os.waitpid(_fork(what), 0)
    code = os.waitstatus_to_exitcode(status)
    assert code != _FAILED, "a run failed; its traceback is above"
    return code


_FAILED: Final = 255


def _fork(what: Callable[[], int]) -> int:
    child = os.fork()
    if child:
        return child
    code = _FAILED
    try:
        setup_logs("benchmark", level="ERROR", log_format="json")
        code = what()
    except BaseException:  # noqa: BLE001 - a child must not run on as its parent, whatever happened
        traceback.print_exc()
    finally:
        os._exit(code)
