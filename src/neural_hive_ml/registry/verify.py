"""May this artifact serve? Digests, signature, what it claims to be, and its own golden rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neural_hive_ml.errors import ArtifactRefused, HiveError
from neural_hive_ml.registry.files import Checked, check_directory, unpack
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.scoring.port import Scorer

if TYPE_CHECKING:
    from neural_hive_ml.registry.sign import VerifyKey

ScorerLoader = Callable[[PackedModel], Scorer]


@dataclass(frozen=True, slots=True)
class VerifiedArtifact:
    """A model that may serve, loaded.

    `signed_by` is a key id, empty where no keys are configured; `worst_difference` is the largest absolute
    difference to a golden row's expected score.
    """

    model: PackedModel
    scorer: Scorer
    digest: str
    signed_by: str
    golden_rows: int
    worst_difference: float

    def reasons(self) -> tuple[str, ...]:
        """Say what was checked, one sentence each."""
        signature = f"signed by key {self.signed_by}" if self.signed_by else "signature not asked for"
        return (
            f"every file matches the manifest {self.digest[:16]}",
            signature,
            f"{self.golden_rows} golden rows reproduced, largest difference {self.worst_difference:.1e}",
        )


def verify_artifact(
    directory: Path,
    *,
    load_scorer: ScorerLoader,
    keys: Sequence["VerifyKey"] = (),
    expected_digest: str = "",
    expected_name: str = "",
    feature_set_version: str = "",
) -> VerifiedArtifact:
    """Check an artifact and load it, or say why it is refused.

    Empty expectations are not checked.

    Raises
    ------
    ArtifactRefused
        When any check fails; the first one that does is named, and nothing of the artifact is used.
    """
    return verify_checked(
        check_directory(directory, expected_digest=expected_digest),
        load_scorer=load_scorer,
        keys=keys,
        expected_name=expected_name,
        feature_set_version=feature_set_version,
    )


def verify_checked(
    checked: Checked,
    *,
    load_scorer: ScorerLoader,
    keys: Sequence["VerifyKey"] = (),
    expected_name: str = "",
    feature_set_version: str = "",
) -> VerifiedArtifact:
    """As `verify_artifact`, on files that were read and digested already. Raises `ArtifactRefused`."""
    manifest = checked.manifest
    signed_by = ""
    if keys:
        from neural_hive_ml.registry.sign import check_signature  # cryptography only where keys are configured

        signed_by = check_signature(checked.seal, keys)
    if expected_name and manifest.name != expected_name:
        raise ArtifactRefused(f"the artifact holds {manifest.name}, {expected_name} was expected", kind="digest")
    if feature_set_version and manifest.feature_set_version != feature_set_version:
        raise ArtifactRefused(
            f"{manifest.name} was trained on feature set {manifest.feature_set_version}, "
            f"this service makes {feature_set_version}",
            kind="feature_set",
            remedy="train again with this release",
        )
    model = unpack(manifest, checked.files)
    scorer, worst = reproduce_golden(model, load_scorer)
    return VerifiedArtifact(model, scorer, manifest.digest, signed_by, len(model.golden.rows), worst)


def reproduce_golden(model: PackedModel, load_scorer: ScorerLoader) -> tuple[Scorer, float]:
    """Load a model and score its golden rows; return the scorer and the largest absolute difference.

    Raises
    ------
    ArtifactRefused
        When the model cannot be loaded, has no golden rows, or scores one beyond its tolerance.
    """
    golden = model.golden
    if len(golden.rows) == 0:
        raise ArtifactRefused(
            f"{model.name} has no golden rows, so nothing shows that it scores as it was trained",
            kind="golden_rows",
        )
    try:
        scorer = load_scorer(model)
        scores = np.asarray(scorer.reproduce(golden.rows), dtype=np.float64)
    except HiveError:
        raise
    except Exception as error:
        raise ArtifactRefused(f"{model.name} cannot be loaded: {type(error).__name__}: {error}") from error
    if scores.shape != golden.expected.shape:
        raise ArtifactRefused(
            f"{model.name} scores golden rows as {scores.shape}, not {golden.expected.shape}", kind="golden_rows"
        )
    same = (scores == golden.expected) | (np.isnan(scores) & np.isnan(golden.expected))
    differences = np.where(same, 0.0, np.abs(scores - golden.expected))
    worst = float(differences.max(initial=0.0))
    if not worst <= golden.tolerance:  # a NaN on one side only is a difference too
        raise ArtifactRefused(
            f"{model.name} does not reproduce its golden rows: off by {worst:.3e}, allowed {golden.tolerance:.0e}",
            kind="golden_rows",
        )
    return scorer, worst
