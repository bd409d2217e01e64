"""One door to loaded models: an artifact in, its family's scorer out."""

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.scoring.port import Scorer


def load_scorer(model: PackedModel) -> Scorer:
    """Load the scorer of an artifact. Raises `ArtifactRefused` for a family or form that this release does not know."""
    if model.family == "anomaly":
        from neural_hive_ml.scoring.anomaly import AnomalyScorer

        return AnomalyScorer.load(model)
    if model.family == "scheduling":
        from neural_hive_ml.scoring.duration import DurationScorer

        return DurationScorer.load(model)
    if model.family == "load":
        from neural_hive_ml.scoring.load import LoadForecaster

        return LoadForecaster.load(model)
    raise ArtifactRefused(f"unknown family {model.family!r}", remedy="run the release that wrote the artifact")
