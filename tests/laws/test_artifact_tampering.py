"""Law: one changed byte, anywhere in an artifact, and it is refused."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.registry import LinearScorer, linear_model

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.registry.files import write_artifact
from neural_hive_ml.registry.manifest import SEAL_FILE
from neural_hive_ml.registry.sign import Signer, VerifyKey, key_id
from neural_hive_ml.registry.verify import verify_artifact


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, VerifyKey]]:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    verify_key = VerifyKey(key_id(key.public_key()), key.public_key())
    directory = tmp_path_factory.mktemp("signed") / "artifact"
    write_artifact(linear_model(), directory, Signer(verify_key.id, key))
    yield directory, verify_key
    shutil.rmtree(directory)


def files_of(directory: Path) -> list[Path]:
    return sorted(p for p in directory.rglob("*") if p.is_file())


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_flipped_byte_of_any_file_is_refused(signed: tuple[Path, VerifyKey], data: st.DataObject) -> None:
    directory, key = signed
    file = data.draw(st.sampled_from(files_of(directory)))
    content = file.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    flip = data.draw(st.integers(1, 255))
    try:
        file.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
        with pytest.raises(ArtifactRefused):
            verify_artifact(directory, load_scorer=LinearScorer, keys=[key])
        if file.name != SEAL_FILE:  # without keys nothing can vouch for the signature itself
            with pytest.raises(ArtifactRefused):
                verify_artifact(directory, load_scorer=LinearScorer)
    finally:
        file.write_bytes(content)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_truncated_or_grown_file_is_refused(signed: tuple[Path, VerifyKey], data: st.DataObject) -> None:
    directory, key = signed
    file = data.draw(st.sampled_from(files_of(directory)))
    content = file.read_bytes()
    shorter = st.integers(0, len(content) - 1).map(lambda n: content[:n])
    longer = st.binary(min_size=1, max_size=9).map(lambda more: content + more)
    changed = data.draw(st.one_of(shorter, longer))
    try:
        file.write_bytes(changed)
        with pytest.raises(ArtifactRefused):
            verify_artifact(directory, load_scorer=LinearScorer, keys=[key])
    finally:
        file.write_bytes(content)
