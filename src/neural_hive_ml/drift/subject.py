"""Whom a check is about: the champions, each with the reference profile that goes with that very version."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neural_hive_ml.conventions import FEATURE_BASELINES
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.evaluation.load_profile import LoadProfile
from neural_hive_ml.evaluation.profile import Profile
from neural_hive_ml.registry.files import read_artifact
from neural_hive_ml.registry.port import ModelVersion, Registry
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.state.port import StateStore


@dataclass(frozen=True, slots=True)
class Subject:
    """A champion and the profile it is checked against; `refreshed_at_ms` is set where an operator renewed the
    profile after training."""

    version: ModelVersion
    model: PackedModel
    profile: Profile | LoadProfile
    refreshed_at_ms: int | None = None

    @property
    def name(self) -> str:
        """The registered name."""
        return self.version.name


def subject_of(registry: Registry, state: StateStore, version: ModelVersion) -> Subject:
    """Load a version and the profile that counts for it: a renewed one before the artifact's own.

    Raises
    ------
    ArtifactRefused
        When the artifact is damaged or carries no profile.
    """
    with tempfile.TemporaryDirectory(prefix="hive-drift-") as scratch:
        directory = registry.download(version, Path(scratch) / "artifact")
        model = read_artifact(directory, expected_digest=version.digest)
    baseline = state.get(FEATURE_BASELINES, baseline_key(version))
    if baseline is not None:
        return Subject(version, model, read_profile(baseline.document["profile"], version.name), baseline.at_ms)
    return Subject(version, model, read_profile(model.profile, version.name))


def baseline_key(version: ModelVersion) -> str:
    """Return the key of a renewed profile: it counts for one version only."""
    return f"{version.name}@{version.version}"


def read_profile(document: Mapping[str, Any], name: str) -> Profile | LoadProfile:
    """Read either kind of profile. Raises `ArtifactRefused` where there is none that this release knows."""
    try:
        return (
            LoadProfile.from_document(document)
            if document.get("kind") == "load"
            else Profile.from_document(document)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactRefused(
            f"{name} carries no reference profile that this release reads: {error}",
            remedy="train it again, or: hive-ml drift reference update",
        ) from error
