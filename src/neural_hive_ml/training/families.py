"""One door to the model families: train a candidate, or score a champion on the same hold-out."""

from dataclasses import replace

from neural_hive_ml.conventions import ANOMALY_ALGORITHMS, SCHEDULING_ALGORITHMS
from neural_hive_ml.errors import UsageError
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.training.request import Candidate, Progress, TrainingRequest, silent
from neural_hive_ml.training.search import Knob, Search
from neural_hive_ml.training.tuning import Tuner, tune

# What there is a trainer for, by family; a load model's own trainer knows its kinds. A model registered under the name of
# another algorithm would be a lie.
ALGORITHMS: dict[str, tuple[str, ...]] = {"anomaly": ANOMALY_ALGORITHMS, "scheduling": SCHEDULING_ALGORITHMS}


def train_family(
    columns: TicketColumns, request: TrainingRequest, progress: Progress = silent, tuner: Tuner | None = None
) -> Candidate:
    """Train the model that a request asks for, telling `progress` what it does; `tuner` searches where it asks for tuning.

    Raises `NotEnoughData`, `TrainingFailed`, `UsageError`.
    """
    _known(request)
    if request.tuning is None:
        return _train(columns, request, progress)
    search = search_family(columns, request)
    if search is None:
        progress(f"{request.family}: nothing to tune")
        return _train(columns, request, progress)
    if tuner is None:
        raise ValueError("a request that asks for tuning needs a tuner")
    tuned = tune(search, request.tuning, request.seed, tuner)
    progress(f"{request.family}: {tuned.sentence}")
    chosen = replace(request, parameters=tuple(sorted(tuned.values.items())))
    return replace(_train(columns, chosen, progress), trials=tuned.trials)


def search_family(columns: TicketColumns, request: TrainingRequest) -> Search | None:
    """Return the search of a request's hyperparameters on its fit and validation parts; None where there is none."""
    match request.family:
        case "anomaly":
            from neural_hive_ml.training.anomaly_search import anomaly_search

            return anomaly_search(columns, request)
        case "scheduling":
            from neural_hive_ml.training.duration_search import duration_search

            return duration_search(columns, request)
        case "load":
            from neural_hive_ml.training.load_search import load_search

            return load_search(columns, request)


def space_of(family: str) -> tuple[Knob, ...]:
    """Return the hyperparameters of a family, which `--parameter` and a search may set."""
    match family:
        case "anomaly":
            from neural_hive_ml.training.anomaly_search import SPACE as FOREST_SPACE

            return FOREST_SPACE
        case "scheduling":
            from neural_hive_ml.training.duration_search import SPACE

            return SPACE
        case "load":
            from neural_hive_ml.training.load_search import SPACE as LOAD_SPACE

            return LOAD_SPACE
    return ()


def _known(request: TrainingRequest) -> None:
    known = ALGORITHMS.get(request.family, ())
    if known and request.algorithm not in (None, *known):
        raise UsageError(
            f"this release trains no {request.family} model with {request.algorithm}",
            remedy=f"--model-algorithm {' or '.join(known)}",
        )


def _train(columns: TicketColumns, request: TrainingRequest, progress: Progress) -> Candidate:
    match request.family:
        case "anomaly":
            from neural_hive_ml.training.anomaly import train_anomaly

            return train_anomaly(columns, request, progress)
        case "scheduling":
            from neural_hive_ml.training.duration import train_duration

            return train_duration(columns, request, progress)
        case "load":
            from neural_hive_ml.training.load import train_load

            return train_load(columns, request, progress)
    raise UsageError(f"unknown model family {request.family!r}", remedy="anomaly, load or scheduling")


def rescore_family(model: PackedModel, columns: TicketColumns, request: TrainingRequest) -> HoldoutCases:
    """Let an existing model answer on the hold-out that training the same request would judge on."""
    match model.family:
        case "anomaly":
            from neural_hive_ml.training.anomaly import rescore_anomaly

            return rescore_anomaly(model, columns, request)
        case "scheduling":
            from neural_hive_ml.training.duration import rescore_duration

            return rescore_duration(model, columns, request)
        case "load":
            from neural_hive_ml.training.load import rescore_load

            return rescore_load(model, columns, request)
    raise UsageError(f"unknown model family {model.family!r}", remedy="anomaly, load or scheduling")
