"""The names of a model's input columns and of its scores, as its documents give them."""

from collections.abc import Sequence

from neural_hive_ml.scoring.packed import PackedModel


def input_names(model: PackedModel) -> Sequence[str]:
    """Return the names of the columns of the model's rows."""
    return _names(model, "inputs", "x", model.golden.rows.shape[1])


def output_names(model: PackedModel) -> Sequence[str]:
    """Return the names of the model's scores."""
    expected = model.golden.expected
    return _names(model, "outputs", "y", 1 if expected.ndim == 1 else expected.shape[1])


def decides(model: PackedModel) -> bool:
    """Tell whether the model's scores are decided on, which adds the output `is_anomaly`."""
    return model.family == "anomaly"


def _names(model: PackedModel, kind: str, letter: str, width: int) -> Sequence[str]:
    names = [str(name) for name in model.documents.get(kind, ())]
    return names if len(names) == width else [f"{letter}{i}" for i in range(width)]
