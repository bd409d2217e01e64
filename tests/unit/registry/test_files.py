"""An artifact directory: what goes in comes out, equal models are equal bytes, anything odd is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace as changed
from tests.support.registry import linear_model

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.registry.files import check_directory, read_artifact, write_artifact
from neural_hive_ml.registry.manifest import (
    MANIFEST_FILE,
    SEAL_FILE,
    Manifest,
    Seal,
    entry,
    parse_manifest,
    sha256,
)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    write_artifact(linear_model(), tmp_path / "artifact")
    return tmp_path / "artifact"


def reseal(directory: Path, manifest: Manifest) -> None:
    """Write a manifest with a seal that fits it: what an attacker without a key can do."""
    (directory / MANIFEST_FILE).write_bytes(manifest.to_bytes())
    (directory / SEAL_FILE).write_bytes(Seal(digest=manifest.digest).to_bytes())


def test_what_is_written_is_read_back(artifact: Path) -> None:
    model, back = linear_model(), read_artifact(artifact)

    assert (back.name, back.family, back.algorithm) == (model.name, model.family, model.algorithm)
    assert (back.documents, back.policy, back.lineage, back.profile) == (
        model.documents,
        model.policy,
        model.lineage,
        model.profile,
    )
    assert back.provenance == model.provenance
    for ours, theirs in ((model.arrays, back.arrays), (model.statistics, back.statistics)):
        assert set(ours) == set(theirs)
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name])
            assert ours[name].dtype == theirs[name].dtype
    np.testing.assert_array_equal(back.golden.rows, model.golden.rows)
    assert back.golden.tolerance == model.golden.tolerance


def test_read_arrays_cannot_be_written_to(artifact: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        read_artifact(artifact).arrays["weights"][0] = 1.0


def test_equal_models_are_equal_bytes(tmp_path: Path) -> None:
    digests = {write_artifact(linear_model(), tmp_path / str(i)).digest for i in range(3)}

    assert len(digests) == 1
    files = [p.relative_to(tmp_path / "0") for p in (tmp_path / "0").rglob("*") if p.is_file()]
    assert all((tmp_path / "0" / f).read_bytes() == (tmp_path / "2" / f).read_bytes() for f in files)


def test_layout_of_memory_does_not_change_the_digest(tmp_path: Path) -> None:
    model = linear_model()
    nodes = model.arrays["nodes"]
    turned = replace(model, arrays={"weights": model.arrays["weights"], "nodes": np.asfortranarray(nodes)})
    swapped = replace(model, arrays={**model.arrays, "nodes": nodes.astype(">i4")})

    digests = {write_artifact(m, tmp_path / str(i)).digest for i, m in enumerate((model, turned, swapped))}

    assert len(digests) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arrays": {"o": np.array([object()])}}, "numbers"),
        ({"documents": {"a": {"b": float("nan")}}}, "documents.a.b is nan"),
        ({"profile": {"edges": [1.0, float("inf")]}}, r"profile.edges\[1\] is inf"),
        ({"policy": {1: 2}}, "keys are text"),
        ({"lineage": {"when": object()}}, "no JSON form"),
        ({"provenance": {"../evil": b""}}, "not a plain file name"),
        ({"arrays": {"a/b": np.zeros(1)}}, "not a plain file name"),
    ],
)
def test_what_the_format_cannot_keep_is_refused_at_once(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_artifact(replace(linear_model(), **change), tmp_path / "artifact")
    assert not list(tmp_path.iterdir())


def test_a_directory_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = Path.write_bytes, []

    def failing(self: Path, data: bytes) -> int:
        calls.append(self)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(OSError, match="No space"):
        write_artifact(linear_model(), tmp_path / "artifact")
    assert not list(tmp_path.iterdir())


def test_missing_and_additional_files_are_refused(artifact: Path) -> None:
    (artifact / "arrays" / "extra.npy").write_bytes(b"")
    with pytest.raises(ArtifactRefused, match=r"extra\.npy is not in the manifest"):
        read_artifact(artifact)
    (artifact / "arrays" / "extra.npy").unlink()
    (artifact / "policy.json").unlink()
    with pytest.raises(ArtifactRefused, match="cannot be read"):
        read_artifact(artifact)


def test_links_are_refused(artifact: Path, tmp_path: Path) -> None:
    shutil.move(artifact / "policy.json", tmp_path / "elsewhere.json")
    (artifact / "policy.json").symlink_to(tmp_path / "elsewhere.json")

    with pytest.raises(ArtifactRefused, match="link"):
        read_artifact(artifact)


def test_another_artifact_than_expected_is_refused(artifact: Path) -> None:
    with pytest.raises(ArtifactRefused, match="was expected"):
        read_artifact(artifact, expected_digest="0" * 64)


def test_another_format_version_is_refused_with_what_to_do(artifact: Path) -> None:
    reseal(artifact, changed(check_directory(artifact).manifest, format_version=99))

    with pytest.raises(ArtifactRefused, match=r"format 99.*train again"):
        read_artifact(artifact)


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/b/c", "arrays/..", ""])
def test_a_manifest_cannot_name_files_outside(artifact: Path, path: str) -> None:
    manifest = check_directory(artifact).manifest
    reseal(artifact, changed(manifest, files={**manifest.files, path: entry(b"x")}))

    with pytest.raises(ArtifactRefused, match="no artifact may hold"):
        read_artifact(artifact)


def test_a_manifest_cannot_ask_for_a_gigabyte(artifact: Path) -> None:
    manifest = check_directory(artifact).manifest
    huge = changed(entry(b"x"), bytes=1 << 40)
    reseal(artifact, changed(manifest, files={**manifest.files, "arrays/huge.npy": huge}))

    with pytest.raises(ArtifactRefused, match="more than the"):
        read_artifact(artifact)


def test_a_pickle_in_an_array_is_never_loaded(artifact: Path) -> None:
    pickled = artifact / "arrays" / "weights.npy"
    with pickled.open("wb") as stream:
        np.save(stream, np.array([print], dtype=object), allow_pickle=True)
    content = pickled.read_bytes()
    old = parse_manifest((artifact / MANIFEST_FILE).read_bytes())
    reseal(artifact, changed(old, files={**old.files, "arrays/weights.npy": entry(content)}))

    with pytest.raises(ArtifactRefused, match="no plain array"):
        read_artifact(artifact)


def test_a_manifest_written_otherwise_is_refused(artifact: Path) -> None:
    spaced = (artifact / MANIFEST_FILE).read_bytes().replace(b",", b", ", 1)
    (artifact / MANIFEST_FILE).write_bytes(spaced)
    (artifact / SEAL_FILE).write_bytes(Seal(digest=sha256(spaced)).to_bytes())

    with pytest.raises(ArtifactRefused, match="canonical"):
        read_artifact(artifact)
