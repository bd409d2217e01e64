"""Why an artifact was refused, as the metric and its alerts count it: tampering is never sorted under "format"."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.registry import LinearScorer, linear_model

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.observability.labels import LOAD_ERROR
from neural_hive_ml.registry.files import write_artifact
from neural_hive_ml.registry.sign import VerifyKey
from neural_hive_ml.registry.verify import verify_artifact


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def one_byte_of_an_array(folder: Path) -> None:
    flip(folder / "arrays" / "weights.npy")


def one_byte_of_the_provenance(folder: Path) -> None:
    flip(folder / "provenance" / "model.skops")


def a_file_more(folder: Path) -> None:
    (folder / "arrays" / "more.npy").write_bytes(b"")


def a_file_less(folder: Path) -> None:
    (folder / "policy.json").unlink()


def another_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"family":"anomaly"', b'"family":"anomalx"'))


def no_seal(folder: Path) -> None:
    path = folder / "seal.json"
    path.chmod(0o644)
    path.write_bytes(b"{}")


@pytest.mark.parametrize(
    "change",
    [one_byte_of_an_array, one_byte_of_the_provenance, a_file_more, a_file_less, another_manifest, no_seal],
)
def test_a_changed_file_is_refused_as_digest(tmp_path: Path, change: Callable[[Path], None]) -> None:
    folder = tmp_path / "signature of a golden feature set"  # the place has no say in the kind
    write_artifact(linear_model(), folder)
    change(folder)
    with pytest.raises(ArtifactRefused) as refused:
        verify_artifact(folder, load_scorer=LinearScorer)
    assert refused.value.kind == "digest", refused.value


def test_another_artifact_than_was_published_is_refused_as_digest(tmp_path: Path) -> None:
    write_artifact(linear_model(), tmp_path / "a")
    for expected in ({"expected_digest": "0" * 64}, {"expected_name": "load-predictor-60m"}):
        with pytest.raises(ArtifactRefused) as refused:
            verify_artifact(tmp_path / "a", load_scorer=LinearScorer, **expected)
        assert refused.value.kind == "digest", refused.value


def test_the_other_kinds_are_told_apart(tmp_path: Path) -> None:
    model = linear_model()
    write_artifact(model, tmp_path / "a")
    other = replace(model, golden=replace(model.golden, expected=model.golden.expected + 1e-6))
    write_artifact(other, tmp_path / "b")
    key = VerifyKey("k", Ed25519PrivateKey.generate().public_key())
    asked = {
        "signature": (tmp_path / "a", {"keys": (key,)}),
        "feature_set": (tmp_path / "a", {"feature_set_version": "99"}),
        "golden_rows": (tmp_path / "b", {}),
    }
    for kind, (folder, arguments) in asked.items():
        with pytest.raises(ArtifactRefused) as refused:
            verify_artifact(folder, load_scorer=LinearScorer, **arguments)
        assert refused.value.kind == kind, refused.value


def test_every_kind_is_a_reason_that_the_metric_knows() -> None:
    from typing import get_args

    from neural_hive_ml.errors import RefusalKind

    assert set(get_args(RefusalKind)) <= set(LOAD_ERROR.values)
