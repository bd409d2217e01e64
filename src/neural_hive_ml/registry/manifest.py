"""The manifest of an artifact (which files it has, how long each is, what each hashes to) and its seal.

The manifest is canonical JSON (sorted keys, no spaces), so its SHA-256 names the whole artifact; the seal
holds that digest and, where the artifact is signed, the signature over it.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from neural_hive_ml.conventions import Family
from neural_hive_ml.errors import ArtifactRefused

MANIFEST_FILE = "manifest.json"
SEAL_FILE = "seal.json"

# One folder deep, plain names: nothing that could leave the artifact's directory.
_SAFE_PATH = re.compile(r"(?:[a-z]+/)?[A-Za-z0-9_][A-Za-z0-9_.\-]{0,119}")


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Length in bytes and lower-case hexadecimal SHA-256 of one file."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an artifact says it is. `files` maps relative paths to their digests."""

    format_version: int
    name: str
    family: Family
    algorithm: str
    feature_set_version: str
    synthetic: bool
    horizon_minutes: int | None
    tolerance: float
    files: dict[str, FileEntry]

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return msgspec.json.encode(self, order="sorted")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, lower-case hexadecimal: the artifact's identity."""
        return sha256(self.to_bytes())


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The manifest's digest and, where the artifact is signed, key id and signature (hexadecimal)."""

    digest: str
    key_id: str = ""
    signature: str = ""

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return msgspec.json.encode(self, order="sorted")


def sha256(content: bytes) -> str:
    """Return the lower-case hexadecimal SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()


def entry(content: bytes) -> FileEntry:
    """Return the manifest entry of a file's content."""
    return FileEntry(bytes=len(content), sha256=sha256(content))


def safe_path(path: str) -> bool:
    """Tell whether a relative path may name a file of an artifact.

    >>> safe_path("arrays/trees.npy"), safe_path("policy.json")
    (True, True)
    >>> safe_path("../policy.json"), safe_path("/etc/passwd"), safe_path("a/b/c")
    (False, False, False)
    """
    return _SAFE_PATH.fullmatch(path) is not None and ".." not in path


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest.

    Raises
    ------
    ArtifactRefused
        When it is no manifest, not canonical, or names a path outside the artifact.
    """
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactRefused(f"{MANIFEST_FILE} is not readable: {error}", kind="digest") from error
    if manifest.to_bytes() != content:
        raise ArtifactRefused(f"{MANIFEST_FILE} is not in canonical form", kind="digest")
    for path in manifest.files:
        if not safe_path(path):
            raise ArtifactRefused(f"{MANIFEST_FILE} names {path!r}, which no artifact may hold", kind="digest")
    return manifest


def parse_seal(content: bytes) -> Seal:
    """Read a seal. Raises `ArtifactRefused` when it is none, or not canonical."""
    try:
        seal = msgspec.json.decode(content, type=Seal)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactRefused(f"{SEAL_FILE} is not readable: {error}", kind="digest") from error
    if seal.to_bytes() != content or seal.signature != seal.signature.lower():
        raise ArtifactRefused(f"{SEAL_FILE} is not in canonical form", kind="digest")
    return seal


def canonical_json(document: Mapping[str, Any], where: str) -> bytes:
    """Write a document as canonical JSON; NumPy numbers and arrays become plain ones.

    Raises
    ------
    ValueError
        When a number is not finite, a key is not text or a value has no JSON form, naming its path:
        JSON would change it silently.
    """
    return msgspec.json.encode(_plain(document, where), order="sorted")


def _plain(value: Any, where: str) -> Any:
    match value:
        case None | bool() | str():
            return value
        case np.generic() | np.ndarray():
            return _plain(value.tolist(), where)
        case int():
            return int(value)
        case float():
            if not np.isfinite(value):
                raise ValueError(f"{where} is {value}: documents hold finite numbers only")
            return float(value)
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise ValueError(f"{where} has the key {key!r}: keys are text")  # noqa: TRY004 - one error for all
            return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
        case _:
            raise ValueError(f"{where} is a {type(value).__name__}, which has no JSON form")
