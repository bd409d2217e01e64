"""The search of a load predictor: the algorithm that would serve, judged by its backtest inside the training hours."""

from dataclasses import dataclass
from hashlib import sha256

from neural_hive_ml.conventions import load_model_name
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.training.load import choose_algorithm, settings_of, training_task
from neural_hive_ml.training.load_fit import LoadSettings, LoadTask, backtest_load
from neural_hive_ml.training.request import TrainingRequest
from neural_hive_ml.training.search import Knob, Report, Search, Values

SPACES = {
    "prophet": (
        Knob("changepoint_prior_scale", "float", 0.001, 0.5, log=True),
        Knob("seasonality_prior_scale", "float", 0.01, 10.0, log=True),
        Knob("daily_order", "int", 1, 10),
        Knob("history_days", "int", 28, 365, log=True),
        Knob("growth", "choice", choices=("linear", "flat")),
    ),
    "lags": (
        Knob("rounds", "int", 40, 300, log=True),
        Knob("learning_rate", "float", 0.02, 0.2, log=True),
        Knob("max_depth", "int", 3, 8),
        Knob("min_child_weight", "float", 1.0, 100.0, log=True),
        Knob("subsample", "float", 0.5, 1.0),
        Knob("colsample_bytree", "float", 0.2, 1.0),
        Knob("reg_lambda", "float", 0.1, 20.0, log=True),
    ),
}
SPACE = tuple(knob for space in SPACES.values() for knob in space)


@dataclass(frozen=True, slots=True)
class LoadObjective:
    """Cross-fitted WAPE of horizon totals at the origins of the backtest."""

    task: LoadTask
    algorithm: str
    settings: LoadSettings

    def __call__(self, values: Values, report: Report) -> float:
        return backtest_load(self.task, self.algorithm, self.settings.having(values.items())).wape


def load_search(columns: TicketColumns, request: TrainingRequest) -> Search | None:
    """Lay out the search of a request; hours of the hold-out are not in it. None where the algorithm has no knobs.

    Raises `NotEnoughData`, `UsageError`.
    """
    task, settings = training_task(columns, request), settings_of(request)
    algorithm = choose_algorithm(task, request.algorithm, settings)[0].algorithm
    space = SPACES.get(algorithm)
    if space is None:
        return None
    chosen = getattr(settings, algorithm)
    told = f"{task.hours.start_ms} {task.hours_ahead} {task.timezone} {task.seed} {algorithm} {chosen}"
    return Search(
        load_model_name(task.hours_ahead * 60),
        space,
        {knob.name: getattr(chosen, knob.name) for knob in space},
        LoadObjective(task, algorithm, settings),
        sha256(task.hours.counts.tobytes() + told.encode()).hexdigest(),
    )
