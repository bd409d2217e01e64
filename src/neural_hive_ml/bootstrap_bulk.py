"""Composition root of bulk work: the models that serve, or versions named, loaded as services load them."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from neural_hive_ml.bootstrap import model_slot, open_registry, serving_model, verify_keys
from neural_hive_ml.bulk.judge import Judge
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.conventions import MODEL_TYPE_SETTINGS
from neural_hive_ml.errors import NotFound
from neural_hive_ml.features.spec import FEATURE_SET_VERSION
from neural_hive_ml.registry.reference import find
from neural_hive_ml.registry.verify import verify_artifact
from neural_hive_ml.scoring.load_scorer import load_scorer
from neural_hive_ml.settings import Settings


def serving_judges(settings: Settings) -> tuple[Judge, ...]:
    """Return the champions that guard-agents and orchestrator-dynamic would serve now.

    Raises
    ------
    NotFound
        When there is neither.
    """
    found, why = [], []
    for family in MODEL_TYPE_SETTINGS:
        name = serving_model(settings, family)
        slot = model_slot(settings, name, SystemClock())
        slot.refresh()
        if slot.current is None:
            why.append(slot.failure)
        else:
            found.append(Judge.of(slot.current.artifact, name, slot.current.published.version))
    if not found:
        raise NotFound("; ".join(why), remedy="hive-ml train --promote-if-better, or name a version with --model")
    return tuple(found)


def named_judges(settings: Settings, references: Sequence[str]) -> tuple[Judge, ...]:
    """Return versions of the registry, verified. Raises `NotFound`, `ArtifactRefused`, `UsageError`."""
    registry = open_registry(settings)
    judges = []
    for reference in references:
        version = find(registry, reference)
        with TemporaryDirectory(prefix="hive-score-") as scratch:
            artifact = verify_artifact(
                registry.download(version, Path(scratch) / "artifact"),
                load_scorer=load_scorer,
                keys=verify_keys(settings),
                expected_digest=version.digest,
                expected_name=version.name,
                feature_set_version=FEATURE_SET_VERSION,
            )
        judges.append(Judge.of(artifact, version.name, version.version))
    return tuple(judges)
