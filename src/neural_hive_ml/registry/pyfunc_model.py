"""The MLflow model directory of an artifact: pyfunc by loader module, signature, example, requirements."""

import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

from neural_hive_ml.registry.code_closure import copy_code
from neural_hive_ml.registry.columns import decides, input_names, output_names
from neural_hive_ml.scoring.packed import PackedModel

LOADER_MODULE = "neural_hive_ml.registry.pyfunc"


# What loading and scoring need; given by name so that MLflow does not infer them in a subprocess (7 s).
_REQUIREMENTS = ("mlflow", "msgspec", "numpy", "pandas")
_EXAMPLE_ROWS = 2


def write_mlflow_model(model: PackedModel, artifact: Path, scratch: Path) -> Path:
    """Write the MLflow model directory of the artifact directory `artifact` (named ``artifact``) below `scratch`.

    Returns the directory. Takes about 0.1 s; no Python object is pickled.
    """
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema, TensorSpec

    names = input_names(model)
    inputs: list[ColSpec | TensorSpec] = [ColSpec("double", name) for name in names]
    outputs: list[ColSpec | TensorSpec] = [ColSpec("double", name) for name in output_names(model)]
    if decides(model):
        outputs.append(ColSpec("boolean", "is_anomaly"))
    signature = ModelSignature(Schema(inputs), Schema(outputs))
    example = pd.DataFrame(np.asarray(model.golden.rows[:_EXAMPLE_ROWS], dtype=np.float64), columns=list(names))
    directory = scratch / "model"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow advises type hints of a Python model; we log none
        mlflow.pyfunc.save_model(
            path=str(directory),
            loader_module=LOADER_MODULE,
            data_path=str(artifact),
            code_paths=[str(copy_code(scratch / "code", LOADER_MODULE))],
            signature=signature,
            input_example=example,
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
        )
    return directory
