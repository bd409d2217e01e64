"""A seeded, pruned, resumable search: Optuna's TPE proposes, an engine runs, the defaults must be beaten by a margin.

TPE: Bergstra et al. (2011); median pruning: Golovin et al. (2017). Trials are proposed and told in batches of the engine's
workers and the sampler is seeded by the batch, so the same seed, workers and number of trials give the same search, also
when it was interrupted in between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

from neural_hive_ml.errors import TrainingFailed
from neural_hive_ml.training.engine import Engine, TrialJob
from neural_hive_ml.training.request import TuningBudget
from neural_hive_ml.training.search import Knob, Search, Trial, Values

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

# Before this many complete trials nothing is pruned.
_UNPRUNED = 5
# Defaults stay unless the best trial beats them by this much on validation: below it is luck (ml-evidence: 1-2 %).
LEAST_GAIN = 0.01


class TrialLog(Protocol):
    """Keeps finished trials of a search, so that an interrupted one goes on."""

    def read(self, search: Search) -> Sequence[Trial]:
        """Return the trials kept under the search's key, oldest first; none when the key is another one."""
        ...

    def append(self, search: Search, trials: Sequence[Trial]) -> None:
        """Keep more trials."""
        ...


@dataclass(slots=True)
class MemoryTrialLog:
    """Keeps trials for as long as it lives."""

    kept: dict[str, list[Trial]] = field(default_factory=dict)

    def read(self, search: Search) -> Sequence[Trial]:
        return tuple(self.kept.get(search.key, ()))

    def append(self, search: Search, trials: Sequence[Trial]) -> None:
        self.kept.setdefault(search.key, []).extend(trials)


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a search is: `spent` is the part of its budget that is used up, 0 to 1."""

    name: str
    spent: float
    trials: int
    best: float | None


@dataclass(frozen=True, slots=True)
class Tuner:
    """What a search needs from outside: workers, a clock in seconds, a log, someone who watches."""

    engine: Engine
    clock: Callable[[], float]
    log: TrialLog = field(default_factory=MemoryTrialLog)
    watch: Callable[[Seen], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search found: `values` to train with, all `trials`, and a sentence that says what was gained."""

    values: Values
    trials: tuple[Trial, ...]
    sentence: str


def tune(search: Search, budget: TuningBudget, seed: int, tuner: Tuner) -> Tuned:
    """Search until the budget of trials or seconds is used up; the first trial is always the defaults.

    Raises
    ------
    TrainingFailed
        When the defaults themselves fail, or the engine loses its workers.
    """
    study = _study(search)
    trials = list(tuner.log.read(search))[: budget.trials]
    for trial in trials:
        study.add_trial(_frozen(trial, search.space))
    before, began = sum(t.seconds for t in trials) / tuner.engine.workers, tuner.clock()
    while len(trials) < budget.trials:
        spent = before + tuner.clock() - began
        if trials and spent >= budget.seconds:
            break
        count = min(tuner.engine.workers, budget.trials - len(trials))
        proposed = _propose(study, search, len(trials), count, [seed, len(trials)])
        ceilings = _ceilings(trials)
        left = max(budget.seconds - spent, 1.0)
        done = tuner.engine.run(
            search, [TrialJob(len(trials) + i, values, ceilings, left) for i, values in enumerate(proposed)]
        )
        for trial in done:
            study.add_trial(_frozen(trial, search.space))
        tuner.log.append(search, done)
        trials += done
        spent = before + tuner.clock() - began
        share = max(len(trials) / budget.trials, spent / budget.seconds)
        tuner.watch(Seen(search.name, min(share, 1.0), len(trials), _best(trials).loss))
    return _conclude(search, trials)


def _conclude(search: Search, trials: Sequence[Trial]) -> Tuned:
    default, best = trials[0], _best(trials)
    if default.loss is None or best.loss is None:
        raise TrainingFailed(
            f"{search.name}: the defaults themselves fail: {default.error}",
            remedy="train without --hyperparameter-tuning to see the whole error",
        )
    count = f"{len(trials)} trials ({sum(t.state == 'pruned' for t in trials)} pruned)"
    gain = 1.0 - best.loss / default.loss if default.loss > 0 else 0.0
    if gain < LEAST_GAIN:
        said = (
            f"{count}: the defaults stay, nothing beat them by {LEAST_GAIN:.0%} on validation (best {gain:+.1%})"
        )
        return Tuned(dict(search.defaults), tuple(trials), said)
    return Tuned(dict(best.values), tuple(trials), f"{count}: {gain:.1%} better than the defaults on validation")


def _best(trials: Sequence[Trial]) -> Trial:
    """Return the best whole trial; a pruned one stopped early, its loss is not comparable."""
    whole = [t for t in trials if t.state == "complete" and t.loss is not None]
    return min(whole, key=lambda t: (t.loss, t.number)) if whole else trials[0]


def _ceilings(trials: Sequence[Trial]) -> dict[int, float]:
    """Median of what whole trials had reached, step by step."""
    whole = [dict(t.steps) for t in trials if t.state == "complete"]
    if len(whole) < _UNPRUNED:
        return {}
    steps = sorted({step for steps in whole for step in steps})
    reached = {step: [steps[step] for steps in whole if step in steps] for step in steps}
    return {step: median(losses) for step, losses in reached.items() if len(losses) >= _UNPRUNED}


def _study(search: Search) -> "Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(study_name=search.name, direction="minimize")


def _propose(study: "Study", search: Search, first: int, count: int, seed: Sequence[int]) -> list[dict[str, Any]]:
    from warnings import catch_warnings, simplefilter

    import numpy as np
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    with catch_warnings():
        simplefilter("ignore", ExperimentalWarning)
        study.sampler = TPESampler(
            seed=int(np.random.default_rng(seed).integers(2**31)), multivariate=True, constant_liar=count > 1
        )
    space = {knob.name: _distribution(knob) for knob in search.space}
    asked = [study.ask(space) for _ in range(count)]
    for (
        trial
    ) in asked:  # told by `add_trial` once they ran: a study of its own numbers must not hold them as running
        study.tell(trial, state=TrialState.FAIL)
    proposed = [dict(trial.params) for trial in asked]
    return [dict(search.defaults), *proposed[1:]] if first == 0 else proposed


def _distribution(knob: Knob) -> "BaseDistribution":
    from optuna import distributions as d

    match knob.kind:
        case "float":
            return d.FloatDistribution(knob.low, knob.high, log=knob.log)
        case "int":
            return d.IntDistribution(int(knob.low), int(knob.high), log=knob.log)
        case "choice":
            return d.CategoricalDistribution(knob.choices)


def _frozen(trial: Trial, space: Sequence[Knob]) -> Any:
    from optuna.trial import TrialState, create_trial

    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    return create_trial(
        state=states[trial.state],
        value=trial.loss if trial.state == "complete" else None,
        params=dict(trial.values),
        distributions={knob.name: _distribution(knob) for knob in space},
        intermediate_values=dict(trial.steps),
    )
