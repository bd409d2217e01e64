"""Our models as MLflow pyfuncs: `mlflow.pyfunc.load_model` and `mlflow models serve` call `_load_pyfunc`.

No Python object is pickled: MLflow imports this module from the code logged beside the artifact, and it
reads arrays and JSON. Our own services use the artifact directly, without MLflow.
"""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from neural_hive_ml.registry.columns import input_names, output_names
from neural_hive_ml.registry.files import read_artifact
from neural_hive_ml.registry.verify import reproduce_golden
from neural_hive_ml.scoring.load_scorer import load_scorer
from neural_hive_ml.scoring.packed import PackedModel


@runtime_checkable
class Decider(Protocol):
    """A scorer whose scores are decided on: the anomaly detector."""

    def flagged(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return [n]: whether each row's score reaches its threshold."""
        ...


class PackedPyfunc:
    """A packed model behind pyfunc's `predict`; ready only after it reproduced its golden rows."""

    def __init__(self, model: PackedModel) -> None:
        self.model = model
        self.inputs = input_names(model)
        self.outputs = output_names(model)
        self._scorer, _ = reproduce_golden(model, load_scorer)

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Score rows: a DataFrame with the model's input columns in any order, or an [n, d] array.

        Returns
        -------
        pandas.DataFrame
            One column an output; an anomaly detector adds `is_anomaly`, its score against its thresholds.
        """
        import pandas as pd

        picked = data[list(self.inputs)] if isinstance(data, pd.DataFrame) else data
        rows = np.ascontiguousarray(picked, dtype=np.float64)
        scores = self._scorer.reproduce(rows).reshape(len(rows), -1)
        frame = pd.DataFrame(scores, columns=list(self.outputs), index=getattr(data, "index", None))
        if isinstance(self._scorer, Decider):
            frame["is_anomaly"] = self._scorer.flagged(rows)
        return frame


def _load_pyfunc(path: str) -> PackedPyfunc:
    """Load an artifact directory. MLflow calls this by name."""
    return PackedPyfunc(read_artifact(Path(path)))
