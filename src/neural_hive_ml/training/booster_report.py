"""XGBoost told to ask, every 25 rounds, whether a trial is worth going on with."""

from typing import Any

from neural_hive_ml.training.search import Report

EVERY = 25


def reporting(report: Report) -> Any:
    """Return a callback that reports the newest loss of the first watched set, and ends the training when told to."""
    from xgboost.callback import TrainingCallback

    class Reporting(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if (epoch + 1) % EVERY or not evals_log:
                return False
            losses = next(iter(next(iter(evals_log.values())).values()))
            return report(epoch + 1, float(losses[-1]))

    return Reporting()
