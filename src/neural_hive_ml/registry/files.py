"""A model as a directory: arrays as .npy, documents as JSON, provenance as bytes, a manifest, a seal.

The same model gives the same bytes. Reading needs NumPy and msgspec only, executes nothing, and checks
every byte against the manifest before it is parsed. The format is described in docs/artifact-format.md.
"""

import io
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.registry.manifest import (
    MANIFEST_FILE,
    SEAL_FILE,
    Manifest,
    Seal,
    canonical_json,
    entry,
    parse_manifest,
    parse_seal,
    safe_path,
    sha256,
)
from neural_hive_ml.scoring.packed import FORMAT_VERSION, Arrays, GoldenRows, PackedModel

if TYPE_CHECKING:
    from neural_hive_ml.registry.sign import Signer  # cryptography is not needed to read an artifact

# Far above any model of ours; keeps a hostile manifest from filling the memory of a service.
LARGEST_ARTIFACT_BYTES = 1 << 30
_LARGEST_HEAD_BYTES = 1 << 22
_DOCUMENTS = ("documents", "policy", "lineage", "profile")
_NUMBERS = "biuf"

Reader = Callable[[str, int], bytes]


def write_artifact(model: PackedModel, directory: Path, signer: "Signer | None" = None) -> Manifest:
    """Write a model to a directory that does not exist yet, whole or not at all.

    Raises
    ------
    ValueError
        When the model holds something that the format cannot keep: an object array, a number that is not
        finite in a document, a file name that is not plain.
    """
    files = pack(model)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        name=model.name,
        family=model.family,
        algorithm=model.algorithm,
        feature_set_version=model.feature_set_version,
        synthetic=model.synthetic,
        horizon_minutes=model.horizon_minutes,
        tolerance=float(model.golden.tolerance),
        files={path: entry(content) for path, content in sorted(files.items())},
    )
    seal = signer.seal(manifest.digest) if signer else Seal(digest=manifest.digest)
    files[MANIFEST_FILE] = manifest.to_bytes()
    files[SEAL_FILE] = seal.to_bytes()
    write_whole(files, directory)
    return manifest


def pack(model: PackedModel) -> dict[str, bytes]:
    """Return the artifact's files but manifest and seal: relative path -> content."""
    files: dict[str, bytes] = {}
    for folder, arrays in (("arrays", model.arrays), ("statistics", model.statistics)):
        for name, array in arrays.items():
            files[f"{folder}/{name}.npy"] = array_bytes(array, f"{folder}/{name}")
    files["golden/rows.npy"] = array_bytes(model.golden.rows, "golden/rows")
    files["golden/expected.npy"] = array_bytes(model.golden.expected, "golden/expected")
    for name in _DOCUMENTS:
        files[f"{name}.json"] = canonical_json(getattr(model, name), name)
    for name, content in model.provenance.items():
        files[f"provenance/{name}"] = bytes(content)
    for path in files:
        if not safe_path(path):
            raise ValueError(f"{path!r} is not a plain file name")
    return files


@dataclass(frozen=True, slots=True)
class Checked:
    """An artifact's files as bytes (manifest and seal among them), each checked against the manifest."""

    manifest: Manifest
    seal: Seal
    files: Mapping[str, bytes]


def read_artifact(directory: Path, *, expected_digest: str = "") -> PackedModel:
    """Read a model back, each byte checked against the manifest, the manifest against its seal.

    `expected_digest` is what a registry or a pointer says the artifact is. Signatures and golden rows are
    checked by `registry.verify`.

    Raises
    ------
    ArtifactRefused
        When anything is missing, additional, changed, of another format version, or not what was expected.
    """
    checked = check_directory(directory, expected_digest=expected_digest)
    return unpack(checked.manifest, checked.files)


def check_directory(directory: Path, *, expected_digest: str = "") -> Checked:
    """Read an artifact directory and check every byte. Raises `ArtifactRefused`."""
    checked = gather(partial(_read, directory), str(directory), expected_digest=expected_digest)
    present = {p.relative_to(directory).as_posix() for p in directory.rglob("*") if not p.is_dir()}
    extra = present - set(checked.files)
    if extra:
        raise ArtifactRefused(f"{directory}: {min(extra)} is not in the manifest", kind="digest")
    return checked


def gather(read: Reader, where: str, *, expected_digest: str = "") -> Checked:
    """Collect an artifact's files through `read`, which returns at most ``limit + 1`` bytes of a path.

    Raises
    ------
    ArtifactRefused
        As `read_artifact`; `where` names the place in its messages.
    """
    manifest_bytes = read(MANIFEST_FILE, _LARGEST_HEAD_BYTES)
    seal_bytes = read(SEAL_FILE, _LARGEST_HEAD_BYTES)
    seal = parse_seal(seal_bytes)
    digest = sha256(manifest_bytes)
    if seal.digest != digest:
        raise ArtifactRefused(f"{where}: {MANIFEST_FILE} is not the one that was sealed", kind="digest")
    if expected_digest and digest != expected_digest:
        raise ArtifactRefused(
            f"{where}: the artifact is {digest[:16]}, {expected_digest[:16]} was expected", kind="digest"
        )
    manifest = parse_manifest(manifest_bytes)
    if manifest.format_version != FORMAT_VERSION:
        raise ArtifactRefused(
            f"{where}: artifact format {manifest.format_version}, this release reads {FORMAT_VERSION}",
            remedy="train again with this release, or serve with the one that wrote it (docs/artifact-format.md)",
        )
    total = sum(e.bytes for e in manifest.files.values())
    if total > LARGEST_ARTIFACT_BYTES:
        raise ArtifactRefused(f"{where}: {total:,} bytes, more than the {LARGEST_ARTIFACT_BYTES:,} allowed")
    files = {MANIFEST_FILE: manifest_bytes, SEAL_FILE: seal_bytes}
    for path, expected in manifest.files.items():
        content = read(path, expected.bytes)
        if len(content) != expected.bytes or sha256(content) != expected.sha256:
            raise ArtifactRefused(f"{where}: {path} is not the file that was registered", kind="digest")
        files[path] = content
    return Checked(manifest, seal, files)


def unpack(manifest: Manifest, files: Mapping[str, bytes]) -> PackedModel:
    """Build the model from files that were checked. Raises `ArtifactRefused` when one cannot be parsed."""
    documents = {}
    for name in _DOCUMENTS:
        document = _document(files, f"{name}.json")
        documents[name] = document
    golden = GoldenRows(
        rows=_array(files, "golden/rows.npy"),
        expected=_array(files, "golden/expected.npy"),
        tolerance=manifest.tolerance,
    )
    return PackedModel(
        name=manifest.name,
        family=manifest.family,
        algorithm=manifest.algorithm,
        feature_set_version=manifest.feature_set_version,
        arrays=_folder(files, "arrays"),
        statistics=_folder(files, "statistics"),
        golden=golden,
        provenance={p.removeprefix("provenance/"): c for p, c in files.items() if p.startswith("provenance/")},
        horizon_minutes=manifest.horizon_minutes,
        synthetic=manifest.synthetic,
        **documents,
    )


def write_whole(files: Mapping[str, bytes], directory: Path) -> None:
    """Write files into a new directory that appears at once, or not at all. Raises OSError."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    unfinished = directory.with_name(f".{directory.name}.{os.getpid()}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir()
        for path, content in files.items():
            target = unfinished / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        unfinished.rename(directory)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def array_bytes(array: npt.NDArray[Any], where: str) -> bytes:
    """Return an array as .npy, little-endian and C-ordered, so that the same array gives the same bytes."""
    array = np.asarray(array)
    if array.dtype.kind not in _NUMBERS and array.dtype.kind not in "SU":
        raise ValueError(f"{where} is an array of {array.dtype}: artifacts hold numbers and fixed-width text")
    out = io.BytesIO()
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
    np.lib.format.write_array(out, plain, version=(1, 0), allow_pickle=False)
    return out.getvalue()


def _read(directory: Path, path: str, limit: int) -> bytes:
    file = directory / path
    if file.is_symlink():
        raise ArtifactRefused(f"{file} is a link; artifacts hold files only", kind="digest")
    try:
        with file.open("rb") as stream:
            return stream.read(limit + 1)
    except OSError as error:
        raise ArtifactRefused(f"{file} cannot be read: {error.strerror}", kind="digest") from error


def _document(files: Mapping[str, bytes], path: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(files[path], type=dict[str, Any])
    except (KeyError, msgspec.DecodeError) as error:
        raise ArtifactRefused(f"{path} is missing or no JSON object") from error


def _array(files: Mapping[str, bytes], path: str) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.lib.format.read_array(io.BytesIO(files[path]), allow_pickle=False)
    except (KeyError, ValueError, EOFError) as error:
        raise ArtifactRefused(f"{path} is missing or no plain array") from error
    array.flags.writeable = False
    return array


def _folder(files: Mapping[str, bytes], folder: str) -> Arrays:
    prefix = f"{folder}/"
    return {
        path.removeprefix(prefix).removesuffix(".npy"): _array(files, path)
        for path in files
        if path.startswith(prefix) and path.endswith(".npy")
    }
