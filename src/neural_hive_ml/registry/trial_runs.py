"""Trials of a search as MLflow runs nested in the run of the version they tuned."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neural_hive_ml.evaluation.trial import Trial
from neural_hive_ml.registry.run_record import clean

if TYPE_CHECKING:
    from mlflow import MlflowClient

PARENT_TAG = "mlflow.parentRunId"
_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
# MLflow's own limit of a page.
_MOST = 1000


def log_trial_runs(
    client: "MlflowClient", experiment: str, parent: str, trials: Sequence[Trial], now_ms: int
) -> None:
    """Log one finished run a trial: values as params, the loss and its steps as metrics, the state as a tag."""
    from mlflow.entities import Metric, Param

    for trial in trials:
        tags = {PARENT_TAG: parent, "trial": str(trial.number), "state": trial.state}
        if trial.error:
            tags["error"] = trial.error[:500]
        started_ms = now_ms - round(trial.seconds * 1000)
        run = client.create_run(experiment, start_time=started_ms, tags=tags, run_name=f"trial-{trial.number:03d}")
        metrics = [Metric("trial.step_loss", loss, now_ms, step) for step, loss in trial.steps]
        metrics.append(Metric("trial.seconds", trial.seconds, now_ms, 0))
        if trial.loss is not None:
            metrics.append(Metric("trial.loss", trial.loss, now_ms, 0))
        params = [Param(clean(name), str(value)) for name, value in trial.values.items()]
        client.log_batch(run.info.run_id, metrics=metrics, params=params)
        client.set_terminated(run.info.run_id, _STATUS[trial.state], end_time=now_ms)


def delete_trial_runs(client: "MlflowClient", experiment: str, parent: str) -> None:
    """Delete the runs nested in a run."""
    for run in client.search_runs([experiment], f"tags.`{PARENT_TAG}` = '{parent}'", max_results=_MOST):
        client.delete_run(run.info.run_id)
