"""What a model registry must do; adapters `mlflow` (sqlite or server) and `memory`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from neural_hive_ml.evaluation.trial import Trial
from neural_hive_ml.evaluation.verdict import Evaluation, Verdict
from neural_hive_ml.scoring.packed import PackedModel

# The tag of a version that holds its artifact's digest, and where the artifact lies in MLflow's model directory.
DIGEST_TAG = "artifact_digest"
ARTIFACT_PATH = "data/artifact"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version; `digest` is the manifest's SHA-256, `aliases` as of the read."""

    name: str
    version: int
    run_id: str
    digest: str
    created_at_ms: int
    aliases: tuple[str, ...] = ()
    stage: str = "None"
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """What an alias points to, as services see it; `location` is where the source finds the artifact."""

    name: str
    version: int
    digest: str
    alias: str
    location: str


class Registry(Protocol):
    """Versions and aliases. Raises `RegistryUnavailable` within 5 s when the registry does not answer."""

    def describe(self) -> str:
        """Return what and where the registry is, credentials masked."""
        ...

    def register(
        self, model: PackedModel, evaluation: Evaluation, verdict: Verdict, files: Mapping[str, bytes]
    ) -> ModelVersion:
        """Log a run (params, metrics, tags, artifact, model card `files`) and register a new version."""
        ...

    def log_trials(self, version: ModelVersion, trials: Sequence[Trial]) -> None:
        """Log the trials that tuned a version, each as a run nested in the version's own; they go when it goes."""
        ...

    def resolve(self, name: str, alias: str) -> ModelVersion | None:
        """Return the version an alias points to, or None when the model or the alias does not exist."""
        ...

    def version(self, name: str, version: int) -> ModelVersion:
        """Return one version. Raises `NotFound`."""
        ...

    def versions(self, name: str) -> Sequence[ModelVersion]:
        """Return all versions of a model, newest first; empty when there is no such model."""
        ...

    def names(self, like: str = "%") -> Sequence[str]:
        """Return registered model names that match an SQL LIKE pattern, sorted."""
        ...

    def move_alias(self, name: str, alias: str, version: int | None) -> None:
        """Point an alias at a version (None removes it) and keep the guide's stage in step."""
        ...

    def tag(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        """Set tags on a version."""
        ...

    def publish(self, name: str, alias: str) -> None:
        """Let services see what an alias points to now. A server's REST shows it anyway; files are copied."""
        ...

    def attached(self, version: ModelVersion, path: str) -> bytes | None:
        """Return a file that was registered with a version (model card, evaluation), or None."""
        ...

    def delete(self, name: str, version: int) -> None:
        """Delete a version, the run that made it and their files. Raises `Conflict` while an alias points to it."""
        ...

    def sweep(self, before_ms: int, *, dry_run: bool = False) -> Sequence[str]:
        """Delete what registering left without a version, begun before a moment; return the ids of those runs."""
        ...

    def download(self, version: ModelVersion, into: Path) -> Path:
        """Fetch the artifact directory of a version into `into` and return its path."""
        ...
